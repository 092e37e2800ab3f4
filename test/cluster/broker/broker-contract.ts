/** What every driver has to keep: tests for a broker, which the caller makes. */
import { afterEach, describe, expect, test } from "vitest";
import type { Broker, HistoryRule } from "../../../src/cluster/broker/broker.ts";
import { continuityOf, type Entry } from "../../../src/cluster/broker/entry.ts";
import { eventually } from "../../support/eventually.ts";

/** Makes nodes' ways to one broker, which has not seen the topics of this test. */
export interface BrokerMaker {
  /** Each call makes another node of the same broker. */
  make(): Broker;
}

const history: HistoryRule = { size: 5, maxAge: 60_000 };
const once = { history, retryAfter: undefined };
const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (entry: Entry) => new TextDecoder().decode(entry.payload);
let made = 0;
let ids = 0;
/** Topics whose name begins with this have no history. */
const unstored = "news/";

/** One node, and what it was told. */
interface Node {
  readonly broker: Broker;
  readonly got: { readonly topic: string; readonly entry: Entry }[];
  readonly states: boolean[];
  readonly errors: Error[];
}

/** Declares the tests. */
export function brokerTests(title: string, start: () => Promise<BrokerMaker>): void {
  describe(title, () => {
    const open: Broker[] = [];
    let maker: Promise<BrokerMaker> | undefined;
    afterEach(async () => {
      await Promise.all(open.splice(0).map((broker) => broker.close()));
    });

    async function node(): Promise<Node> {
      maker ??= start();
      const broker = (await maker).make();
      const parts: Node = { broker, got: [], states: [], errors: [] };
      open.push(broker);
      const events = {
        message: (topic: string, entry: Entry) => parts.got.push({ topic, entry }),
        state: (connected: boolean) => parts.states.push(connected),
        error: (error: Error) => parts.errors.push(error),
      };
      await broker.connect(events, (topic) => (topic.startsWith(unstored) ? undefined : history));
      return parts;
    }

    const topicName = () => `room/%{${++made}} .*> ä\ud800`;
    const put = (broker: Broker, topic: string, ...texts: string[]) =>
      broker.publish(
        topic,
        texts.map((text) => ({ id: `n.${++ids}`, payload: bytes(text) })),
        once,
      );

    test("is connected when connect resolves", async () => {
      expect((await node()).states).toEqual([true]);
    });

    test("messages without history reach those who are subscribed, the publisher among them, and nobody else", async () => {
      const [one, two, three] = [await node(), await node(), await node()];
      const topic = `${unstored}${topicName()}`;
      await Promise.all([one.broker.subscribe([topic]), two.broker.subscribe([topic])]);
      const positions = await one.broker.publish(topic, [{ id: "n.a", payload: Uint8Array.of(0, 255, 32, 10) }], {
        history: undefined,
        retryAfter: undefined,
      });
      expect(positions).toEqual([]);
      await eventually(() => one.got.length === 1 && two.got.length === 1);
      expect(two.got[0]).toMatchObject({ topic, entry: { epoch: "", prev: 0, offset: 0, id: "n.a" } });
      expect([...two.got[0]!.entry.payload]).toEqual([0, 255, 32, 10]);
      expect(three.got).toEqual([]);
    });

    test("stored messages have offsets that grow, each with that of the one before it", async () => {
      const { broker, got } = await node();
      const topic = topicName();
      await broker.subscribe([topic]);
      const first = await put(broker, topic, "1");
      const more = await put(broker, topic, "2", "3");
      await eventually(() => got.length === 3);
      const entries = got.map(({ entry }) => entry);
      expect(entries.map(textOf)).toEqual(["1", "2", "3"]);
      expect(entries.map(({ epoch, offset }) => ({ epoch, offset }))).toEqual([...first, ...more]);
      expect(entries.map(({ prev }) => prev)).toEqual([0, entries[0]!.offset, entries[1]!.offset]);
      for (const { offset } of entries) expect(offset).toSatisfy(Number.isSafeInteger);
    });

    test("the log gives what is behind a position, up to a limit, or the newest, and keeps `size`", async () => {
      const { broker } = await node();
      const topic = topicName();
      const empty = await broker.history!(topic, undefined, 0);
      expect(empty).toMatchObject({ last: 0, entries: [] });
      const positions = [];
      for (let number = 1; number <= 7; number++) positions.push(...(await put(broker, topic, `${number}`)));
      expect(positions[0]!.epoch).toBe(empty.epoch);
      const all = await broker.history!(topic, { epoch: empty.epoch, offset: 0 }, 100);
      expect(all.entries.map(textOf)).toEqual(["3", "4", "5", "6", "7"]);
      expect(all.last).toBe(positions[6]!.offset);
      expect(continuityOf(all, { epoch: empty.epoch, offset: 0 })).toBe("trimmed");
      const some = await broker.history!(topic, positions[3], 2);
      expect(some.entries.map(textOf)).toEqual(["5", "6"]);
      expect(continuityOf(some, positions[3]!)).toBe("complete");
      const newest = await broker.history!(topic, undefined, 2);
      expect(newest.entries.map(textOf)).toEqual(["6", "7"]);
      const none = await broker.history!(topic, positions[6], 10);
      expect(none).toMatchObject({ last: positions[6]!.offset, entries: [] });
      expect(continuityOf(none, positions[6]!)).toBe("complete");
      const foreign = await broker.history!(topic, { epoch: "another", offset: 1e15 }, 2);
      expect(foreign.entries.map(textOf)).toEqual(["3", "4"]);
      expect(await broker.positions!([topic, topicName(), topic])).toMatchObject([
        positions[6],
        { offset: 0 },
        positions[6],
      ]);
    });

    test("a batch that is sent again is stored once, and answered as the first time", async () => {
      const { broker, got } = await node();
      const topic = topicName();
      await broker.subscribe([topic]);
      const batch = ["1", "2"].map((text) => ({ id: `a${++ids}.${text}`, payload: bytes(text) }));
      const first = await broker.publish(topic, batch, once);
      expect(await broker.publish(topic, batch, { history, retryAfter: 1000 })).toEqual(first);
      const other = [{ id: `b${++ids}.1`, payload: bytes("3") }];
      const [third] = await broker.publish(topic, other, { history, retryAfter: 1000 });
      expect(third!.offset).toBeGreaterThan(first[1]!.offset);
      await eventually(() => got.length >= 3);
      expect(got.map(({ entry }) => textOf(entry))).toEqual(["1", "2", "3"]);
    });

    test("a batch that is sent again when its place in the log is gone is not stored twice, or said to be unknown", async () => {
      const { broker, got } = await node();
      const topic = topicName();
      await broker.subscribe([topic]);
      const batch = [{ id: `x.${++ids}`, payload: bytes("x") }];
      const [first] = await broker.publish(topic, batch, once);
      await put(broker, topic, "1", "2", "3", "4", "5");
      await put(broker, topic, "6");
      const again = await broker.publish(topic, batch, { history, retryAfter: 60_000 }).catch((error) => error.code);
      expect(["unknown", [first]]).toContainEqual(again);
      await put(broker, topic, "7");
      await eventually(() => got.some(({ entry }) => textOf(entry) === "7"));
      expect(got.map(({ entry }) => textOf(entry))).toEqual(["x", "1", "2", "3", "4", "5", "6", "7"]);
    });

    test("two messages with one key are one entry, also in a batch and when it is sent again", async () => {
      const { broker, got } = await node();
      const topic = topicName();
      await broker.subscribe([topic]);
      const keyed = (text: string, key: string) => ({ id: `k${++ids}.${text}`, key, payload: bytes(text) });
      const [first] = await broker.publish(topic, [keyed("1", "job %{}")], once);
      const batch = [keyed("2", "job %{}"), keyed("3", "other")];
      const second = await broker.publish(topic, batch, once);
      expect(second[0]).toEqual(first);
      expect(await broker.publish(topic, batch, { history, retryAfter: 1000 })).toEqual(second);
      await eventually(() => got.length === 2);
      expect(got.map(({ entry }) => textOf(entry))).toEqual(["1", "3"]);
    });

    test("an epoch ends once, for all who are subscribed, and its log is gone", async () => {
      const [one, two] = [await node(), await node()];
      const topic = topicName();
      await Promise.all([one.broker.subscribe([topic]), two.broker.subscribe([topic])]);
      const [{ epoch } = { epoch: "" }] = await put(one.broker, topic, "1");
      await Promise.all([one.broker.endEpoch!(topic, epoch), two.broker.endEpoch!(topic, epoch)]);
      await eventually(() => one.got.length === 2 && two.got.length === 2);
      const page = await one.broker.history!(topic, { epoch, offset: 0 }, 10);
      expect(page).toMatchObject({ last: 0, entries: [] });
      expect(page.epoch).not.toBe(epoch);
      expect(two.got[1]!.entry).toMatchObject({ epoch: page.epoch, offset: 0 });
      await put(two.broker, topic, "2");
      await eventually(() => one.got.length === 3);
      expect(one.got[2]!.entry).toMatchObject({ epoch: page.epoch, prev: 0 });
    });

    test("nothing comes after unsubscribing; subscribing to many topics at once and twice is taken", async () => {
      const { broker, got } = await node();
      const topics = Array.from({ length: 600 }, topicName);
      await broker.subscribe(topics.slice(0, 400));
      await broker.subscribe(topics.slice(200));
      for (const topic of [topics[0]!, topics[300]!, topics[599]!]) await put(broker, topic, "1");
      await eventually(() => got.length === 3);
      await broker.unsubscribe(topics.slice(0, 500));
      await put(broker, topics[0]!, "2");
      await put(broker, topics[599]!, "2");
      await eventually(() => got.length === 4);
      expect(got[3]!.topic).toBe(topics[599]);
    });

    test("calls fail with `unavailable` once it is closed", async () => {
      const { broker } = await node();
      await broker.close();
      await expect(put(broker, topicName(), "1")).rejects.toMatchObject({ code: "unavailable" });
      await expect(broker.history!(topicName(), undefined, 1)).rejects.toMatchObject({ code: "unavailable" });
      await broker.close();
    });

    test("many nodes that publish at once leave one order for all", async () => {
      const nodes = await Promise.all([node(), node(), node()]);
      const topic = topicName();
      await Promise.all(nodes.map(({ broker }) => broker.subscribe([topic])));
      await Promise.all(
        nodes.map(async ({ broker }, index) => {
          for (let number = 0; number < 30; number++) {
            const id = `n${index}.${number}`;
            await broker.publish(topic, [{ id: `${id}.${++ids}`, payload: bytes(id) }], once);
          }
        }),
      );
      await eventually(() => nodes.every(({ got }) => got.length === 90));
      const [first, ...others] = nodes.map(({ got }) => got.map(({ entry }) => entry));
      for (const other of others) expect(other).toEqual(first);
      for (const [index, entry] of first!.entries()) expect(entry.prev).toBe(first![index - 1]?.offset ?? 0);
    });
  });
}
