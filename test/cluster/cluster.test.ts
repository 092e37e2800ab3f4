/** Servers of one process in a cluster over the broker in memory, with real connections. */
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import type { Broker } from "../../src/cluster/broker/broker.ts";
import { ClusterError } from "../../src/cluster/broker/cluster-error.ts";
import { memoryBroker } from "../../src/cluster/broker/memory-broker.ts";
import { type Cluster, createCluster } from "../../src/cluster/cluster.ts";
import type { ClusterOptions } from "../../src/cluster/cluster-options.ts";
import type { Connection } from "../../src/connection/connection.ts";
import type { ServerLimits } from "../../src/connection/options/limits.ts";
import type { Route } from "../../src/server/route.ts";
import type { ServerConnection } from "../../src/server/server-connection.ts";
import type { Gap, SubscribeOptions, Subscription } from "../../src/topics/subscription.ts";
import { eventually } from "../support/eventually.ts";
import { afterwards, serving } from "../support/serving.ts";
import { FaultyBroker } from "./faulty-broker.ts";

const topics = { "log/*": { history: { size: 20 } }, "here/*": { local: true } };

/** A cluster that ends with the test. */
function clusterOf(options: ClusterOptions = {}): Cluster {
  const cluster = createCluster({ topics, log: () => {}, ...options });
  afterwards(() => cluster.close());
  return cluster;
}

/** Two clusters that share their logs, as two processes would. */
function two(options: ClusterOptions = {}): readonly [Cluster, Cluster] {
  const broker = memoryBroker();
  return [clusterOf({ ...options, broker }), clusterOf({ ...options, broker: memoryBroker({ sharedWith: broker }) })];
}

/** A server whose clients subscribe to the topic in their URL, and tell it what to do. */
async function serverOf(cluster: Cluster, route: Partial<Route> = {}, limits: Partial<ServerLimits> = {}) {
  const connections: ServerConnection[] = [];
  const subscriptions: Subscription[] = [];
  const gaps: Gap[] = [];
  const server = await serving({
    cluster,
    limits,
    routes: {
      "/*": {
        open: (connection) => {
          connections.push(connection as ServerConnection);
        },
        gap: (connection, gap) => {
          gaps.push(gap);
          connection.send(`gap: ${gap.reason}`);
        },
        ...route,
      } as Route,
    },
  });
  async function client(topic: string, options?: SubscribeOptions) {
    const got: unknown[] = [];
    const connection: Connection = await connect(`ws://127.0.0.1:${server.port}/`, {
      message: (_, data) => void got.push(data),
    });
    afterwards(() => connection.terminate());
    await eventually(() => connections.length > subscriptions.length);
    const served = connections.at(-1)!;
    const subscription = served.subscribe(topic, options);
    subscriptions.push(subscription);
    return { connection, served, got, subscription };
  }
  return { server, client, gaps };
}

describe("topics without history", () => {
  test("reach the subscribers of all nodes once, this process's at once, and not their publisher", async () => {
    const [one, other] = two();
    const here = await serverOf(one);
    const there = await serverOf(other);
    const [a, b, c] = [await here.client("news"), await here.client("news"), await there.client("news")];
    await Promise.all([a, b, c].map(({ subscription }) => subscription.ready));
    const result = a.served.publish("news", "hello");
    expect(result).toMatchObject({ reached: 1, dropped: 0 });
    expect(await result.stored).toBeUndefined();
    here.server.publish("news", new Uint8Array([1, 2]));
    await eventually(() => b.got.length === 2 && c.got.length === 2 && a.got.length === 1);
    expect(b.got[0]).toBe("hello");
    expect([...(c.got[1] as Uint8Array)]).toEqual([1, 2]);
    for (let count = 0; count < 5; count++) await turn();
    expect([a.got.length, b.got.length, c.got.length]).toEqual([1, 2, 2]);
  });

  test("reach every server of a process that shares one cluster", async () => {
    const cluster = clusterOf();
    const [one, other] = [await serverOf(cluster), await serverOf(cluster)];
    const [a, b] = [await one.client("news"), await other.client("news")];
    await Promise.all([a.subscription.ready, b.subscription.ready]);
    one.server.publish("news", "x");
    await eventually(() => a.got.length === 1 && b.got.length === 1);
  });

  test("serve this process while the broker is away", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker, publishTimeout: 300 });
    await cluster.ready;
    broker.cut();
    expect(cluster.state).toBe("disconnected");
    const { client, server } = await serverOf(cluster);
    const { got } = await client("news");
    const { stored } = server.publish("news", "x");
    await eventually(() => got.length === 1);
    await expect(stored).rejects.toMatchObject({ code: "unavailable" });
  });

  test("stay in their server where they are local, and need no broker", async () => {
    const [one, other] = two();
    const [here, there] = [await serverOf(one), await serverOf(other)];
    const [a, b] = [await here.client("here/1"), await there.client("here/1")];
    expect(await a.subscription.ready).toEqual({ replayed: 0 });
    await here.server.publish("here/1", "x").stored;
    await eventually(() => a.got.length === 1);
    expect(b.got).toEqual([]);
    expect(() => one.publish("here/1", "x")).toThrow(TypeError);
  });
});

describe("topics with history", () => {
  test("come in the order of the log at every node, the publisher's own among them", async () => {
    const [one, other] = two();
    const [here, there] = [await serverOf(one), await serverOf(other)];
    const [a, b] = [await here.client("log/1"), await there.client("log/1")];
    await Promise.all([a.subscription.ready, b.subscription.ready]);
    const stored: (string | undefined)[] = [];
    for (let number = 0; number < 20; number++) {
      const { server } = number % 2 === 0 ? here : there;
      stored.push(await server.publish("log/1", `${number}`).stored);
    }
    await eventually(() => a.got.length === 20 && b.got.length === 20);
    expect(a.got).toEqual(Array.from({ length: 20 }, (_, number) => `${number}`));
    expect(b.got).toEqual(a.got);
    expect(new Set(stored).size).toBe(20);
  });

  test("leave out the connection that publishes, wherever the log comes back", async () => {
    const [one, other] = two();
    const [here, there] = [await serverOf(one), await serverOf(other)];
    const [a, b] = [await here.client("log/2"), await there.client("log/2")];
    await Promise.all([a.subscription.ready, b.subscription.ready]);
    expect(a.served.publish("log/2", "mine")).toMatchObject({ reached: 0, dropped: 0 });
    here.server.publish("log/2", "end");
    await eventually(() => a.got.length === 1 && b.got.length === 2);
    expect(a.got).toEqual(["end"]);
  });

  test("a client that says where it was gets what it missed, in order, and then what follows", async () => {
    const [one, other] = two();
    const [here, there] = [await serverOf(one), await serverOf(other)];
    const before = await here.client("log/3");
    const { position } = await before.subscription.ready;
    before.connection.close();
    for (let number = 0; number < 10; number++) await one.publish("log/3", `${number}`);
    const after = await there.client("log/3", { since: position! });
    for (let number = 10; number < 15; number++) await one.publish("log/3", `${number}`);
    await eventually(() => after.got.length === 15);
    expect(after.got).toEqual(Array.from({ length: 15 }, (_, number) => `${number}`));
    expect(await after.subscription.ready).toMatchObject({ recovered: true });
    expect(there.gaps).toEqual([]);
    const level = await there.client("log/3", { since: (await after.subscription.ready).position! });
    expect((await level.subscription.ready).recovered).toBe(true);
  });

  test("a client that was away for too long hears of a gap before what can still be had", async () => {
    const [one] = two();
    const { client, gaps } = await serverOf(one);
    const position = await one.publish("log/4", "seen");
    for (let number = 0; number < 30; number++) await one.publish("log/4", `${number}`);
    const { got, subscription } = await client("log/4", { since: position! });
    expect(await subscription.ready).toMatchObject({ recovered: false, reason: "trimmed", replayed: 20 });
    await eventually(() => got.length === 21);
    expect(got[0]).toBe("gap: trimmed");
    expect(got.at(-1)).toBe("29");
    expect(gaps).toMatchObject([{ topic: "log/4", reason: "trimmed" }]);
  });

  test("what no position looks like is one of no log; a `since` that cannot be throws at the call", async () => {
    const cluster = clusterOf();
    const { client } = await serverOf(cluster);
    await cluster.publish("log/5", "there");
    for (const since of ["", "x", "a:b", "e:99999999999999999", "\u0000:1", `${"e".repeat(65)}:1`]) {
      const { subscription } = await client("log/5", { since });
      expect(await subscription.ready).toMatchObject({ recovered: false, reason: "epoch", replayed: 1 });
    }
    const { served } = await client("log/6");
    for (const since of [1, null, { last: -1 }, { last: 1.5 }, { last: 10_001 }, {}]) {
      expect(() => served.subscribe("log/7", { since: since as never })).toThrow(/Cannot subscribe/);
    }
    expect(() => served.subscribe("news", { since: "e:1" })).toThrow(TypeError);
    expect(served.topics).toEqual(["log/6"]);
  });

  test("`{ last }` begins with the newest messages", async () => {
    const cluster = clusterOf();
    const { client } = await serverOf(cluster);
    for (let number = 0; number < 5; number++) await cluster.publish("log/8", `${number}`);
    const { got, subscription } = await client("log/8", { since: { last: 2 } });
    await subscription.ready;
    await cluster.publish("log/8", "5");
    await eventually(() => got.length === 3);
    expect(got).toEqual(["3", "4", "5"]);
  });

  test("`encode` puts the position into what clients get, once for each message", async () => {
    let calls = 0;
    const encode = ({ data, position }: { data: string | Uint8Array; position: string }) => {
      calls++;
      return JSON.stringify({ data, position });
    };
    const cluster = clusterOf({ topics: { "log/*": { history: { size: 5 }, encode } } });
    const { client } = await serverOf(cluster);
    const [a, b] = [await client("log/9"), await client("log/9")];
    await Promise.all([a.subscription.ready, b.subscription.ready]);
    const position = await cluster.publish("log/9", "x");
    await eventually(() => a.got.length === 1 && b.got.length === 1);
    expect(JSON.parse(a.got[0] as string)).toEqual({ data: "x", position });
    expect(calls).toBe(1);
  });

  test("a message that `encode` throws for comes as it was published, and its error is logged", async () => {
    const records: string[] = [];
    const encode = () => {
      throw new Error("no");
    };
    const cluster = clusterOf({
      topics: { "log/*": { history: { size: 5 }, encode } },
      log: ({ message }) => void records.push(message),
    });
    const { client } = await serverOf(cluster);
    const { got, subscription } = await client("log/10");
    await subscription.ready;
    await cluster.publish("log/10", "x");
    await eventually(() => got.length === 1);
    expect(got).toEqual(["x"]);
    expect(records).toEqual(["encode of the topic log/10 threw"]);
  });
});

describe("a broker that fails", () => {
  test("publications wait in order while it is away, and nothing is lost or doubled", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker });
    const { client } = await serverOf(cluster);
    const { got, subscription } = await client("log/1");
    await subscription.ready;
    const published: Promise<string | undefined>[] = [];
    for (let number = 0; number < 50; number++) {
      published.push(cluster.publish("log/1", `${number}`));
      if (number === 10) broker.cutBeforeAnswer();
      if (number === 20) broker.cut();
      await turn();
      if (number === 30) broker.restore();
    }
    await Promise.all(published);
    await eventually(() => got.length === 50);
    expect(got).toEqual(Array.from({ length: 50 }, (_, number) => `${number}`));
    expect(cluster.metrics()).toMatchObject({ state: "connected", gaps: 0, pending: 0, unreadable: 0 });
  });

  test("a client that publishes without end is not read while half of what may wait is waiting, and nothing is lost", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker, maxPending: 100, publishTimeout: 30_000 });
    const failed: unknown[] = [];
    const { client } = await serverOf(cluster, {
      message: (connection, data) => {
        connection.publish("log/1", data as string).stored.catch((error: unknown) => failed.push(error));
      },
    });
    const reader = await client("log/1");
    const writer = await client("other");
    await reader.subscription.ready;
    broker.cut();
    for (let number = 0; number < 1000; number++) writer.connection.send(`${number}`);
    await eventually(() => cluster.metrics().pending > 50);
    for (let count = 0; count < 20; count++) await turn();
    expect(cluster.metrics().pending).toBe(51);
    broker.restore();
    await eventually(() => reader.got.length === 1000);
    expect(failed).toEqual([]);
    expect(reader.got).toEqual(Array.from({ length: 1000 }, (_, number) => `${number}`));
  });

  test("a broker that comes back without its data is a gap for all, then all that there is", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker });
    const { client } = await serverOf(cluster);
    const [a, b] = [await client("log/1"), await client("log/1")];
    await Promise.all([a.subscription.ready, b.subscription.ready]);
    await cluster.publish("log/1", "before");
    await eventually(() => a.got.length === 1);
    broker.cut();
    broker.lose();
    broker.restore();
    await cluster.publish("log/1", "after");
    await eventually(() => a.got.length === 3 && b.got.length === 3);
    expect(a.got).toEqual(["before", "gap: epoch", "after"]);
    expect(b.got).toEqual(a.got);
  });

  test("a message that the channel dropped is found by the next one, or by a check", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker, checkInterval: 100 });
    const { client } = await serverOf(cluster);
    const { got, subscription } = await client("log/1");
    await subscription.ready;
    broker.drop(1);
    await cluster.publish("log/1", "1");
    await cluster.publish("log/1", "2");
    await eventually(() => got.length === 2);
    broker.drop(1);
    await cluster.publish("log/1", "3");
    await eventually(() => got.length === 3);
    expect(got).toEqual(["1", "2", "3"]);
  });

  test("subscribers without a gap handler: one line a topic in the log", async () => {
    const records: string[] = [];
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker, log: ({ message }) => void records.push(message) });
    const { client } = await serverOf(cluster, { gap: undefined as never });
    const { subscription } = await client("log/1");
    await subscription.ready;
    await cluster.publish("log/1", "1");
    for (let round = 0; round < 3; round++) {
      broker.cut();
      broker.lose();
      broker.restore();
      await eventually(() => cluster.metrics().gaps === round + 1);
    }
    expect(records.filter((record) => record.includes("gap handler"))).toEqual([
      "Messages of the topic log/1 are missing (epoch), and its subscribers have no gap handler",
    ]);
  });

  test("a client that comes back while the broker is away hears of a gap in time, and of all behind it when it is back", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker, resumeTimeout: 200 });
    const { client } = await serverOf(cluster);
    const position = await cluster.publish("log/1", "1");
    broker.cut();
    const { got, subscription } = await client("log/1", { since: position! });
    await eventually(() => got.length === 1);
    expect(got).toEqual(["gap: unavailable"]);
    await clusterOf({ broker: broker.elsewhere() }).publish("log/1", "2");
    broker.restore();
    expect(await subscription.ready).toMatchObject({ replayed: 1, recovered: false, reason: "unavailable" });
    await cluster.publish("log/1", "3");
    await eventually(() => got.length === 3);
    expect(got.slice(1)).toEqual(["2", "3"]);
  });

  test("what this process cannot deliver is one gap, however much it is, and what comes later is delivered", async () => {
    const [one, other] = two();
    const { client, server } = await serverOf(one, {}, { maxPublishBacklogSize: 10_000 });
    const { got, subscription } = await client("log/1");
    await subscription.ready;
    const published: Promise<unknown>[] = [];
    for (let number = 0; number < 10; number++) published.push(other.publish("log/1", `${number} `.padEnd(5000)));
    await Promise.all(published);
    await eventually(() => server.metrics().publishBacklog === 0);
    await other.publish("log/1", "end");
    await eventually(() => got.at(-1) === "end");
    expect(got.filter((data) => data === "gap: overloaded").length).toBe(1);
    expect(got.length).toBeLessThan(12);
  });

  test("a subscriber that is closing is no reason to tell of a gap", async () => {
    const cluster = clusterOf();
    const { client, gaps } = await serverOf(cluster);
    const { served, subscription } = await client("log/1");
    await subscription.ready;
    served.close();
    await cluster.publish("log/1", "x");
    await turn();
    expect(gaps).toEqual([]);
  });

  test("poison on the channel is counted, and nothing else", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker });
    const { client } = await serverOf(cluster);
    const [a, b] = [await client("log/1"), await client("news")];
    await Promise.all([a.subscription.ready, b.subscription.ready]);
    const noUtf8 = new Uint8Array(30).fill(255);
    noUtf8.set([1, 1]);
    for (const payload of [new Uint8Array(), Uint8Array.of(9, 9), new Uint8Array(26).fill(2), noUtf8]) {
      await broker.publish("log/1", [{ id: `p${payload.length}`, payload }], {
        history: { size: 20, maxAge: 60_000 },
        retryAfter: undefined,
      });
      await broker.publish("news", [{ id: "p", payload }], { history: undefined, retryAfter: undefined });
    }
    await cluster.publish("log/1", "fine");
    await cluster.publish("news", "fine");
    await eventually(() => a.got.length === 1 && b.got.length === 1);
    expect(cluster.metrics().unreadable).toBe(8);
    expect(a.got).toEqual(["fine"]);
  });
});

describe("a subscription", () => {
  test("is no thenable, is the same at a second call, and ends once", async () => {
    const { client } = await serverOf(clusterOf());
    const { served, subscription } = await client("log/1");
    expect("then" in subscription).toBe(false);
    expect(served.subscribe("log/1")).toBe(subscription);
    expect(served.topics).toEqual(["log/1"]);
    await subscription.ready;
    expect(subscription.unsubscribe()).toBe(true);
    expect(subscription.unsubscribe()).toBe(false);
    expect(served.unsubscribe("log/1")).toBe(false);
    expect(served.topics).toEqual([]);
    expect(served.subscribe("log/1")).not.toBe(subscription);
  });

  test("is ready with a reason when it ends before the broker answers, by either way", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker });
    await cluster.ready;
    broker.cut();
    const { client } = await serverOf(cluster);
    const a = await client("log/1");
    const first = a.subscription.ready;
    a.subscription.unsubscribe();
    expect(await first).toEqual({ replayed: 0, reason: "unsubscribed" });
    const again = a.served.subscribe("log/1", { since: "e:1" });
    a.connection.terminate();
    expect(await again.ready).toMatchObject({ reason: "closed" });
    await eventually(() => a.served.readyState === 3);
    expect(await a.served.subscribe("log/1").ready).toMatchObject({ reason: "closed" });
  });

  test("counts for maxTopics whether it is ready or not", async () => {
    const cluster = clusterOf();
    const { client } = await serverOf(cluster);
    const { served } = await client("0");
    for (let number = 1; number < 1000; number++) served.subscribe(`${number}`);
    expect(() => served.subscribe("one more")).toThrow(RangeError);
    expect(() => served.subscribe("5")).not.toThrow();
  });

  test("messages published in the turn of `unsubscribe` before it still come, later ones do not", async () => {
    const cluster = clusterOf();
    const { client, server } = await serverOf(cluster);
    const { got, subscription } = await client("news");
    await subscription.ready;
    server.publish("news", "1");
    subscription.unsubscribe();
    server.publish("news", "2");
    await eventually(() => got.length === 1);
    await turn();
    expect(got).toEqual(["1"]);
  });

  test("a topic is left at the broker when nobody here wants it any more, but not at once", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker, unsubscribeDelay: 50 });
    const { client } = await serverOf(cluster);
    const { served, subscription } = await client("news");
    await subscription.ready;
    subscription.unsubscribe();
    expect(cluster.metrics().topics).toBe(1);
    await served.subscribe("news").ready;
    expect(broker.subscribed).toBe(1);
    served.unsubscribe("news");
    await eventually(() => broker.subscribed === 0);
    expect(cluster.metrics().topics).toBe(0);
  });
});

describe("a process by itself", () => {
  test("publishes with an id once, reads history, and subscribes from a position", async () => {
    const [one, other] = two();
    const first = await one.publish("log/1", "a", { id: "job-17" });
    expect(await other.publish("log/1", "b", { id: "job-17" })).toBe(first);
    await one.publish("log/1", new Uint8Array([7]).buffer);
    const history = await other.history("log/1");
    expect(history.messages.map(({ data }) => (typeof data === "string" ? data : [...data]))).toEqual(["a", [7]]);
    expect(history).toMatchObject({ complete: true, position: history.messages[1]!.position });
    const got: unknown[] = [];
    const own = other.subscribe("log/1", ({ data }) => void got.push(data), { since: first! });
    expect(await own.ready).toMatchObject({ recovered: true, replayed: 1 });
    expect(got.length).toBe(1);
    await one.publish("log/1", "c");
    await eventually(() => got.length === 2);
    expect(own.unsubscribe()).toBe(true);
    expect(own.unsubscribe()).toBe(false);
    await one.publish("log/1", "d");
    for (let count = 0; count < 5; count++) await turn();
    expect(got[1]).toBe("c");
    expect(got.length).toBe(2);
  });

  test("a handler that throws goes to the log and to nobody else; a signal ends it", async () => {
    const records: unknown[] = [];
    const cluster = clusterOf({ log: ({ error }) => void records.push(error?.cause) });
    const got: unknown[] = [];
    cluster.subscribe("log/1", async () => Promise.reject("async"));
    cluster.subscribe("news", () => {
      throw "sync";
    });
    const controller = new AbortController();
    const own = cluster.subscribe("log/1", ({ data }) => void got.push(data), { signal: controller.signal });
    const aborted = cluster.subscribe("log/1", () => got.push("never"), { signal: AbortSignal.abort() });
    expect(await aborted.ready).toEqual({ replayed: 0, reason: "unsubscribed" });
    await own.ready;
    await eventually(async () => {
      await cluster.publish("log/1", "x");
      await cluster.publish("news", "x");
      return records.length === 2;
    });
    expect([...records].sort()).toEqual(["async", "sync"]);
    expect(got.length).toBeGreaterThan(0);
    controller.abort();
    const before = got.length;
    await cluster.publish("log/1", "x");
    await turn();
    expect(got.length).toBe(before);
  });

  test("what no topic, handler or signal is, is refused at the call", () => {
    const cluster = clusterOf();
    for (const odd of [null, undefined, 1, {}, [], Symbol("x"), "", "x".repeat(4097)] as never[]) {
      expect(() => cluster.publish(odd, "x")).toThrow(/Cannot publish/);
      expect(() => cluster.subscribe(odd, () => {})).toThrow(/Cannot subscribe/);
      expect(() => cluster.subscribe("log/1", odd)).toThrow(/Cannot subscribe/);
    }
    for (const odd of [1, {}, { aborted: true }] as never[]) {
      expect(() => cluster.subscribe("log/1", () => {}, { signal: odd })).toThrow(/Cannot subscribe/);
    }
    expect(cluster.metrics().topics).toBe(0);
  });

  test("refuses what is too long or too much at once, by its code", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker, maxPayload: 100, maxPending: 3, publishTimeout: 300 });
    await cluster.ready;
    await expect(cluster.publish("log/1", "x".repeat(101))).rejects.toMatchObject({ code: "too-large" });
    broker.cut();
    const waiting = [1, 2, 3].map(() => cluster.publish("log/1", "x"));
    await expect(cluster.publish("log/1", "x")).rejects.toMatchObject({ code: "overloaded" });
    for (const one of waiting) await expect(one).rejects.toMatchObject({ code: "unavailable" });
    expect(cluster.metrics().pending).toBe(0);
    broker.restore();
    expect(await cluster.publish("log/1", "x")).toBeTypeOf("string");
  });

  test("what hangs at the broker is `unknown` in time, and what waits behind it `unavailable`", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker, publishTimeout: 200 });
    await cluster.ready;
    broker.hang();
    const first = cluster.publish("log/1", "1");
    await turn();
    const second = cluster.publish("log/1", "2");
    await expect(first).rejects.toMatchObject({ code: "unknown" });
    await expect(second).rejects.toMatchObject({ code: "unavailable" });
    broker.restore();
    const { messages } = await cluster.history("log/1");
    expect(messages.length).toBeLessThanOrEqual(1);
  });

  test("closes with all that waits, rejects afterwards, and a rejection may be left unhandled", async () => {
    const broker = new FaultyBroker();
    const cluster = clusterOf({ broker });
    await cluster.ready;
    broker.cut();
    const waiting = cluster.publish("log/1", "x");
    await cluster.close();
    await cluster.close();
    await expect(waiting).rejects.toBeInstanceOf(ClusterError);
    expect(cluster.state).toBe("closed");
    void cluster.publish("log/1", "x");
    await expect(cluster.publish("log/1", "x")).rejects.toMatchObject({ code: "closed" });
    await expect(cluster.history("log/1")).rejects.toMatchObject({ code: "closed" });
    expect(() => cluster.subscribe("log/1", () => {})).toThrow(ClusterError);
  });

  test("a server goes on by itself when its cluster is closed", async () => {
    const cluster = clusterOf();
    const { client, server } = await serverOf(cluster);
    await cluster.close();
    const { got } = await client("news");
    await expect(server.publish("news", "x").stored).rejects.toMatchObject({ code: "closed" });
    await eventually(() => got.length === 1);
  });

  test("`ready` rejects for what waiting cannot heal", async () => {
    const broker: Broker = memoryBroker();
    clusterOf({ broker });
    const records: string[] = [];
    const second = clusterOf({ broker, log: ({ message }) => void records.push(message) });
    await expect(second.ready).rejects.toMatchObject({ code: "refused" });
    expect(records.length).toBe(1);
  });

  test.each<[unknown, RegExp]>([
    [{ broker: 1 }, /option "broker" must be an object/],
    [{ broker: {} }, /has no method connect; it is no broker/],
    [{ topics: { a: { history: { size: 0 } } } }, /history.size must be/],
    [{ topics: { a: { history: {} } } }, /history.size must be/],
    [{ topics: { a: { history: { size: 1, maxAge: Number.NaN } } } }, /history.maxAge must be/],
    [{ topics: { a: { history: { size: 1 }, local: true } } }, /a local topic has no history/],
    [{ topics: { a: { encode: () => "" } } }, /encode is for topics with history/],
    [{ topics: { a: { historyy: {} } } }, /did you mean "history"/],
    [{ publishTimeout: -1 }, /publishTimeout must be/],
    [{ checkInterval: 0 }, /checkInterval must be/],
    [{ brokers: [] }, /did you mean "broker"/],
  ])("throws for options that cannot be: %j", (options, message) => {
    expect(() => createCluster(options as never)).toThrow(message);
  });

  test("the longest prefix is a topic's rule, and a whole name before it", async () => {
    const cluster = clusterOf({
      topics: { "*": { local: true }, "a/*": { history: { size: 1 } }, "a/b/*": {}, "a/b/c": { history: { size: 2 } } },
    });
    expect(() => cluster.publish("x", "")).toThrow(/stays in each server/);
    expect(await cluster.publish("a/x", "")).toBeTypeOf("string");
    expect(await cluster.publish("a/b/x", "")).toBeUndefined();
    expect(await cluster.publish("a/b/c", "")).toBeTypeOf("string");
  });
});
