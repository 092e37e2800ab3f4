import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Broker, PublishOptions } from "../../../src/cluster/broker/broker.ts";
import { ClusterError } from "../../../src/cluster/broker/cluster-error.ts";
import { memoryBroker } from "../../../src/cluster/broker/memory-broker.ts";
import { Publisher, type PublisherLimits, toClusterError } from "../../../src/cluster/node/publisher.ts";
import { eventually } from "../../support/eventually.ts";

const history = { size: 100, maxAge: 60_000 };
const limits: PublisherLimits = { publishTimeout: 60_000, maxPending: 1000, maxPendingSize: 1e6 };
const lost = new ClusterError("unavailable", "lost");

/** A publisher over a broker whose next calls fail as the test says, and each call. */
async function publishing(given: Partial<PublisherLimits> = {}) {
  const inner = memoryBroker();
  await inner.connect({ message() {}, presence() {}, state() {}, error() {} }, () => history);
  const calls: { readonly topic: string; readonly texts: string; readonly options: PublishOptions }[] = [];
  const failing: unknown[] = [];
  const broker: Broker = {
    ...inner,
    connect: async () => {},
    subscribe: async () => {},
    unsubscribe: async () => {},
    close: async () => {},
    publish: async (topic, batch, options) => {
      calls.push({ topic, texts: batch.map(({ payload }) => Buffer.from(payload).toString()).join(), options });
      await turn();
      if (failing.length > 0) throw failing.shift();
      return inner.publish(topic, batch, options);
    },
  };
  const publisher = new Publisher(broker, { ...limits, ...given });
  let made = 0;
  const publish = (text: string, { topic = "t", stored = true } = {}) => {
    const message = { id: `i${++made}`, payload: Buffer.from(text) };
    const publishing = publisher.publish(topic, message, stored ? history : undefined);
    publishing.catch(() => {});
    return publishing;
  };
  return { publisher, publish, calls, failing, inner };
}

describe("a publisher", () => {
  test("has one call a topic under way, and calls for several topics beside each other", async () => {
    const { publisher, publish, calls } = await publishing();
    publisher.connected(true);
    const all = ["1", "2", "3"].map((text) => publish(text));
    const other = publish("x", { topic: "other" });
    expect(calls.map(({ topic, texts }) => `${topic} ${texts}`)).toEqual(["t 1", "other x"]);
    expect(publisher.pending).toBe(4);
    const positions = await Promise.all(all);
    await other;
    expect(calls[2]?.texts).toBe("2,3");
    expect(positions.map((position) => position!.offset)).toEqual(positions.map((one) => one!.offset).sort());
    expect(publisher.pending).toBe(0);
  });

  test("sends a call again as it was when the connection failed, and says so, and nothing overtakes it", async () => {
    const { publisher, publish, calls, failing, inner } = await publishing();
    failing.push(lost);
    publisher.connected(true);
    const first = publish("1");
    await eventually(() => failing.length === 0);
    const second = publish("2");
    await Promise.all([first, second]);
    expect(calls.map(({ texts }) => texts)).toEqual(["1", "1", "2"]);
    expect(calls[0]!.options.retryAfter).toBeUndefined();
    expect(calls[1]!.options.retryAfter).toBeGreaterThanOrEqual(0);
    expect((await inner.history!("t", undefined, 10)).entries).toHaveLength(2);
  });

  test("sends nothing twice that is not stored: whether it came nobody knows", async () => {
    const { publisher, publish, calls, failing } = await publishing();
    failing.push(lost);
    publisher.connected(true);
    await expect(publish("1", { stored: false })).rejects.toMatchObject({ code: "unknown" });
    expect(await publish("2", { stored: false })).toBeUndefined();
    expect(calls.map(({ texts }) => texts)).toEqual(["1", "2"]);
  });

  test("tells the broker's own no to who published, and goes on with the next", async () => {
    const { publisher, publish, failing } = await publishing();
    failing.push(new Error("WRONGTYPE"), "no error at all");
    publisher.connected(true);
    await expect(publish("1")).rejects.toMatchObject({ code: "refused", message: "The broker refused: WRONGTYPE" });
    await expect(publish("2")).rejects.toMatchObject({ code: "refused" });
    expect(await publish("3")).toMatchObject({ epoch: expect.any(String) });
  });

  test("takes so many messages and so many bytes, and no more until some are stored", async () => {
    const { publisher, publish } = await publishing({ maxPending: 3, maxPendingSize: 10 });
    const waiting = [publish("12345"), publish("12345")];
    await expect(publish("1")).rejects.toMatchObject({ code: "overloaded" });
    waiting.push(publish(""));
    await expect(publish("")).rejects.toMatchObject({ code: "overloaded" });
    publisher.connected(true);
    await Promise.all(waiting);
    await publish("1234567890");
  });

  test("gives up in time what was never sent, and sends nothing of it later", async () => {
    const { publisher, publish, calls } = await publishing({ publishTimeout: 100 });
    await expect(publish("1")).rejects.toMatchObject({ code: "unavailable" });
    expect(publisher.pending).toBe(0);
    publisher.connected(true);
    await publish("2");
    expect(calls.map(({ texts }) => texts)).toEqual(["2"]);
  });

  test("fails what waits when it is closed, and everything afterwards", async () => {
    const { publisher, publish } = await publishing();
    const waiting = publish("1");
    publisher.close();
    await expect(waiting).rejects.toMatchObject({ code: "closed" });
    await expect(publish("2")).rejects.toMatchObject({ code: "closed" });
    expect(publisher.pending).toBe(0);
  });
});

test.each([[undefined], [[]], [{ length: 1 }]])(
  "an answer of %j in place of positions is a fate that is not known",
  async (answer) => {
    const broker = { ...memoryBroker(), publish: async () => answer } as unknown as Broker;
    const publisher = new Publisher(broker, limits);
    publisher.connected(true);
    const publishing = publisher.publish("t", { id: "i", payload: Buffer.from("x") }, history);
    await expect(publishing).rejects.toMatchObject({ code: "unknown" });
    expect(publisher.pending).toBe(0);
  },
);

test("what a driver throws is one of ours, or the broker's own word", () => {
  expect(toClusterError(lost)).toBe(lost);
  const cause = new Error("x");
  expect(toClusterError(cause)).toMatchObject({ code: "refused", cause });
  expect(toClusterError(undefined)).toMatchObject({ code: "refused" });
});
