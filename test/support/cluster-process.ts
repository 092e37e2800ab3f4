/**
 * A server in several processes, as an application has it: a primary that forks, and workers that each serve the same two
 * ports, one with a listener of ours and one on a server of `node:http`.
 *
 * `cluster.ts` starts it, says how the workers come by their connections, and asks both.
 */
import cluster from "node:cluster";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Route, type ServeOptions, type Server, serve } from "../../src/index.ts";
import type { Answer, Asked, AskedOfWorker, Counts, Exit, Ports, Sharing } from "./cluster.ts";

const sharing = process.argv[2] as Sharing;

/** Says which worker it is, then sends back what comes, but what it is asked to do. */
const talk: Route = {
  open: (connection) => void connection.send(String(cluster.worker!.id)),
  message: (connection, data) => {
    if (data === "close") connection.close(4001, "As asked");
    else connection.send(data);
  },
};

const routes: ServeOptions["routes"] = {
  "/echo": talk,
  "/borrowed": { ...talk, borrow: true },
  "/compressed": { ...talk, compression: true },
};

if (cluster.isPrimary) beginPrimary();
else await beginWorker();

function beginPrimary(): void {
  cluster.schedulingPolicy = sharing === "shared handle" ? cluster.SCHED_NONE : cluster.SCHED_RR;
  const exits = new Map<number, Promise<Exit>>();
  let ports: Ports = [0, 0];

  const forkWorker = async (): Promise<Answer> => {
    const worker = cluster.fork({ PORTS: ports.join() });
    const exited = once(worker, "exit").then(([code, signal]): Exit => ({ code, signal }));
    exits.set(worker.id, exited);
    const [opened] = (await once(worker, "message")) as [Ports];
    // Where the primary listens, all may ask for port 0 and get the same; with `reusePort` each listens by itself.
    if (sharing === "reusePort") ports = opened;
    return { id: worker.id, pid: worker.process.pid!, ports: opened };
  };

  const answer = async (asked: Asked): Promise<Answer> => {
    if (asked.ask === "fork") return await forkWorker();
    if (asked.ask === "exited") return await exits.get(asked.id)!;
    const worker = cluster.workers![asked.id]!;
    if (asked.ask === "disconnect") worker.disconnect();
    worker.send(asked.ask === "disconnect" ? { ...asked, ask: "count" } : asked);
    const [answered] = (await once(worker, "message")) as [Answer];
    return answered;
  };

  process.on("message", async ({ number, asked }: { number: number; asked: Asked }) => {
    process.send!({ number, answer: await answer(asked) });
  });
  process.once("disconnect", () => process.exit());
}

async function beginWorker(): Promise<void> {
  const [ownPort, httpPort] = process.env.PORTS!.split(",").map(Number) as unknown as Ports;
  const host = "127.0.0.1";
  const listenOptions = sharing === "reusePort" ? { reusePort: true } : {};
  const own = await serve({ port: ownPort, host, listenOptions, routes });
  const http = createServer();
  const attached = await serve({ server: http, routes });
  http.listen({ port: httpPort, host, ...listenOptions });
  await once(http, "listening");
  const servers = [own, attached];

  const perform = async (asked: AskedOfWorker): Promise<void> => {
    if (asked.ask === "count") return;
    http.close();
    if (asked.ask === "leave") {
      const { over } = asked;
      const drained = [own.drain({ over, stopListening: true }), attached.drain({ over })];
      void Promise.all(drained).then(() => cluster.worker!.disconnect());
    } else {
      await Promise.all(servers.map((server) => server.close()));
    }
  };

  process.on("message", async (asked: AskedOfWorker) => {
    await perform(asked);
    process.send!(countsOf(servers));
    if (asked.ask === "close") cluster.worker!.disconnect();
  });
  // Whatever goes wrong in a test, its processes end with it.
  const primary = process.ppid;
  setInterval(() => process.ppid === primary || process.exit(1), 500).unref();
  process.send!([own.port, (http.address() as AddressInfo).port] satisfies Ports);
}

function countsOf(servers: readonly Server[]): Counts {
  const counts = { connections: 0, opened: 0, closed: {} as Record<string, number> };
  for (const server of servers) {
    const { connections, opened, closed } = server.metrics();
    counts.connections += connections;
    counts.opened += opened;
    for (const [code, count] of Object.entries(closed)) counts.closed[code] = (counts.closed[code] ?? 0) + count;
  }
  return counts;
}
