import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Broker } from "../../src/cluster/broker/broker.ts";
import { ClusterError } from "../../src/cluster/broker/cluster-error.ts";
import { type Entry, type LogPosition, positionToText } from "../../src/cluster/broker/entry.ts";
import { memoryBroker } from "../../src/cluster/broker/memory-broker.ts";
import { type CatchUpParts, catchUp } from "../../src/cluster/catch-up.ts";
import { ClusterTopic } from "../../src/cluster/node/cluster-topic.ts";
import { RecentBudget } from "../../src/cluster/node/recent-entries.ts";
import { resolveRules } from "../../src/cluster/node/topic-rules.ts";
import { Turns } from "../../src/cluster/node/turns.ts";
import { eventually } from "../support/eventually.ts";

type Limits = Pick<CatchUpParts, "maxReplay" | "maxReplaySize" | "resumeTimeout">;

const history = { size: 20, maxAge: 60_000 };

/** A topic of a node, subscribed to at a broker in memory, and who catches up on it. */
async function topicOf({ recentSize = 0, ...limits }: { recentSize?: number } & Partial<Limits> = {}) {
  const inner = memoryBroker();
  let reads = 0;
  let isAway = false;
  let hangs = false;
  let topic: ClusterTopic | undefined;
  await inner.connect(
    { message: (_, entry) => topic!.take(entry), presence() {}, state() {}, error() {} },
    () => history,
  );
  const broker = {
    history: async (...given: Parameters<NonNullable<Broker["history"]>>) => {
      reads++;
      if (hangs) await new Promise(() => {});
      if (isAway) throw new ClusterError("unavailable", "away");
      return inner.history!(...given);
    },
  } as Broker;
  const counters = { received: 0, unreadable: 0, gaps: 0, fills: 0 };
  const fills = new Turns(50);
  const recentBudget = new RecentBudget(1e6);
  const node = { broker, recentSize, recentBudget, fills, counters, failed() {}, gap() {} };
  topic = new ClusterTopic("t", resolveRules({ t: { history } })("t"), node);
  await inner.subscribe(["t"]);
  topic.subscribed();
  await eventually(() => topic!.isReady);
  const few: Limits = { maxReplay: 1000, maxReplaySize: 1e6, resumeTimeout: 60_000, ...limits };
  const parts: CatchUpParts = { broker, fills, ...few, pages: new Map() };
  let made = 0;
  const publish = async (...texts: string[]) => {
    const batch = texts.map((text) => ({ id: `i${++made}`, payload: Buffer.from(text) }));
    const positions = await inner.publish("t", batch, { history, retryAfter: undefined });
    await eventually(() => topic!.reader!.position!.offset === positions.at(-1)!.offset);
    return positions.at(-1)!;
  };
  const follow = (since: LogPosition | { readonly last: number }, { endsAt = Number.POSITIVE_INFINITY } = {}) => {
    const got: string[] = [];
    const subscriber = {
      isOver: () => got.length >= endsAt,
      deliver: ({ payload }: Entry) => void got.push(Buffer.from(payload).toString()),
      gap: (reason: string) => void got.push(reason),
      ready: () => undefined,
      level: () => void got.push("level"),
    };
    return { got, over: catchUp(topic!, since, subscriber, parts) };
  };
  return {
    topic,
    publish,
    follow,
    reads: () => reads,
    away: (is: boolean) => {
      isAway = is;
    },
    hang: () => {
      hangs = true;
    },
  };
}

test("who says where it was gets what is behind that, and is level then", async () => {
  const { publish, follow } = await topicOf();
  const since = await publish("1");
  await publish("2", "3");
  const { got, over } = follow(since);
  await over;
  expect(got).toEqual(["2", "3", "level"]);
});

test("who is level already is so at once, and asks for nothing", async () => {
  const { publish, follow, reads } = await topicOf();
  const since = await publish("1");
  const before = reads();
  const { got, over } = follow(since);
  await over;
  expect([got, reads()]).toEqual([["level"], before]);
});

test("what the node has delivered lately is not asked of the broker", async () => {
  const { publish, follow, reads } = await topicOf({ recentSize: 1e6 });
  const since = await publish("1");
  await publish("2");
  const before = reads();
  const { got, over } = follow(since);
  await over;
  expect([got, reads()]).toEqual([["2", "level"], before]);
});

test("many who were at one place share one read", async () => {
  const { publish, follow, reads } = await topicOf();
  const since = await publish("1");
  await publish("2");
  const before = reads();
  const all = Array.from({ length: 100 }, () => follow(since));
  await Promise.all(all.map(({ over }) => over));
  expect(reads()).toBe(before + 1);
  for (const { got } of all) expect(got).toEqual(["2", "level"]);
});

test("`last` begins with the newest, all of them where there are fewer", async () => {
  const { publish, follow } = await topicOf();
  await publish("1", "2", "3");
  const [two, many, none] = [follow({ last: 2 }), follow({ last: 50 }), follow({ last: 0 })];
  await Promise.all([two.over, many.over, none.over]);
  expect([two.got, many.got, none.got]).toEqual([["2", "3", "level"], ["1", "2", "3", "level"], ["level"]]);
});

test("a position that is too old, and one of another log, are a gap, and then all that there is", async () => {
  const { publish, follow } = await topicOf();
  const since = await publish("0");
  for (let number = 1; number <= 22; number++) await publish(`${number}`);
  const [old, other] = [follow(since), follow({ epoch: "another", offset: 5 })];
  await Promise.all([old.over, other.over]);
  expect(old.got.slice(0, 2)).toEqual(["trimmed", "3"]);
  expect(other.got.slice(0, 2)).toEqual(["epoch", "3"]);
  expect(old.got.slice(1)).toEqual(other.got.slice(1));
  expect(old.got.at(-1)).toBe("level");
});

test("more than is sent again is a gap, behind what was sent", async () => {
  const { publish, follow } = await topicOf({ maxReplay: 2 });
  const since = await publish("1");
  await publish("2", "3", "4");
  const { got, over } = follow(since);
  await over;
  expect(got).toEqual(["2", "3", "too-many", "level"]);
});

test("more bytes than are sent again are a gap, behind the message that reached the limit", async () => {
  const { publish, follow } = await topicOf({ maxReplaySize: 5 });
  const since = await publish("1");
  await publish("22", "333", "4", "5");
  const { got, over } = follow(since);
  await over;
  expect(got).toEqual(["22", "333", "too-many", "level"]);
});

test("who cannot be sent again in time what it missed hears of a gap, and reads on with the others", async () => {
  const { publish, follow, away } = await topicOf({ resumeTimeout: 20 });
  const since = await publish("1");
  await publish("2");
  away(true);
  const { got, over } = follow(since);
  await over;
  expect(got).toEqual(["unavailable", "level"]);
});

test("who is over gets nothing more", async () => {
  const { publish, follow } = await topicOf();
  const since = await publish("1");
  await publish("2", "3");
  const { got, over } = follow(since, { endsAt: 0 });
  await over;
  expect(got).toEqual([]);
});

test("it goes on when the broker that could not be asked answers again", async () => {
  const { publish, follow, away, reads } = await topicOf();
  const since = await publish("1");
  await publish("2");
  away(true);
  const before = reads();
  const { got, over } = follow(since);
  await eventually(() => reads() > before);
  await turn();
  expect(got).toEqual([]);
  away(false);
  await over;
  expect(got).toEqual(["2", "level"]);
  expect(positionToText(since)).toContain(":");
});

test("a broker that hangs is waited for as long as one that is away: then there is a gap, and it is level", async () => {
  const { publish, follow, hang } = await topicOf({ resumeTimeout: 100 });
  const since = await publish("1");
  await publish("2");
  hang();
  const [one, newest] = [follow(since), follow({ last: 1 })];
  await Promise.all([one.over, newest.over]);
  expect([one.got, newest.got]).toEqual([
    ["unavailable", "level"],
    ["unavailable", "level"],
  ]);
});
