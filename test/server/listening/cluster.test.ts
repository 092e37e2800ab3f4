/** Servers in several real processes of one machine, and sockets that go from one process to another. */
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import type { Connection } from "../../../src/connection/connection.ts";
import type { MessageData } from "../../../src/connection/options/delivery-options.ts";
import { Cluster, type Counts, type Sharing, type WorkerProcess } from "../../support/cluster.ts";
import { gate } from "../../support/connection-pair.ts";
import { sendRaw } from "../../support/raw-peer.ts";

/** The number of workers at a cluster's beginning, and the number that a test needs, so that one may go. */
const workerCount = 3;
const leastWorkers = 2;
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const hasReusePort = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

/** A client and the worker that serves it. */
interface Client {
  readonly connection: Connection;
  readonly worker: number;
  /** The next message; undefined when the connection is over. */
  next(): Promise<MessageData | undefined>;
}

async function open(
  port: number,
  path = "/echo",
  closing: () => Promise<void> | undefined = () => undefined,
): Promise<Client> {
  const waiting: MessageData[] = [];
  let wake = () => {};
  // A reading loop would delay the answer to a Close until the loop has reached it.
  const message = (_: Connection, data: MessageData) => {
    waiting.push(data);
    wake();
  };
  const connection = await connect(`ws://127.0.0.1:${port}${path}`, { message, closing, close: () => wake() });
  const next = async () => {
    while (waiting.length === 0 && connection.readyState !== 3) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return waiting.shift();
  };
  return { connection, worker: Number(await next()), next };
}

/** Whether a message comes back unchanged. */
async function echoes({ connection, next }: Client, data: string | Uint8Array): Promise<boolean> {
  connection.send(data);
  const echo = await next();
  if (typeof data === "string" || typeof echo === "string" || !echo) return echo === data;
  return Buffer.compare(echo, data) === 0;
}

const messages = [5, 16 * 1024, 1024 * 1024].flatMap((length) => {
  const bytes = Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));
  return ["aé€😀".repeat(length / 5), bytes];
});

// The refusal of a runtime without reusePort is tested with the other options of serve.
const sharings: readonly Sharing[] = ["round robin", "shared handle", ...(hasReusePort ? ["reusePort" as const] : [])];

describe.each(sharings)("workers by %s", (sharing) => {
  const cluster = new Cluster(sharing);
  afterAll(() => cluster.stop());

  let workers: WorkerProcess[] = [];
  let ports: readonly number[] = [];

  beforeEach(async () => {
    const wanted = workers.length === 0 ? workerCount : leastWorkers;
    // Where each worker listens by itself, the others ask for the ports of the first.
    if (workers.length === 0) workers.push(await cluster.fork());
    const missing = Array.from({ length: Math.max(0, wanted - workers.length) }, () => cluster.fork());
    workers.push(...(await Promise.all(missing)));
    ports = workers[0]!.ports;
  });

  /** A client of this worker; clients that other workers serve are ended. */
  async function openOn(worker: WorkerProcess, ...how: Parameters<typeof open>): Promise<Client> {
    // The first worker of those that share a handle takes a connection, and it may always be the same one.
    const others = sharing === "shared handle" ? workers.filter(({ id }) => id !== worker.id) : [];
    for (const { pid } of others) process.kill(pid, "SIGSTOP");
    try {
      for (let tries = 0; tries < 200; tries++) {
        const client = await open(...how);
        if (client.worker === worker.id) return client;
        client.connection.terminate();
      }
      throw new Error(`Worker ${worker.id} was never reached`);
    } finally {
      for (const { pid } of others) process.kill(pid, "SIGCONT");
    }
  }

  /** Two clients of each worker: one of its own listener, one of its `node:http` server. */
  async function openOnAll(): Promise<Client[]> {
    const clients: Client[] = [];
    for (const worker of workers) for (const port of ports) clients.push(await openOn(worker, port));
    return clients;
  }

  const counts = (): Promise<Counts[]> => Promise.all(workers.map(({ id }) => cluster.count(id)));
  const total = (all: readonly Counts[], of: (counts: Counts) => number): number =>
    all.reduce((sum, one) => sum + of(one), 0);

  /** Waits until the workers together have `count` connections. */
  async function untilConnections(count: number): Promise<Counts[]> {
    for (;;) {
      const all = await counts();
      if (total(all, ({ connections }) => connections) === count) return all;
    }
  }

  /** Checks that new clients go to these workers alone, and that all are served. */
  async function expectServed(by: readonly WorkerProcess[]): Promise<void> {
    const ids = by.map(({ id }) => id);
    for (const port of ports) {
      const clients = await Promise.all(Array.from({ length: 6 }, () => open(port)));
      expect(clients.filter(({ worker }) => !ids.includes(worker))).toEqual([]);
      for (const client of clients) {
        expect(await echoes(client, "still here")).toBe(true);
        client.connection.close();
        expect((await client.connection.closed).wasClean).toBe(true);
      }
    }
  }

  test.each(["/echo", "/borrowed", "/compressed"])("messages come back whole on %s", async (path) => {
    // For the other ways one worker is enough, since the way of its socket makes no difference there.
    for (const worker of path === "/echo" ? workers : workers.slice(0, 1)) {
      for (const port of ports) {
        const client = await openOn(worker, port, path);
        expect(client.connection.extensions !== "").toBe(path === "/compressed");
        for (const data of messages) expect(await echoes(client, data)).toBe(true);
        // All messages are sent at once, so that writes have to wait for the reader.
        for (const data of messages) client.connection.send(data);
        for (const data of messages) expect((await client.next())?.length).toBe(data.length);
        client.connection.close();
        expect((await client.connection.closed).wasClean).toBe(true);
      }
    }
  });

  test("counts add up, with either side closing", async () => {
    const before = await untilConnections(0);
    const targets = Array.from({ length: 60 }, (_, i) => ports[i % 2]!);
    const clients = await Promise.all(targets.map((port) => open(port)));
    const during = await untilConnections(60);
    const opened = (all: readonly Counts[]) => total(all, (one) => one.opened);
    expect(opened(during) - opened(before)).toBe(60);
    for (const [i, { id }] of workers.entries()) {
      expect(during[i]!.connections).toBe(clients.filter(({ worker }) => worker === id).length);
      if (sharing === "round robin") expect(during[i]!.connections).toBeGreaterThan(0);
    }

    for (const [i, { connection }] of clients.entries()) {
      if (i < 20) connection.close(4000, "of the client's");
      else if (i < 40) connection.send("close");
      else connection.terminate();
    }
    const reports = await Promise.all(clients.map(({ connection }) => connection.closed));
    expect(reports.map(({ code, wasClean }) => `${code} ${wasClean}`)).toEqual([
      ...Array(20).fill("4000 true"),
      ...Array(20).fill("4001 true"),
      ...Array(20).fill("1006 false"),
    ]);
    const after = await untilConnections(0);
    for (const code of ["4000", "4001", "1006"]) {
      const closed = (all: readonly Counts[]) => total(all, (one) => one.closed[code] ?? 0);
      expect(closed(after) - closed(before)).toBe(20);
    }
  });

  test("a worker that closes tells its clients 1001 and ends; the others serve on", async () => {
    const clients = await openOnAll();
    const [gone, ...left] = workers as [WorkerProcess, ...WorkerProcess[]];
    const counted = await cluster.close(gone.id);
    workers = left;
    expect(counted.connections).toBe(0);
    for (const client of clients) {
      if (client.worker === gone.id) expect((await client.connection.closed).code).toBe(1001);
      else expect(await echoes(client, "not concerned")).toBe(true);
    }
    expect(await cluster.exited(gone.id)).toEqual({ code: 0, signal: null });
    await expectServed(left);
    for (const { connection } of clients) connection.terminate();
  });

  test("a worker that drains and stops listening refuses no client, and ends when the last one has left", async () => {
    const clients = await openOnAll();
    const silent = await Promise.all(Array.from({ length: 12 }, () => sendRaw(ports[0]!)));
    const [gone, ...left] = workers as [WorkerProcess, ...WorkerProcess[]];
    const answering = gate();
    clients.push(await openOn(gone, ports[0]!, "/echo", () => answering.opened));
    await cluster.leave(gone.id, 100);
    workers = left;
    await expectServed(left);
    answering.open();
    for (const client of clients) {
      if (client.worker === gone.id) expect((await client.connection.closed).code).toBe(1012);
      else expect(await echoes(client, "not concerned")).toBe(true);
    }
    expect(await cluster.exited(gone.id)).toEqual({ code: 0, signal: null });
    for (const { connection } of clients) connection.terminate();
    for (const { socket } of silent) socket.destroy();
  });

  // Node leaves a listener open that is not the cluster's, as with `reusePort`.
  if (sharing !== "reusePort") {
    test("a worker that the primary disconnects gets no new connections, and ends when those that it has are over", async () => {
      const clients = await openOnAll();
      const [gone, ...left] = workers as [WorkerProcess, ...WorkerProcess[]];
      await cluster.disconnect(gone.id);
      workers = left;
      for (const client of clients) expect(await echoes(client, "not concerned")).toBe(true);
      await expectServed(left);
      for (const { connection } of clients) connection.close();
      expect(await cluster.exited(gone.id)).toEqual({ code: 0, signal: null });
    });
  }

  test("the clients of a worker that is killed see 1006; the others do not notice", async () => {
    const clients = await openOnAll();
    const [gone, ...left] = workers as [WorkerProcess, ...WorkerProcess[]];
    process.kill(gone.pid, "SIGKILL");
    workers = left;
    expect(await cluster.exited(gone.id)).toEqual({ code: null, signal: "SIGKILL" });
    for (const client of clients) {
      if (client.worker !== gone.id) expect(await echoes(client, "not concerned")).toBe(true);
      else expect(await client.connection.closed).toMatchObject({ code: 1006, wasClean: false });
    }
    await expectServed(left);
    for (const { connection } of clients) connection.terminate();
  });
});
