import { describe, expect, test } from "vitest";
import type { MemberChange, PresenceStep, StoredMember } from "../../../src/cluster/broker/presence-store.ts";
import { WatchedTopic } from "../../../src/cluster/presence/watched-topic.ts";

const member = (id: string, data = "1", lease = "l"): StoredMember => ({ id, lease, data });
const leaving = (id: string, lease = "l"): MemberChange => ({ id, lease, data: undefined });
const step = (prev: number, version: number, ...changes: MemberChange[]): PresenceStep => ({ prev, version, changes });

/** A topic at version 10 with the members a and b, and what it said since. */
function topicAt10() {
  const touched: string[] = [];
  const here = new Set<string>();
  const topic = new WatchedTopic({ touched: (id) => touched.push(id), isHere: (id) => here.has(id) });
  topic.asks();
  topic.page({ version: 10, members: [member("a"), member("b")] }, false);
  touched.length = 0;
  return { topic, touched, here, ids: () => [...topic.members.keys()] };
}

describe("a watched topic", () => {
  test("wants to be read first; what comes meanwhile follows, and what the page has is not told again", () => {
    const touched: string[] = [];
    const topic = new WatchedTopic({ touched: (id) => touched.push(id), isHere: () => false });
    expect([topic.wants, topic.known]).toEqual([true, undefined]);
    topic.take(step(0, 8, member("gone")));
    topic.asks();
    topic.take(step(8, 9, leaving("gone")));
    topic.take(step(10, 11, member("b")));
    topic.page({ version: 10, members: [member("a")] }, false);
    expect(touched).toEqual(["a", "b"]);
    expect([topic.wants, topic.known]).toEqual([false, 11]);
  });

  test("follows each step that names the version it is at, and drops one that it had", () => {
    const { topic, touched, ids } = topicAt10();
    topic.take(step(10, 11, member("c"), leaving("a"), leaving("nobody")));
    topic.take(step(9, 10, member("z")));
    expect(ids()).toEqual(["b", "c"]);
    expect(touched).toEqual(["c", "a"]);
    expect(topic.wants).toBe(false);
  });

  test("wants to be read where a step is missing, and tells then only of what differs", () => {
    const { topic, touched, ids } = topicAt10();
    topic.take(step(11, 12, member("d")));
    expect(topic.wants).toBe(true);
    expect(ids()).toEqual(["a", "b"]);
    topic.asks();
    topic.page({ version: 12, members: [member("b"), member("d"), member("e")] }, false);
    expect(ids()).toEqual(["b", "d", "e"]);
    expect(touched).toEqual(["a", "b", "d", "e"]);
    expect(topic.wants).toBe(false);
  });

  test("wants to be read once more where a step is missing that came while it was read, and not for one from before", () => {
    const { topic } = topicAt10();
    topic.take(step(90, 91, member("of a state that is lost")));
    topic.asks();
    topic.take(step(13, 14, member("f")));
    topic.page({ version: 12, members: [] }, false);
    expect(topic.wants).toBe(true);
    topic.asks();
    topic.page({ version: 14, members: [member("f")] }, false);
    expect(topic.wants).toBe(false);
  });

  test("is as it was where the page says that nothing has changed", () => {
    const { topic, touched, ids } = topicAt10();
    topic.missed();
    topic.asks();
    topic.page({ version: 10, members: undefined }, false);
    expect([topic.wants, touched, ids()]).toEqual([false, [], ["a", "b"]]);
  });

  test("keeps who is missing in a store that is young, until it has been read again when that is old enough", () => {
    const { topic, ids } = topicAt10();
    topic.missed();
    topic.page({ version: 3, members: [member("b", "2")] }, true);
    expect(ids()).toEqual(["a", "b"]);
    expect(topic.members.get("b")?.data).toBe("2");
    expect(topic.known).toBeUndefined();
    topic.page({ version: 4, members: [member("b", "2")] }, false);
    expect(ids()).toEqual(["b"]);
    expect(topic.known).toBe(4);
  });

  test("control: without the store's age everybody would have left", () => {
    const { topic, ids } = topicAt10();
    topic.page({ version: 3, members: [] }, false);
    expect(ids()).toEqual([]);
  });

  test("takes away those whose lease is gone, and nobody who has another", () => {
    const { topic, touched, ids } = topicAt10();
    topic.take(step(10, 11, member("a", "1", "new"), member("c", "1", "other")));
    touched.length = 0;
    expect(topic.gone(new Set(["l", "unknown"])).map(({ id }) => id)).toEqual(["b"]);
    expect([ids(), touched]).toEqual([["a", "c"], ["b"]]);
  });

  test("keeps so many steps and no more while it is read: the next one shows what is missing", () => {
    const { topic } = topicAt10();
    topic.missed();
    for (let version = 11; version < 1100; version++) topic.take(step(version - 1, version));
    topic.page({ version: 10, members: undefined }, false);
    expect([topic.known, topic.wants]).toEqual([1010, false]);
    topic.take(step(1099, 1100));
    expect(topic.wants).toBe(true);
  });

  test("keeps who is here, whatever the store knows, and reads it whole until the store knows better", () => {
    const { topic, touched, here, ids } = topicAt10();
    here.add("a");
    topic.take(step(10, 11, leaving("a"), leaving("b")));
    expect([ids(), touched, topic.known]).toEqual([["a"], ["b"], undefined]);
    topic.missed();
    topic.asks();
    topic.page({ version: 11, members: [] }, false);
    expect(topic.gone(new Set(["l"]))).toEqual([]);
    expect([ids(), topic.known]).toEqual([["a"], undefined]);
    here.delete("a");
    topic.missed();
    topic.asks();
    topic.page({ version: 11, members: [] }, false);
    expect([ids(), touched, topic.known]).toEqual([[], ["b", "a"], 11]);
  });
});
