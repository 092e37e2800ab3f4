/** What every driver has to keep: tests for a broker, which the caller makes. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { Broker, HistoryRule } from "../../../src/cluster/broker/broker.ts";
import { continuityOf, type Entry } from "../../../src/cluster/broker/entry.ts";
import type { MemberChange, PresenceStep } from "../../../src/cluster/broker/presence-store.ts";
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
  readonly steps: { readonly topic: string; readonly step: PresenceStep }[];
  readonly states: boolean[];
  readonly errors: Error[];
}

/** Declares the tests. */
export function brokerTests(title: string, start: () => Promise<BrokerMaker>, { presence = true } = {}): void {
  describe(title, () => {
    const open: Broker[] = [];
    let maker: Promise<BrokerMaker> | undefined;
    afterEach(async () => {
      await Promise.all(open.splice(0).map((broker) => broker.close()));
    });

    async function node(): Promise<Node> {
      maker ??= start();
      const broker = (await maker).make();
      const parts: Node = { broker, got: [], steps: [], states: [], errors: [] };
      open.push(broker);
      const events = {
        message: (topic: string, entry: Entry) => parts.got.push({ topic, entry }),
        presence: (topic: string, step: PresenceStep) => parts.steps.push({ topic, step }),
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

    test("a word is the same for all nodes, whoever says it first", async () => {
      const nodes = await Promise.all([node(), node(), node()]);
      const words = await Promise.all(nodes.map((one, index) => wordOf(one, `word ${index} `.repeat(8))));
      expect(new Set(words).size).toBe(1);
      expect(await (await node()).broker.secret!("another")).toBe(words[0]);
    });

    describe.runIf(presence)("presence", () => {
      const member = (id: string, lease: string, data?: string): MemberChange => ({ id, lease, data });
      const storeOf = ({ broker }: Node) => broker.presence!;

      test("a lease is held until it ends, and one that has ended is not made again by renewing it", async () => {
        const [one, other] = [storeOf(await node()), storeOf(await node())];
        const [long, short] = [`long${++made}`, `short${made}`];
        expect(await one.lease(long, 60_000, false)).toBe(false);
        expect(await one.lease(short, 50, true)).toBe(true);
        expect(await one.lease(long, 60_000, true)).toBe(true);
        expect(await other.lease(long, 60_000, false)).toBe(true);
        await eventually(async () => !(await other.leases()).held.includes(short));
        expect(await one.lease(short, 60_000, false)).toBe(false);
        const { held, age } = await other.leases();
        expect(held).toContain(long);
        expect(held).not.toContain(short);
        expect(age).toBeGreaterThan(0);
        expect(await other.lease(long, 0, false)).toBe(true);
        expect((await one.leases()).held).not.toContain(long);
      });

      test("its age begins anew where no node held a lease for half of one: leases may have ended by that alone", async () => {
        const [one, other] = [storeOf(await node()), storeOf(await node())];
        const lease = `lease${++made}`;
        await one.lease(lease, 60_000, true);
        await one.lease(lease, 20, false);
        await sleep(200);
        const begun = performance.now();
        await one.lease(`${lease}-again`, 60_000, true);
        const { age } = await other.leases();
        // Where all is in one process, nothing is ever away.
        if (age !== Number.POSITIVE_INFINITY) expect(age).toBeLessThan(performance.now() - begun + 100);
      });

      test("members are as they were last set, with whatever their data has", async () => {
        const store = storeOf(await node());
        const topic = topicName();
        expect((await store.read(topic)).members).toEqual([]);
        const odd = JSON.stringify({ text: " ä\n\u0000\ud800 {}%", n: [1, null] });
        await store.update(topic, [member("n/1", "l1", "1"), member("n/2", "l1", odd), member("n/3", "l1", '"x"')]);
        await store.update(topic, [member("n/1", "l1", '"new"'), member("n/3", "l1"), member("n/4", "l1")]);
        const { members, version } = await store.read(topic);
        expect([...members!].sort((a, b) => a.id.localeCompare(b.id))).toEqual([
          member("n/1", "l1", '"new"'),
          member("n/2", "l1", odd),
        ]);
        expect(version).toBeGreaterThan(0);
        expect(await store.read(topic, version)).toEqual({ version, members: undefined });
        expect((await store.read(topic, version - 1)).members).toHaveLength(2);
        expect((await store.read(topicName())).members).toEqual([]);
      });

      test("who leaves by a lease stays where another lease has come meanwhile", async () => {
        const [one, other] = [storeOf(await node()), storeOf(await node())];
        const topic = topicName();
        await one.update(topic, [member("n/1", "old", "1"), member("n/2", "old", "2")]);
        await one.update(topic, [member("n/1", "new", "1")]);
        await Promise.all(
          [other, one].map((store) => store.update(topic, [member("n/1", "old"), member("n/2", "old")])),
        );
        expect((await one.read(topic)).members).toEqual([member("n/1", "new", "1")]);
      });

      test("who is subscribed is told of each change once, with the version before it, and of nothing else", async () => {
        const [one, two, three] = [await node(), await node(), await node()];
        const topic = topicName();
        await storeOf(two).subscribe([topic, topicName()]);
        await storeOf(two).subscribe([topic]);
        const changes = [member("n/1", "l", "1"), member("n/2", "l", '{"a":" b"}')];
        await storeOf(one).update(topic, changes);
        await storeOf(one).update(topic, changes);
        await storeOf(three).update(topic, [member("n/1", "l"), member("n/9", "l"), member("n/2", "l", "2")]);
        await eventually(() => two.steps.length === 2);
        const [first, second] = two.steps.map(({ step }) => step);
        expect(two.steps.map((one) => one.topic)).toEqual([topic, topic]);
        expect(first).toMatchObject({ prev: 0, changes });
        expect(second!.prev).toBe(first!.version);
        expect(second!.changes).toEqual([member("n/1", "l"), member("n/2", "l", "2")]);
        const page = await storeOf(one).read(topic);
        expect(page).toEqual({ version: second!.version, members: [member("n/2", "l", "2")] });
        await storeOf(two).unsubscribe([topic]);
        await storeOf(two).subscribe([topicName()]);
        await storeOf(one).update(topic, [member("n/2", "l")]);
        await storeOf(two).read(topic);
        expect([one.steps, three.steps, two.steps.length]).toEqual([[], [], 2]);
      });

      test("versions grow, also where the last member leaves and another one comes at once", async () => {
        const [one, other] = [await node(), await node()];
        const topic = topicName();
        await storeOf(other).subscribe([topic]);
        for (let number = 0; number < 20; number++) {
          await storeOf(one).update(topic, [member(`n/${number}`, "l", "1")]);
          await storeOf(one).update(topic, [member(`n/${number}`, "l")]);
        }
        await eventually(() => other.steps.length === 40);
        const versions = other.steps.map(({ step }) => step.version);
        expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
      });

      test("a thousand members that come from many nodes at once are all there, in one order for all", async () => {
        const nodes = await Promise.all([node(), node(), node(), node()]);
        const topic = topicName();
        await Promise.all(nodes.slice(0, 2).map((one) => storeOf(one).subscribe([topic])));
        await Promise.all(
          nodes.map(async (one, index) => {
            for (let from = 0; from < 250; from += 50) {
              const ids = Array.from({ length: 50 }, (_, number) => `n${index}/${from + number}`);
              await storeOf(one).update(
                topic,
                ids.map((id) => member(id, `l${index}`, '"x"')),
              );
            }
          }),
        );
        const { members, version } = await storeOf(nodes[3]).read(topic);
        expect(new Set(members!.map(({ id }) => id)).size).toBe(1000);
        await eventually(() => nodes.slice(0, 2).every(({ steps }) => steps.at(-1)?.step.version === version));
        expect(nodes[0].steps).toEqual(nodes[1].steps);
        for (const [index, { step }] of nodes[0].steps.entries()) {
          expect(step.prev).toBe(nodes[0].steps[index - 1]?.step.version ?? 0);
        }
      });

      test("calls fail with `unavailable` once the broker is closed", async () => {
        const closed = await node();
        await closed.broker.close();
        const { presence: store } = closed.broker;
        const topic = topicName();
        const calls = [
          () => store!.lease("l", 1000, true),
          () => store!.leases(),
          () => store!.update(topic, [member("n/1", "l", "1")]),
          () => store!.read(topic),
          () => store!.subscribe([topic]),
        ];
        for (const call of calls) await expect(call()).rejects.toMatchObject({ code: "unavailable" });
      });
    });

    test("a word is the same for all nodes, whoever says it first", async () => {
      const nodes = await Promise.all([node(), node(), node()]);
      const words = await Promise.all(nodes.map((one, index) => wordOf(one, `word ${index} `.repeat(8))));
      expect(new Set(words).size).toBe(1);
      expect(await (await node()).broker.secret!("another")).toBe(words[0]);
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
      const [first, ...others] = nodes.map(({ got }) => inOrder(got));
      for (const other of others) expect(other.map(placeOf)).toEqual(first!.map(placeOf));
      for (const node of [first!, ...others]) {
        for (const [index, { prev, offset }] of node.entries()) {
          const before = node[index - 1]?.offset ?? 0;
          // Where two came the other way round, that something is between.
          expect(prev === before || (prev > before && prev < offset)).toBe(true);
        }
      }
    });
  });
}

/** The word, as a node asks for it: again where the broker could not be asked. */
async function wordOf(node: Node, otherwise: string): Promise<string> {
  try {
    return await node.broker.secret!(otherwise);
  } catch (error) {
    expect(error).toMatchObject({ code: "unavailable" });
    return wordOf(node, otherwise);
  }
}

function inOrder(got: Node["got"]): Entry[] {
  return got.map(({ entry }) => entry).sort((one, other) => one.offset - other.offset);
}

function placeOf({ epoch, offset, id }: Entry): string {
  return `${epoch} ${offset} ${id}`;
}
