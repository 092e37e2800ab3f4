import { expect, test } from "vitest";
import { memoryBroker } from "../../src/cluster/broker/memory-broker.ts";
import { createCluster } from "../../src/cluster/cluster.ts";
import type { ClusterOptions } from "../../src/cluster/cluster-options.ts";
import type { FramesOutcome } from "../../src/connection/sending/message-sender.ts";
import type { Gap } from "../../src/topics/subscription.ts";
import type { Subscriber, Topic } from "../../src/topics/topic.ts";
import { Topics } from "../../src/topics/topics.ts";
import { eventually } from "../support/eventually.ts";
import { afterwards } from "../support/serving.ts";
import { readFrames } from "../support/wire.ts";

/** A subscriber that notes what it is sent, and gaps among it. */
class Listener implements Subscriber {
  readonly topics = new Set<Topic>();
  batch = 0;
  entry = 0;
  readonly compression = undefined;
  readonly got: string[] = [];

  takesFrames(): boolean {
    return true;
  }

  sendFrames(frames: Uint8Array): FramesOutcome {
    this.got.push(...readFrames(frames).map(({ payload }) => payload.toString()));
    return "left";
  }

  deliveryFailed(error: unknown): void {
    this.got.push(`failed: ${error}`);
  }

  readonly gap = ({ reason }: Gap): void => void this.got.push(`gap: ${reason}`);
}

/** A cluster, and the topics of a server in it. */
function relayed(options: ClusterOptions = {}) {
  const topics = { "log/*": { history: { size: 3 } }, "here/*": { local: true } };
  const cluster = createCluster({ topics, log: () => {}, unsubscribeDelay: 0, ...options });
  afterwards(() => cluster.close());
  return { cluster, server: new Topics({ maxTopics: 2 }, { cluster }) };
}

test("a subscription is one object until it ends, and its end is told as it was", async () => {
  const { server } = relayed();
  const ada = new Listener();
  const first = server.subscribe(ada, "log/1");
  expect(server.subscribe(ada, "log/1", { since: "e:1" })).toBe(first);
  expect(await first.ready).toMatchObject({ replayed: 0, position: expect.any(String) });
  const early = server.subscribe(ada, "log/2");
  expect(early.unsubscribe()).toBe(true);
  expect(early.unsubscribe()).toBe(false);
  expect(await early.ready).toEqual({ replayed: 0, reason: "unsubscribed" });
  expect(server.subscribe(ada, "log/2")).not.toBe(early);
  expect(() => server.subscribe(ada, "log/3")).toThrow(RangeError);
});

test("who leaves gets nothing more of any topic, and what it was subscribed to ends as closed", async () => {
  const { cluster, server } = relayed();
  const [ada, grace] = [new Listener(), new Listener()];
  const own = server.subscribe(ada, "log/1");
  await server.subscribe(grace, "log/1").ready;
  server.subscribe(ada, "news");
  server.leave(ada);
  expect(await own.ready).toBeDefined();
  expect(server.subscribe(ada, "log/1")).not.toBe(own);
  server.leave(ada);
  await cluster.publish("log/1", "1");
  await cluster.publish("news", "2");
  await eventually(() => grace.got.length === 1);
  expect(ada.got).toEqual([]);
});

test("a topic is let go of with its last subscriber here", async () => {
  const { cluster, server } = relayed();
  const [ada, grace] = [new Listener(), new Listener()];
  await server.subscribe(ada, "log/1").ready;
  await server.subscribe(grace, "log/1").ready;
  server.unsubscribe(ada, "log/1");
  expect(cluster.metrics().topics).toBe(1);
  server.leave(grace);
  await eventually(() => cluster.metrics().topics === 0);
});

test("who publishes does not get it, before the log and behind it, and who comes back with the same does", async () => {
  const { server } = relayed();
  const [ada, grace] = [new Listener(), new Listener()];
  const { position } = await server.subscribe(ada, "log/1").ready;
  await server.subscribe(grace, "log/1").ready;
  server.publish("log/1", "of ada", ada);
  server.publish("log/1", "of nobody");
  await eventually(() => ada.got.length === 1 && grace.got.length === 2);
  expect(ada.got).toEqual(["of nobody"]);
  server.unsubscribe(ada, "log/1");
  await server.subscribe(ada, "log/1", { since: position! }).ready;
  await eventually(() => ada.got.length === 2);
  expect(ada.got).toEqual(["of nobody", "of nobody"]);
  const later = new Listener();
  await server.subscribe(later, "log/1", { since: position! }).ready;
  await eventually(() => later.got.length === 2);
  expect(later.got).toEqual(["of ada", "of nobody"]);
});

test("what is sent again comes before what follows, and who ends meanwhile gets none of it", async () => {
  const { cluster, server } = relayed();
  const since = (await cluster.publish("log/1", "0"))!;
  await cluster.publish("log/1", "1");
  const [ada, gone] = [new Listener(), new Listener()];
  const subscription = server.subscribe(ada, "log/1", { since });
  server.subscribe(gone, "log/1", { since }).unsubscribe();
  await cluster.publish("log/1", "2");
  expect(await subscription.ready).toMatchObject({ recovered: true });
  await eventually(() => ada.got.length === 2);
  expect(ada.got).toEqual(["1", "2"]);
  expect(gone.got).toEqual([]);
});

test("a local topic asks nothing of the cluster", async () => {
  const { cluster, server } = relayed();
  const ada = new Listener();
  expect(await server.subscribe(ada, "here/1").ready).toEqual({ replayed: 0 });
  expect(await server.publish("here/1", "x").stored).toBeUndefined();
  await eventually(() => ada.got.length === 1);
  expect(cluster.metrics()).toMatchObject({ topics: 0, published: 0 });
});

test("topics of two servers in one cluster get each message of the log once, and leave without the other", async () => {
  const broker = memoryBroker();
  const { cluster, server } = relayed({ broker });
  const second = new Topics({}, { cluster });
  const [ada, grace] = [new Listener(), new Listener()];
  const own = server.subscribe(ada, "log/1");
  await Promise.all([own.ready, second.subscribe(grace, "log/1").ready]);
  server.publish("log/1", "1");
  await eventually(() => ada.got.length === 1 && grace.got.length === 1);
  server.close();
  second.publish("log/1", "2");
  await eventually(() => grace.got.length === 2);
  expect([ada.got, grace.got]).toEqual([["1"], ["1", "2"]]);
  expect(own.unsubscribe()).toBe(false);
});
