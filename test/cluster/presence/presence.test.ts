/** Servers in a cluster over the broker in memory, whose clients are members of topics. */
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import { ClusterError } from "../../../src/cluster/broker/cluster-error.ts";
import { type Cluster, createCluster } from "../../../src/cluster/cluster.ts";
import type { ClusterOptions } from "../../../src/cluster/cluster-options.ts";
import type { PresenceChange } from "../../../src/cluster/presence/presence-changes.ts";
import type { ServerConnection } from "../../../src/server/server-connection.ts";
import { eventually } from "../../support/eventually.ts";
import { afterwards, serving } from "../../support/serving.ts";
import { FaultyBroker } from "../faulty-broker.ts";

const topics = {
  "room/*": { presence: true },
  "log/*": { presence: true, history: { size: 5 } },
  "here/*": { local: true },
};

/** A node with a server, and its own way to the broker. */
async function nodeOf(sharedWith?: FaultyBroker, options: ClusterOptions = {}) {
  const broker = new FaultyBroker(sharedWith);
  const cluster = createCluster({ broker, topics, log: () => {}, ...options });
  afterwards(() => cluster.close());
  const connections: ServerConnection[] = [];
  const server = await serving({
    cluster,
    routes: { "/": { open: (connection) => void connections.push(connection) } },
  });
  let asked = 0;
  /** The server's side of a connection, whose client is the second. */
  async function join(topic: string, data?: unknown) {
    const index = asked++;
    const client = await connect(`ws://127.0.0.1:${server.port}/`);
    afterwards(() => client.terminate());
    await eventually(() => connections.length > index);
    const served = connections[index]!;
    const subscription = served.subscribe(topic, { presence: data });
    return { client, served, subscription };
  }
  return { broker, cluster, server, join };
}

/** The data of the members, in order. */
async function namesIn(cluster: Cluster, topic: string): Promise<unknown[]> {
  return (await cluster.presence(topic)).members.map(({ data }) => data).sort();
}

/** What is told of a topic, as it comes. */
function watch(cluster: Cluster, topic: string, signal?: AbortSignal) {
  const told: string[] = [];
  const changes: PresenceChange[] = [];
  const over = (async () => {
    for await (const change of cluster.presenceChanges(topic, { ...(signal && { signal }) })) {
      changes.push(change);
      told.push(`${change.event} ${change.data}`);
    }
  })();
  return { told, changes, over };
}

describe("members", () => {
  test("are known to all nodes from the call of subscribe on, and gone when they leave in whichever way", async () => {
    const here = await nodeOf();
    const there = await nodeOf(here.broker);
    const ada = await here.join("room/1", "ada");
    const [own] = (await here.cluster.presence("room/1")).members;
    expect(own).toEqual({ id: expect.stringMatching(/^\S+\/\S+$/), data: "ada" });
    const grace = await there.join("room/1", "grace");
    const joan = await there.join("room/1", "joan");
    const quiet = await there.join("room/1");
    await eventually(async () => (await namesIn(here.cluster, "room/1")).length === 3);
    expect(await there.cluster.presence("room/1")).toMatchObject({ complete: true, silent: [] });
    expect((await there.cluster.presence("room/1")).members).toContainEqual(own);
    expect(here.cluster.metrics().members + there.cluster.metrics().members).toBe(3);
    grace.subscription.unsubscribe();
    joan.client.terminate();
    ada.client.close();
    await eventually(async () => (await namesIn(here.cluster, "room/1")).length === 0);
    expect(quiet.served.topics).toEqual(["room/1"]);
    expect(here.cluster.metrics().members + there.cluster.metrics().members).toBe(0);
  });

  test("are told as they join, change and leave, those who are there first, to all who watch", async () => {
    const here = await nodeOf();
    const there = await nodeOf(here.broker);
    const ada = await here.join("room/1", "ada");
    await eventually(async () => (await namesIn(there.cluster, "room/1")).length === 1);
    const [one, other] = [watch(here.cluster, "room/1"), watch(there.cluster, "room/1")];
    await eventually(() => one.told.length === 1 && other.told.length === 1);
    const grace = await there.join("room/1", "grace");
    await eventually(() => one.told.length === 2);
    expect(grace.served.subscribe("room/1", { presence: "grace hopper" })).toBe(grace.subscription);
    await eventually(() => one.told.length === 3);
    expect(grace.served.subscribe("room/1")).toBe(grace.subscription);
    ada.subscription.unsubscribe();
    await eventually(() => one.told.length === 4 && other.told.length === 4);
    expect(one.told).toEqual(["joined ada", "joined grace", "changed grace hopper", "left ada"]);
    expect(other.changes).toEqual(one.changes);
    expect(one.changes[2]!.id).toBe(one.changes[1]!.id);
    expect(await here.cluster.presence("room/1")).toMatchObject({ members: [{ data: "grace hopper" }] });
  });

  test("have one id in all topics, and none of the two is another's", async () => {
    const { cluster, join } = await nodeOf();
    const ada = await join("room/1", "ada");
    ada.served.subscribe("log/1", { presence: { user: "ada" } });
    await join("room/1", "ada");
    const ids = (await cluster.presence("room/1")).members.map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
    expect((await cluster.presence("log/1")).members).toEqual([{ id: ids[0], data: { user: "ada" } }]);
  });

  test("who leaves at once, and comes again at once, is there as it was last asked for", async () => {
    const here = await nodeOf();
    const there = await nodeOf(here.broker);
    const { told } = watch(there.cluster, "room/1");
    const ada = await here.join("room/1", "ada");
    ada.subscription.unsubscribe();
    const grace = await here.join("room/1", "grace");
    grace.served.unsubscribe("room/1");
    grace.served.subscribe("room/1", { presence: "grace" });
    grace.served.unsubscribe("room/1");
    const joan = await here.join("room/1", "joan");
    joan.served.unsubscribe("room/1");
    joan.served.subscribe("room/1", { presence: "joan" });
    await eventually(() => told.includes("joined joan"));
    expect(await namesIn(there.cluster, "room/1")).toEqual(["joan"]);
    expect(told.filter((text) => text.endsWith("joan"))).toEqual(["joined joan"]);
    expect(await namesIn(here.cluster, "room/1")).toEqual(["joan"]);
  });

  test("a connection that is over before its join was stored leaves nobody behind", async () => {
    const here = await nodeOf();
    const there = await nodeOf(here.broker);
    await eventually(() => here.broker.presenceCalls.includes("lease"));
    const { served } = await here.join("log/1");
    served.subscribe("room/1", { presence: "ada" });
    served.terminate();
    await served.closed;
    expect(served.subscribe("room/2", { presence: "ada" }).unsubscribe()).toBe(false);
    const last = await here.join("room/1", "last");
    await eventually(async () => (await namesIn(there.cluster, "room/1")).includes("last"));
    expect(await namesIn(there.cluster, "room/1")).toEqual(["last"]);
    expect(await namesIn(there.cluster, "room/2")).toEqual([]);
    last.client.terminate();
  });

  test("a thousand that join take few calls, and are all there", async () => {
    const here = await nodeOf();
    const there = await nodeOf(here.broker);
    const { told } = watch(there.cluster, "room/1");
    const all = await Promise.all(Array.from({ length: 20 }, (_, number) => here.join("room/0", number)));
    const before = here.broker.presenceCalls.length;
    for (const [index, { served }] of all.entries()) {
      for (let number = 1; number <= 50; number++) served.subscribe(`room/${number}`, { presence: index });
    }
    await eventually(() => told.length === 20);
    await eventually(async () => (await namesIn(there.cluster, "room/50")).length === 20);
    expect(here.broker.presenceCalls.slice(before).filter((name) => name === "update")).toHaveLength(50);
    expect(here.cluster.metrics().members).toBe(20 * 51);
  });

  test("what cannot be a member's data, or a topic's that has members, is refused at the call", async () => {
    const { cluster, join, server } = await nodeOf();
    const { served } = await join("room/1");
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    for (const odd of [() => {}, Symbol("x"), circle, 1n]) {
      expect(() => served.subscribe("room/2", { presence: odd })).toThrow(TypeError);
    }
    expect(() => served.subscribe("room/2", { presence: "x".repeat(1023) })).toThrow(/maxPresenceData, 1024 bytes/);
    expect(() => served.subscribe("room/2", { presence: "ä".repeat(512) })).toThrow(RangeError);
    for (const topic of ["news", "here/1"]) {
      expect(() => served.subscribe(topic, { presence: "x" })).toThrow(/has no presence/);
      await expect(cluster.presence(topic)).rejects.toThrow(TypeError);
      expect(() => cluster.presenceChanges(topic)).toThrow(TypeError);
    }
    expect(served.topics).toEqual(["room/1"]);
    expect(served.subscribe("room/2", { presence: "x".repeat(1022) }).topic).toBe("room/2");
    expect(served.subscribe("room/3", { presence: null }).topic).toBe("room/3");
    expect((await cluster.presence("room/3")).members).toMatchObject([{ data: null }]);
    expect(() => cluster.presenceChanges("room/1", { signal: {} as AbortSignal })).toThrow(TypeError);
    await expect(cluster.presence(1 as never)).rejects.toThrow(TypeError);
    const alone = await serving({ routes: { "/": {} } });
    expect(alone.metrics().topics).toBe(0);
    expect(server.subscriberCount("room/1")).toBe(1);
  });
});

describe("watching", () => {
  test("ends when the loop is left, by the signal and with the cluster", async () => {
    const { cluster, broker, join } = await nodeOf();
    const ada = await join("room/1", "ada");
    for await (const change of cluster.presenceChanges("room/1")) {
      expect(change).toMatchObject({ event: "joined", data: "ada" });
      break;
    }
    await eventually(() => broker.presenceCalls.includes("unsubscribe"));
    const controller = new AbortController();
    const bySignal = watch(cluster, "room/1", controller.signal);
    const byCluster = watch(cluster, "room/1");
    await eventually(() => bySignal.told.length === 1 && byCluster.told.length === 1);
    controller.abort();
    await bySignal.over;
    await watch(cluster, "room/1", controller.signal).over;
    ada.subscription.unsubscribe();
    await eventually(() => byCluster.told.length === 2);
    expect(byCluster.told).toEqual(["joined ada", "left ada"]);
    expect(bySignal.told).toEqual(["joined ada"]);
    await cluster.close();
    await byCluster.over;
    expect(() => cluster.presenceChanges("room/1")).toThrow(ClusterError);
    await expect(cluster.presence("room/1")).rejects.toMatchObject({ code: "closed" });
  });

  test("begins anew in the turn in which it ended", async () => {
    const { cluster, join } = await nodeOf();
    await join("room/1", "ada");
    for (let count = 0; count < 5; count++) {
      for await (const { data } of cluster.presenceChanges("room/1")) {
        expect(data).toBe("ada");
        break;
      }
    }
  });

  test("a loop that is slow is told how each is by then, and of nobody who came and went", async () => {
    const here = await nodeOf();
    const ada = await here.join("room/1", "ada");
    const slow = here.cluster.presenceChanges("room/1")[Symbol.asyncIterator]();
    const { told } = watch(here.cluster, "room/1");
    const grace = await here.join("room/1", "grace");
    await eventually(() => told.length === 2);
    grace.subscription.unsubscribe();
    await eventually(() => told.length === 3);
    ada.served.subscribe("room/1", { presence: "ada lovelace" });
    await eventually(() => told.length === 4);
    expect(await slow.next()).toMatchObject({ value: { event: "joined", data: "ada lovelace" } });
    const [second, third] = [slow.next(), slow.next()];
    ada.subscription.unsubscribe();
    expect(await second).toMatchObject({ value: { event: "left", data: "ada lovelace" } });
    await slow.return!();
    expect(await third).toEqual({ done: true, value: undefined });
  });

  test("a change that was lost on its way is found by the next one, or by a check", async () => {
    const here = await nodeOf();
    const there = await nodeOf(here.broker, { checkInterval: 100 });
    const { told } = watch(there.cluster, "room/1");
    await here.join("room/1", "ada");
    await eventually(() => told.length === 1);
    there.broker.dropSteps(1);
    const grace = await here.join("room/1", "grace");
    await eventually(async () => (await namesIn(there.cluster, "room/1")).length === 2);
    await here.join("room/1", "joan");
    await eventually(() => told.length === 3);
    there.broker.dropSteps(1);
    grace.subscription.unsubscribe();
    await eventually(() => told.length === 4);
    expect(told.at(-1)).toBe("left grace");
    expect(new Set(told).size).toBe(4);
  });
});

describe("a broker that fails", () => {
  test("while it is away, this node's members are known, and what changes meanwhile is told when it is back", async () => {
    const here = await nodeOf();
    const there = await nodeOf(here.broker);
    const ada = await here.join("room/1", "ada");
    await there.join("room/1", "grace");
    await there.join("room/1", "joan").then(({ served }) => served.unsubscribe("room/1"));
    const { told } = watch(there.cluster, "room/1");
    await eventually(() => told.includes("joined ada") && told.includes("joined grace"));
    await eventually(async () => (await namesIn(here.cluster, "room/1")).length === 2);
    here.broker.cut();
    expect(await here.cluster.presence("room/1")).toMatchObject({ members: [{ data: "ada" }], complete: false });
    ada.subscription.unsubscribe();
    await here.join("room/1", "mary");
    expect(await namesIn(here.cluster, "room/1")).toEqual(["mary"]);
    here.broker.restore();
    await eventually(() => told.includes("joined mary") && told.includes("left ada"));
    expect(await namesIn(there.cluster, "room/1")).toEqual(["grace", "mary"]);
    await eventually(async () => (await here.cluster.presence("room/1")).complete);
  });

  test("a watcher that was cut off is told the difference, and of nothing twice", async () => {
    const here = await nodeOf();
    const there = await nodeOf(here.broker);
    const ada = await here.join("room/1", "ada");
    await here.join("room/1", "grace");
    const { told } = watch(there.cluster, "room/1");
    await eventually(() => told.length === 2);
    there.broker.cut();
    ada.subscription.unsubscribe();
    await here.join("room/1", "joan");
    await eventually(async () => (await namesIn(here.cluster, "room/1")).includes("joan"));
    there.broker.restore();
    await eventually(() => told.length === 4);
    expect([...told].sort()).toEqual(["joined ada", "joined grace", "joined joan", "left ada"]);
  });

  test("a node that dies has left after its lease, at those who watch and those who ask, and comes back as it was", async () => {
    const options = { nodeLease: 300 };
    const here = await nodeOf(undefined, options);
    const there = await nodeOf(here.broker, options);
    const ada = await here.join("room/1", "ada");
    await here.join("room/2", "ada");
    await there.join("room/1", "grace");
    const { told, changes } = watch(there.cluster, "room/1");
    await eventually(() => told.length === 2);
    await eventually(async () => (await namesIn(there.cluster, "room/2")).length === 1);
    const { id } = changes.find(({ data }) => data === "ada")!;
    here.broker.cut();
    here.broker.expire();
    await eventually(() => told.includes("left ada"));
    expect(await namesIn(there.cluster, "room/1")).toEqual(["grace"]);
    const left = await there.cluster.presence("room/2");
    expect(left).toEqual({ members: [], complete: false, silent: [id.split("/")[0]] });
    await eventually(async () => (await there.cluster.presence("room/2")).complete);
    here.broker.restore();
    await eventually(() => told.filter((text) => text === "joined ada").length === 2);
    expect(changes.at(-1)!.id).toBe(id);
    await eventually(async () => (await namesIn(there.cluster, "room/2")).length === 1);
    ada.subscription.unsubscribe();
    await eventually(() => told.at(-1) === "left ada");
  });

  test("a node that was cut off for longer than its lease does not tell its own members to have left", async () => {
    const options = { nodeLease: 300 };
    const here = await nodeOf(undefined, options);
    const there = await nodeOf(here.broker, options);
    const ada = await here.join("room/1", "ada");
    await here.join("room/1", "mary");
    await there.join("room/1", "grace");
    const [own, other] = [watch(here.cluster, "room/1"), watch(there.cluster, "room/1")];
    await eventually(() => own.told.length === 3 && other.told.length === 3);
    here.broker.cut();
    here.broker.expire();
    await eventually(() => other.told.includes("left ada") && other.told.includes("left mary"));
    ada.subscription.unsubscribe();
    here.broker.restore();
    await eventually(() => other.told.at(-1) === "joined mary");
    await eventually(() => own.told.length === 4);
    await eventually(async () => (await here.cluster.presence("room/1")).complete);
    expect(own.told.slice(3)).toEqual(["left ada"]);
  });

  test("one that hangs is not waited for longer than its answer may take: this node's members are known", async () => {
    const here = await nodeOf();
    await here.join("room/1", "ada");
    const { presence } = here.broker;
    presence.leases = () => new Promise(() => {});
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    afterwards(() => vi.useRealTimers());
    const asked = here.cluster.presence("room/1");
    await vi.advanceTimersByTimeAsync(5000);
    expect(await asked).toEqual({ members: [{ id: expect.any(String), data: "ada" }], complete: false, silent: [] });
  });

  test("control: without the end of its lease a node that died keeps its members", async () => {
    const here = await nodeOf();
    const there = await nodeOf(here.broker, { nodeLease: 300 });
    await here.join("room/1", "ada");
    await eventually(async () => (await namesIn(there.cluster, "room/1")).length === 1);
    here.broker.cut();
    const leases = there.broker.presenceCalls.filter((name) => name === "lease").length;
    await eventually(() => there.broker.presenceCalls.filter((name) => name === "lease").length > leases + 4);
    expect(await there.cluster.presence("room/1")).toMatchObject({ members: [{ data: "ada" }], complete: true });
  });

  test("when it has lost its data, nodes write their members again, and nobody is told to have left who is there", async () => {
    const options = { nodeLease: 300 };
    const here = await nodeOf(undefined, options);
    const there = await nodeOf(here.broker, options);
    const ada = await here.join("room/1", "ada");
    const grace = await there.join("room/1", "grace");
    const { told } = watch(there.cluster, "room/1");
    await eventually(() => told.length === 2);
    here.broker.cut();
    there.broker.cut();
    grace.subscription.unsubscribe();
    here.broker.lose();
    there.broker.restore();
    await eventually(async () => (await there.cluster.presence("room/1")).members.length === 0);
    expect(await there.cluster.presence("room/1")).toMatchObject({ complete: false });
    here.broker.restore();
    await eventually(async () => (await namesIn(there.cluster, "room/1")).length === 1);
    expect(told).toHaveLength(2);
    here.broker.mature();
    await eventually(async () => (await there.cluster.presence("room/1")).complete);
    expect(await namesIn(there.cluster, "room/1")).toEqual(["ada"]);
    await eventually(() => told.length === 3);
    expect(told[2]).toBe("left grace");
    ada.subscription.unsubscribe();
    await eventually(() => told.length === 4);
    expect(told[3]).toBe("left ada");
  });

  test("a cluster that is closed takes its members with it at once", async () => {
    const here = await nodeOf();
    const there = await nodeOf(here.broker);
    await here.join("room/1", "ada");
    await eventually(async () => (await namesIn(there.cluster, "room/1")).length === 1);
    await here.cluster.close();
    expect((await there.cluster.presence("room/1")).members).toEqual([]);
    await turn();
    here.server.publish("room/1", "it goes on by itself");
  });

  test("what the broker refuses is said in the log, and to who asks", async () => {
    const records: string[] = [];
    const here = await nodeOf(undefined, { log: ({ message }) => void records.push(message) });
    await here.join("room/1", "ada");
    const { presence } = here.broker;
    presence.read = async () => {
      throw new ClusterError("refused", "No right to read");
    };
    await expect(here.cluster.presence("room/1")).rejects.toMatchObject({ code: "refused" });
    const { told } = watch(here.cluster, "room/1");
    await eventually(() => records.includes("No right to read"));
    expect(told).toEqual([]);
  });
});
