/**
 * The side that judges whether its peers live, as a server and as a client at once: by keepalive, or naively as control.
 *
 * Arguments: "keepalive" or "naive", interval and timeout in milliseconds, the port of the peers, how many connections
 * it makes to their lossy address, and how many to the other. It says its own port when they are open. Asked anything,
 * it says how all connections fare; ordered to "stop", it suspends itself and counts anew.
 */
import { type CloseReport, type Connection, connect, serve } from "../../src/index.ts";
import { addresses, openInHalves } from "./namespaces.ts";

/** How a connection was given up. */
export interface GivenUp {
  readonly role: string;
  /** The peer's address. */
  readonly address: string | undefined;
  readonly code: number;
  readonly because: string | undefined;
  /** Milliseconds. */
  readonly lastReceivedAgo: number;
}

/** How all connections fare. */
export interface JudgeReport {
  readonly open: number;
  /** Answers to Pings that have come. */
  readonly answers: number;
  readonly givenUp: readonly GivenUp[];
}

interface Life {
  readonly role: string;
  readonly address: string | undefined;
  heardAt: number;
  isAsked: boolean;
}

const way = process.argv[2];
const [interval = 0, timeout = 0, port = 0, lossy = 0, healthy = 0] = process.argv.slice(3).map(Number);

const open = new Map<Connection, Life>();
const givenUp: GivenUp[] = [];
let answers = 0;

const options = {
  keepalive: way === "keepalive" && { interval, timeout },
  pong: (connection: Connection) => {
    answers++;
    const life = open.get(connection);
    if (life) Object.assign(life, { heardAt: performance.now(), isAsked: false });
  },
  close: (connection: Connection, { code, error, lastReceivedAgo }: CloseReport) => {
    const { role = "", address } = open.get(connection) ?? {};
    open.delete(connection);
    givenUp.push({ role, address, code, because: error?.message, lastReceivedAgo });
  },
};

function note(connection: Connection, role: string, address: string | undefined): void {
  open.set(connection, { role, address, heardAt: performance.now(), isAsked: false });
}

async function openClient(address: string): Promise<void> {
  const url = `ws://${address}:${port}/`;
  note(await connect(url, { ...options, serialize: false, handshakeTimeout: 60_000 }), "client", address);
}

const opened = (connection: Connection) => note(connection, "server", connection.remoteAddress);
const server = await serve({ host: addresses.judge, routes: { "/": { ...options, open: opened } } });
await openInHalves([lossy, healthy], openClient);
if (way === "naive") setInterval(judgeByTheClock, 1000);
process.on("message", (order) => {
  if (order !== "stop") return void process.send!({ open: open.size, answers, givenUp } satisfies JudgeReport);
  givenUp.length = 0;
  process.kill(process.pid, "SIGSTOP");
});
process.send!(server.port);

/** What many write by hand: a timer that compares times, whatever waits to be read. */
function judgeByTheClock(): void {
  const now = performance.now();
  for (const [connection, life] of open) {
    const idle = now - life.heardAt;
    if (idle >= interval + timeout) connection.terminate();
    else if (idle >= interval && !life.isAsked) {
      life.isAsked = true;
      void connection.ping().catch(() => {});
    }
  }
}
