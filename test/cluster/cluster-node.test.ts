import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import { ClusterError } from "../../src/cluster/broker/cluster-error.ts";
import { ClusterNode } from "../../src/cluster/cluster-node.ts";
import { type ClusterOptions, resolveCluster } from "../../src/cluster/cluster-options.ts";
import type { Receiver } from "../../src/cluster/node/cluster-topic.ts";
import { eventually } from "../support/eventually.ts";
import { afterwards } from "../support/serving.ts";
import { FaultyBroker } from "./faulty-broker.ts";

/** A node over a broker that fails when it is told to, and what it logged. */
function nodeOf(options: ClusterOptions = {}) {
  const broker = new FaultyBroker();
  const records: string[] = [];
  const topics = { "log/*": { history: { size: 5 } } };
  const log = ({ level, message }: { level: string; message: string }) => void records.push(`${level}: ${message}`);
  const node = new ClusterNode(resolveCluster({ broker, topics, log, ...options }));
  afterwards(() => node.close());
  return { broker, node, records };
}

/** Who gets messages and gaps of a topic. */
function receiver() {
  const got: string[] = [];
  const own: Receiver = {
    receive: (_, { data }) => void got.push(String(data)),
    gap: (_, reason) => void got.push(reason),
  } as Receiver;
  return { own, got };
}

const message = (data: string) => ({ data, node: "0".repeat(16), session: "" });

test("all who want a topic share it, and each gets its messages until it lets go", async () => {
  const { node } = nodeOf();
  const [one, other] = [receiver(), receiver()];
  const topic = node.acquire("log/1", one.own);
  expect(node.acquire("log/1", other.own)).toBe(topic);
  await eventually(() => topic.isReady);
  await node.publish("log/1", message("1"));
  await eventually(() => one.got.length === 1 && other.got.length === 1);
  node.release(topic, one.own);
  await node.publish("log/1", message("2"));
  await eventually(() => other.got.length === 2);
  expect(one.got).toEqual(["1"]);
  expect(node.topicCount).toBe(1);
});

test("a topic that nobody wants is left after a while, and one that is wanted again before that goes on", async () => {
  const { node, broker } = nodeOf({ unsubscribeDelay: 50 });
  const { own, got } = receiver();
  const topic = node.acquire("log/1", own);
  await eventually(() => topic.isReady);
  node.release(topic, own);
  expect(node.acquire("log/1", own)).toBe(topic);
  await node.publish("log/1", message("1"));
  await eventually(() => got.length === 1);
  node.release(topic, own);
  await eventually(() => node.topicCount === 0 && broker.subscribed === 0);
  const next = node.acquire("log/1", own);
  expect(next).not.toBe(topic);
  await eventually(() => next.isReady);
});

test("its state is that of the broker, a loss is said once a minute and counted, and publications wait meanwhile", async () => {
  const { node, broker, records } = nodeOf();
  expect(node.state).toBe("connecting");
  await node.ready;
  expect(node.state).toBe("connected");
  for (let count = 0; count < 3; count++) {
    broker.cut();
    expect(node.state).toBe("disconnected");
    const publishing = node.publish("log/1", message("1"));
    expect(node.pending).toBe(1);
    broker.restore();
    await publishing;
  }
  expect(node.state).toBe("connected");
  expect(node.counters).toMatchObject({ disconnects: 3, published: 3 });
  expect(records).toEqual(["warn: The broker cannot be reached", "info: The broker is back"]);
  await node.close();
  expect(node.state).toBe("closed");
  broker.cut();
  expect(node.state).toBe("closed");
});

test("a gap goes to all who want the topic, into the counts and to the channel", async () => {
  const { node, broker } = nodeOf();
  const heard: unknown[] = [];
  const listen = (told: unknown) => void heard.push(told);
  subscribe("openline:cluster:gap", listen);
  afterwards(() => unsubscribe("openline:cluster:gap", listen));
  const { own, got } = receiver();
  const topic = node.acquire("log/1", own);
  await eventually(() => topic.isReady);
  broker.cut();
  broker.lose();
  broker.restore();
  await eventually(() => got.length === 1);
  expect([got, heard, node.counters.gaps]).toEqual([["epoch"], [{ topic: "log/1", reason: "epoch" }], 1]);
});

test("what the channel lost is found by the check of silent topics", async () => {
  const { node, broker } = nodeOf({ checkInterval: 100 });
  const { own, got } = receiver();
  const topic = node.acquire("log/1", own);
  await eventually(() => topic.isReady);
  broker.drop(1);
  await node.publish("log/1", message("1"));
  await eventually(() => got.length === 1);
  expect(got).toEqual(["1"]);
});

test("what is longer than it may be is refused before it is counted", async () => {
  const { node } = nodeOf({ maxPayload: 4 });
  await expect(node.publish("log/1", message("12345"))).rejects.toMatchObject({ code: "too-large" });
  await expect(node.publish("log/1", message("äöü"))).rejects.toMatchObject({ code: "too-large" });
  await node.publish("log/1", message("1234"));
  await node.publish("log/1", message("äö"));
  expect(node.counters.published).toBe(2);
});

test("what could not be published is counted, whoever looks at it", async () => {
  const { node, broker } = nodeOf({ maxPending: 1 });
  await node.ready;
  broker.cut();
  const waiting = node.publish("log/1", message("1"));
  await expect(node.publish("log/1", message("2"))).rejects.toMatchObject({ code: "overloaded" });
  expect(node.counters).toMatchObject({ published: 2, failed: 1 });
  await Promise.all([node.close(), expect(waiting).rejects.toBeInstanceOf(ClusterError)]);
  expect(node.counters).toMatchObject({ published: 2, failed: 2 });
});

test("a logging hook that throws ends nothing", async () => {
  const { node, broker } = nodeOf({
    log: () => {
      throw new Error("no disk");
    },
  });
  await node.ready;
  const { error } = console;
  const printed: unknown[] = [];
  console.error = (...given: unknown[]) => void printed.push(given[0]);
  try {
    broker.cut();
    broker.restore();
  } finally {
    console.error = error;
  }
  expect(printed).toEqual(Array(2).fill("The logging hook of a cluster threw:"));
  expect(node.state).toBe("connected");
});
