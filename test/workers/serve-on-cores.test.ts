/** One module in several processes, and in several threads, with real connections. */
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type ListenOptions } from "node:net";
import { describe, expect, test, vi } from "vitest";
import type { ClusterRecord } from "../../src/cluster/cluster-options.ts";
import { serveOnCores } from "../../src/workers/index.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/program.ts";
import { afterwards, startChild } from "../support/serving.ts";
import { type Client, client, clientOfEach, entry, freshFile, hasReusePort, numbersOf, started } from "./workers.ts";

const forms = hasReusePort ? (["processes", "threads"] as const) : (["processes"] as const);

/** Numbers from 0 on, as a publisher of this prefix sent them. */
const sent = (prefix: string, count: number) => Array.from({ length: count }, (_, number) => `${prefix}${number}`);
const gotOf = ({ got }: Client, prefix: string) => got.filter((text) => text.startsWith(prefix));
const subscribeAll = (clients: readonly Client[], topic = "news") =>
  Promise.all(clients.map((one) => one.ask({ do: "subscribe", topic })));

describe.each(forms)("%s", (form) => {
  const threads = form === "threads";

  test("four workers serve one port, and storms of all of them reach each subscriber once and in each publisher's order", async () => {
    const workers = await started({}, { threads });
    const publishers = await clientOfEach(workers.port, 4);
    expect(new Set(publishers.map(({ worker }) => worker)).size).toBe(4);
    const subscribers = await Promise.all(Array.from({ length: 8 }, () => client(workers.port)));
    await subscribeAll([...subscribers, ...publishers]);
    await Promise.all(
      publishers.map((one, index) => one.ask({ do: "publish", topic: "news", prefix: `${index}:`, count: 1000 })),
    );
    for (const subscriber of subscribers) {
      await eventually(() => subscriber.got.length === 4000);
      for (const index of publishers.keys()) expect(gotOf(subscriber, `${index}:`)).toEqual(sent(`${index}:`, 1000));
    }
    // Who publishes does not get its own.
    for (const [index, publisher] of publishers.entries()) {
      await eventually(() => publisher.got.length === 3000);
      expect(gotOf(publisher, `${index}:`)).toEqual([]);
    }
    // Each message has crossed to each other worker once, however many subscribers that has.
    expect(await numbersOf(workers)).toMatchObject({
      workers: 4,
      relayed: 4 * 1000 * 3,
      relayDropped: 0,
    });
  });

  test("server.publish and cluster.publish reach all workers, and cluster.subscribe hears of all", async () => {
    const workers = await started({}, { threads, workers: 2 });
    const [one, other] = (await clientOfEach(workers.port, 2)) as [Client, Client];
    await subscribeAll([one]);
    await one.ask({ do: "listen", topic: "news" });
    for (const by of ["server", "cluster"] as const) {
      await other.ask({ do: "publish", topic: "news", prefix: `far ${by} `, count: 2, by });
      await one.ask({ do: "publish", topic: "news", prefix: `near ${by} `, count: 2, by });
    }
    await eventually(() => one.got.length === 16);
    for (const prefix of ["far server ", "near server ", "far cluster ", "near cluster "]) {
      expect(gotOf(one, prefix)).toEqual(sent(prefix, 2));
      expect(gotOf(one, `process: ${prefix}`)).toEqual(sent(`process: ${prefix}`, 2));
    }
  });

  test("a topic that nobody wants elsewhere does not cross", async () => {
    const workers = await started({}, { threads, workers: 2 });
    const [one, other] = (await clientOfEach(workers.port, 2)) as [Client, Client];
    await subscribeAll([one], "mine");
    await subscribeAll([one, other], "both");
    await one.ask({ do: "publish", topic: "mine", prefix: "m", count: 100, by: "server" });
    await one.ask({ do: "publish", topic: "both", prefix: "b", count: 1, by: "server" });
    await eventually(() => other.got.length === 1 && one.got.length === 101);
    expect(await numbersOf(workers)).toMatchObject({ relayed: 1 });
  });

  test("a worker that is killed under load is started again; the others lose nothing, and no count falls", async () => {
    const workers = await started({}, { threads, workers: 3 });
    const [publisher, victim, ...rest] = (await clientOfEach(workers.port, 3)) as [Client, Client, ...Client[]];
    await subscribeAll([victim, ...rest]);
    const before = await numbersOf(workers);
    const publishing = publisher.ask({ do: "publish", topic: "news", prefix: "p", count: 5000 });
    await eventually(() => rest[0]!.got.length > 100);
    victim.connection.send(JSON.stringify({ do: "die" }));
    expect((await victim.connection.closed).code).toBe(1006);
    await publishing;
    await eventually(() => rest[0]!.got.length === 5000);
    expect(rest[0]!.got).toEqual(sent("p", 5000));
    await eventually(async () => (await numbersOf(workers)).restarts === 1);
    const after = await numbersOf(workers);
    expect(after.workers).toBe(3);
    expect(after.opened).toBeGreaterThanOrEqual(before.opened);
    // The new one is linked with the others, both ways.
    const clients = await clientOfEach(workers.port, 3);
    expect(clients.map(({ worker }) => worker)).not.toContain(victim.worker);
    await subscribeAll(clients, "again");
    for (const [index, one] of clients.entries()) {
      await one.ask({ do: "publish", topic: "again", prefix: `${index}:`, count: 1 });
    }
    for (const one of clients) await eventually(() => one.got.length === 2);
  });

  /** Publishes 200 messages of 1000 bytes past a worker that stands still, and lets it go on. */
  async function publishPast(maxBacklogSize: number) {
    const workers = await started({ maxBacklogSize }, { threads, workers: 3 });
    const [publisher, blocked, free] = (await clientOfEach(workers.port, 3)) as [Client, Client, Client];
    await subscribeAll([blocked, free]);
    const file = freshFile();
    writeFileSync(file, "");
    const standing = blocked.ask({ do: "block", file });
    // It stands still when it answers the primary no more.
    await eventually(async () => (await workers.metrics()).silentWorkers === 1);
    for (let round = 1; round <= 10; round++) {
      await publisher.ask({ do: "publish", topic: "news", prefix: `${round}:`, count: 20, size: 1000 });
      await eventually(() => free.got.length === 20 * round);
    }
    const all = Array.from({ length: 10 }, (_, round) => sent(`${round + 1}:`, 20)).flat();
    expect(free.got).toEqual(all);
    const numbers = (await publisher.ask({ do: "numbers" })) as { relayed: number; relayDropped: number };
    expect(numbers.relayed + numbers.relayDropped).toBe(400);
    rmSync(file);
    await standing;
    const kept = numbers.relayed - 200;
    await eventually(() => blocked.got.length === kept);
    expect(blocked.got).toEqual(all.slice(0, kept));
    return { workers, publisher, blocked, kept };
  }

  test("for a worker that stands still little waits: the rest is dropped and counted, the others get all, and it goes on", async () => {
    const maxBacklogSize = 64 * 1024;
    const { workers, publisher, blocked, kept } = await publishPast(maxBacklogSize);
    expect(kept).toBeGreaterThan(0);
    expect(kept * 1000).toBeLessThanOrEqual(maxBacklogSize);
    // The publisher hears that room is there again a turn later.
    await eventually(async () => {
      await publisher.ask({ do: "publish", topic: "news", prefix: "q", count: 1 });
      return gotOf(blocked, "q").length > 0;
    });
    expect(await numbersOf(workers)).toMatchObject({ workers: 3, silentWorkers: 0, restarts: 0 });
  });

  test("a worker that stands still is ended five seconds after the deadline", async () => {
    const workers = await started({}, { threads, workers: 1 });
    const one = await client(workers.port);
    const file = freshFile();
    writeFileSync(file, "");
    void one.ask({ do: "block", file });
    await eventually(async () => (await workers.metrics()).silentWorkers === 1);
    // Time is over once: were there another wait behind it, this would not end.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    afterwards(() => vi.useRealTimers());
    const drained = workers.drain({ over: 0, deadline: 1000 });
    vi.advanceTimersByTime(6000);
    await drained;
    vi.useRealTimers();
    expect(await numbersOf(workers)).toMatchObject({ workers: 0, connections: 0 });
  });

  test("20,000 messages of one turn all cross", async () => {
    const workers = await started({}, { workers: 2 });
    const [publisher, other] = await clientOfEach(workers.port, 2);
    await other!.ask({ do: "subscribe", topic: "news" });
    await publisher!.ask({ do: "publish", topic: "news", prefix: "p", count: 20_000, atOnce: true });
    await eventually(() => other!.got.length === 20_000);
    expect(await numbersOf(workers)).toMatchObject({ relayed: 20_000, relayDropped: 0 });
  });

  test("control: with room for all of it, all of it waits", async () => {
    expect((await publishPast(1024 * 1024)).kept).toBe(200);
  });

  test("restart replaces all without refusing anybody; drain tells all 1012 and ends the workers", async () => {
    const workers = await started({}, { threads, workers: 2 });
    const old = await clientOfEach(workers.port, 2);
    await workers.restart({ over: 0 });
    for (const { connection } of old) expect((await connection.closed).code).toBe(1012);
    const fresh = await clientOfEach(workers.port, 2);
    for (const { worker } of old) expect(fresh.map((one) => one.worker)).not.toContain(worker);
    await subscribeAll(fresh);
    await fresh[0]!.ask({ do: "publish", topic: "news", prefix: "p", count: 1 });
    await eventually(() => fresh[1]!.got.length === 1);
    expect(await numbersOf(workers)).toMatchObject({ workers: 2, restarts: 0, closed: { 1012: 2 } });
    await eventually(async () => (await numbersOf(workers)).connections === 2);
    await workers.drain({ over: 0 });
    for (const { connection } of fresh) expect((await connection.closed).code).toBe(1012);
    await workers.ended;
    expect(await numbersOf(workers)).toMatchObject({ workers: 0, connections: 0, closed: { 1012: 4 } });
    await expect(client(workers.port)).rejects.toThrow();
  });

  test("a worker that has closed its server is none that serves, and its counts stay", async () => {
    const workers = await started({}, { threads, workers: 2 });
    const [one] = (await clientOfEach(workers.port, 2)) as [Client, Client];
    one.connection.send(JSON.stringify({ do: "close" }));
    expect((await one.connection.closed).code).toBe(1001);
    await eventually(async () => (await numbersOf(workers)).closed[1001] === 1);
    expect(await numbersOf(workers)).toMatchObject({ workers: 1, restarts: 0 });
  });

  test("an exception at import is an error of serveOnCores, and no loop", async () => {
    const brokenWhile = freshFile();
    writeFileSync(brokenWhile, "");
    const starting = started({ brokenWhile }, { threads });
    await expect(starting).rejects.toThrow("A worker ended by an exception: Broken, as asked before it served");
  });

  test("a module that does not serve is an error after startTimeout", async () => {
    const starting = started({ idle: true }, { threads, startTimeout: 1000 });
    await expect(starting).rejects.toThrow(/did not serve within 1000 ms.*workerCluster\(\)/);
  });

  test("a port that is taken is an error with its code, and so is a second start of the same program", async () => {
    const port = await freePort();
    const taken = createServer().listen(port, "127.0.0.1");
    await expect(started({ port }, { threads })).rejects.toMatchObject({
      code: "EADDRINUSE",
      message: expect.stringMatching(/^A worker cannot serve: .*already/),
    });
    await new Promise<void>((resolve) => void taken.close(() => resolve()));
    const workers = await started({ port }, { threads, workers: 2 });
    expect(workers.port).toBe(port);
    const again = startChild("../workers/primary-program.ts", [JSON.stringify({ threads, workers: 2 })]);
    expect(await again.exited).toMatchObject({ code: 1, stderr: expect.stringContaining("EADDRINUSE") });
    await clientOfEach(port, 2);
  });

  test("two of them in one process have a port each, and cannot have the same", async () => {
    const [one, other] = await Promise.all([
      started({}, { threads, workers: 2 }),
      started({}, { threads, workers: 2 }),
    ]);
    expect(one.port).not.toBe(other.port);
    await clientOfEach(one.port, 2);
    expect((await numbersOf(other)).opened).toBe(0);
    await expect(started({ port: one.port }, { threads })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await clientOfEach(other.port, 2);
  });

  test.skipIf(!hasReusePort)(
    "control: the system itself lets a second listener with reusePort have the port",
    async () => {
      const listeners = [createServer(), createServer()];
      let port = 0;
      for (const listener of listeners) {
        listener.listen({ port, host: "127.0.0.1", reusePort: true } as ListenOptions);
        await once(listener, "listening");
        ({ port } = listener.address() as AddressInfo);
      }
      for (const listener of listeners) listener.close();
    },
  );

  test("a worker that cannot be started again is tried again later, and comes back on the same port", async () => {
    const brokenWhile = freshFile();
    const records: ClusterRecord[] = [];
    const workers = await started({ brokenWhile }, { threads, workers: 1, log: (record) => void records.push(record) });
    const one = await client(workers.port);
    writeFileSync(brokenWhile, "");
    one.connection.send(JSON.stringify({ do: "die" }));
    const failed = () => records.filter(({ message }) => message.startsWith("A worker could not be started again"));
    await eventually(() => failed().length === 2);
    rmSync(brokenWhile);
    await eventually(async () => (await numbersOf(workers)).restarts === 1);
    expect((await client(workers.port)).worker).not.toBe(one.worker);
    expect(records[0]).toEqual({
      level: "warn",
      message: expect.stringMatching(/^A worker ended .* and is started again$/),
    });
  });

  test("when none is left and ten starts in a row have failed, it is over", async () => {
    const brokenWhile = freshFile();
    const workers = await started({ brokenWhile }, { threads, workers: 1, startTimeout: 1_000_000_000 });
    const one = await client(workers.port);
    writeFileSync(brokenWhile, "");
    const ended = expect(workers.ended).rejects.toThrow(/before it served/);
    // The waits between are doubled up to ten seconds; the test does not wait for them.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const passing = setInterval(() => void vi.advanceTimersByTime(1000), 5);
    afterwards(() => {
      clearInterval(passing);
      vi.useRealTimers();
    });
    one.connection.send(JSON.stringify({ do: "die" }));
    await ended;
  });
});

describe("signals", () => {
  const start = (options: object = {}) =>
    startChild("../workers/primary-program.ts", [JSON.stringify({ workers: 2, drain: { over: 0 }, ...options })]);

  test.each(["SIGTERM", "SIGINT"] as const)("%s drains all workers and ends with 0", async (signal) => {
    process.env.WORKERS_TEST = "{}";
    const primary = start();
    const clients = await clientOfEach(await primary.told<number>(), 2);
    primary.process.kill(signal);
    for (const { connection } of clients) expect((await connection.closed).code).toBe(1012);
    expect(await primary.exited).toEqual({ code: 0, stderr: "" });
  });

  test("Ctrl-C, which reaches the workers as well, is one drain", async () => {
    process.env.WORKERS_TEST = "{}";
    const primary = start();
    const clients = await clientOfEach(await primary.told<number>(), 2);
    for (const { worker } of clients) process.kill(Number.parseInt(worker, 10), "SIGINT");
    primary.process.kill("SIGINT");
    for (const { connection } of clients) expect((await connection.closed).code).toBe(1012);
    expect(await primary.exited).toEqual({ code: 0, stderr: "" });
  });

  test("a signal while the workers start ends them and the process with 0", async () => {
    const slowWhile = freshFile();
    writeFileSync(slowWhile, "");
    process.env.WORKERS_TEST = JSON.stringify({ slowWhile });
    const primary = start();
    await eventually(() => hasWorkers(primary.process.pid!));
    primary.process.kill("SIGTERM");
    expect(await primary.exited).toEqual({ code: 0, stderr: "" });
  });

  test("a second signal ends it at once", async () => {
    process.env.WORKERS_TEST = "{}";
    const primary = start({ drain: { over: 3_600_000, deadline: 3_600_000 } });
    const port = await primary.told<number>();
    // Of two clients of one worker the second one's time comes in half an hour.
    const clients = [...(await clientOfEach(port, 2)), ...(await clientOfEach(port, 2))];
    primary.process.kill("SIGTERM");
    await eventually(async () => !(await isLetIn(port)));
    primary.process.kill("SIGTERM");
    expect((await primary.exited).code).toBe(1);
    const codes = await Promise.all(clients.map(async ({ connection }) => (await connection.closed).code));
    expect(codes).toContain(1006);
  });

  test("a worker that gets SIGTERM drains, and another one takes its place", async () => {
    const workers = await started({}, { workers: 2, signals: true, drain: { over: 0 } });
    const [one, other] = (await clientOfEach(workers.port, 2)) as [Client, Client];
    process.kill(Number.parseInt(one.worker, 10), "SIGTERM");
    expect((await one.connection.closed).code).toBe(1012);
    await eventually(async () => (await numbersOf(workers)).restarts === 1);
    const fresh = await clientOfEach(workers.port, 2);
    expect(fresh.map(({ worker }) => worker)).toContain(other.worker);
    expect(await numbersOf(workers)).toMatchObject({ workers: 2, closed: { 1012: 1 } });
  });

  test("when the primary is killed, the workers end", async () => {
    process.env.WORKERS_TEST = "{}";
    const primary = start();
    const clients = await clientOfEach(await primary.told<number>(), 2);
    primary.process.kill("SIGKILL");
    for (const { connection } of clients) expect((await connection.closed).code).toBe(1006);
  });
});

describe("options", () => {
  const refused = (options: object) => serveOnCores({ entry, ...options } as Parameters<typeof serveOnCores>[0]);

  test("that cannot be are sentences", async () => {
    await expect(refused({ entry: "/no/such/file.js" })).rejects.toThrow(/"entry" is no file: \/no\/such\/file\.js/);
    await expect(refused({ entry: {} })).rejects.toThrow(/must be a path or a URL/);
    for (const far of ["https://example.com/server.js", new URL("https://example.com/server.js")]) {
      const why = 'the option "entry" must be a path or a URL of file:, not "https://example.com/server.js"';
      await expect(refused({ entry: far })).rejects.toThrow(new TypeError(`Cannot serve on cores: ${why}`));
    }
    await expect(refused({ workers: 0 })).rejects.toThrow(RangeError);
    await expect(refused({ worker: 2 })).rejects.toThrow(/did you mean "workers"/);
    await expect(refused({ drain: { over: -1 } })).rejects.toThrow(RangeError);
  });

  test.each(["-e", "--eval", "-p", "--print=1", "--input-type=module"])(
    "of Node that are text, %s, are told",
    async (option) => {
      const { execArgv } = process;
      afterwards(() => {
        process.execArgv = execArgv;
      });
      process.execArgv = [option, "text"];
      await expect(refused({})).rejects.toThrow(`each worker would run the text of node ${option}, too`);
    },
  );

  test.skipIf(hasReusePort)("threads without reusePort are refused, and say why", async () => {
    await expect(refused({ threads: true })).rejects.toThrow(/threads need reusePort.*processes do without/);
  });

  test("a module that starts itself is told, and does not fork without end", async () => {
    const child = startChild("../workers/starts-itself.ts");
    const { code, stderr } = await child.exited;
    expect([code, stderr]).toEqual([1, expect.stringContaining("this is one of its workers")]);
  });
});

/** Whether a process has children. */
function hasWorkers(pid: number): boolean {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim() !== "";
}

/** Whether a client is let in now. */
async function isLetIn(port: number): Promise<boolean> {
  try {
    const { connection } = await client(port);
    connection.terminate();
    return true;
  } catch {
    return false;
  }
}
