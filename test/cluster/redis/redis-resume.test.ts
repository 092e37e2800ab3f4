/** Clients that go on where they were, over nodes in processes of their own that are killed under load, and a real Redis. */
import { setMaxListeners } from "node:events";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { reconnecting } from "../../../src/client/reconnecting/reconnecting.ts";
import { ReconnectingWebSocket } from "../../../src/client/reconnecting/reconnecting-websocket.ts";
import { createCluster } from "../../../src/cluster/cluster.ts";
import { redisBroker } from "../../../src/cluster/redis/redis-broker.ts";
import { type Resumed, resumeTopics } from "../../../src/resume/resume-topics.ts";
import { eventually } from "../../support/eventually.ts";
import { describeWith } from "../../support/real-parts.ts";
import { RedisServer } from "../../support/redis-server.ts";
import { afterwards, type Child, startChild } from "../../support/serving.ts";

/** Comes back at once. */
const reconnect = { firstDelay: 20, maxDelay: 40 };
const topics = ["log/a", "log/b", "log/c"];

interface Node {
  readonly child: Child;
  readonly port: number;
}

/** What one client got and was told. */
class Watched {
  readonly got: string[] = [];
  readonly resumed: Resumed[] = [];
  readonly gaps: unknown[] = [];
  readonly resume = resumeTopics({
    resumed: (outcome) => void this.resumed.push(outcome),
    gap: (gap) => void this.gaps.push(gap),
  });

  readonly #numbers = new Map<string, number[]>(topics.map((topic) => [topic, []]));

  take(text: string): void {
    this.got.push(text);
    const [topic = "", number] = text.split(" ");
    this.#numbers.get(topic)?.push(Number(number));
  }

  /** The numbers that it got of one topic. */
  of(topic: string): readonly number[] {
    return this.#numbers.get(topic)!;
  }
}

describeWith("redis-server", "clients that resume over Redis", (executable) => {
  async function started(): Promise<RedisServer> {
    const server = await RedisServer.start(executable);
    afterwards(() => server.stop());
    return server;
  }

  async function nodeOf(redis: RedisServer): Promise<Node> {
    const child = startChild("resume-node.ts", [`${redis.port}`]);
    return { child, port: await child.told<number>() };
  }

  function publisherOf(redis: RedisServer) {
    const broker = redisBroker(new Redis({ port: redis.port, lazyConnect: true, retryStrategy: () => 20 }));
    const cluster = createCluster({ broker, topics: { "log/*": { history: { size: 5000 } } }, log: () => {} });
    afterwards(() => cluster.close());
    return cluster;
  }

  test("nodes killed five times under load: every client gets all, once and in order, and knows it", async () => {
    await killNodes(5);
  });

  test("nodes killed twenty times", { tags: "slow", timeout: 300_000 }, async () => {
    await killNodes(20);
  });

  async function killNodes(kills: number): Promise<void> {
    const redis = await started();
    const nodes = await Promise.all([nodeOf(redis), nodeOf(redis), nodeOf(redis)]);
    const cluster = publisherOf(redis);
    let dials = 0;
    const url = () => `ws://127.0.0.1:${nodes[dials++ % nodes.length]!.port}/${topics.join()}`;
    const end = new AbortController();
    setMaxListeners(0, end.signal);
    afterwards(() => end.abort());
    const sockets = Array.from({ length: 12 }, () => {
      const watched = new Watched();
      const socket = new ReconnectingWebSocket(url, [], { resume: watched.resume, reconnect, signal: end.signal });
      socket.onmessage = ({ data }) => watched.take(data);
      return watched;
    });
    const loops = Array.from({ length: 12 }, () => {
      const watched = new Watched();
      const read = async () => {
        for await (const connection of reconnecting(url, {
          resume: watched.resume,
          reconnect,
          signal: end.signal,
        })) {
          for await (const data of connection) watched.take(String(data));
        }
      };
      read().catch(() => {});
      return watched;
    });
    const clients = [...sockets, ...loops];
    // What is published before a client is subscribed is not for it: it is held to what comes behind its first message.
    let published = 0;
    let isOver = false;
    const publish = async () => {
      while (!isOver) {
        published++;
        await Promise.all(topics.map((topic) => cluster.publish(topic, `${topic} ${published}`)));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    const publishing = publish();
    publishing.catch(() => {});
    await eventually(() => clients.every((client) => topics.every((topic) => client.of(topic).length > 0)));
    for (let kill = 0; kill < kills; kill++) {
      const spare = nodeOf(redis);
      const killed = nodes[kill % nodes.length]!;
      killed.child.process.kill("SIGKILL");
      await killed.child.exited;
      nodes[kill % nodes.length] = await spare;
      const goal = published + 10;
      await eventually(() => clients.every((client) => topics.every((topic) => client.of(topic).at(-1)! >= goal)));
    }
    isOver = true;
    await publishing;
    await eventually(() => clients.every((client) => topics.every((topic) => client.of(topic).at(-1) === published)));
    for (const client of clients) {
      for (const topic of topics) {
        const numbers = client.of(topic);
        expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index));
      }
      expect(client.gaps).toEqual([]);
      expect(client.resumed.length).toBeGreaterThanOrEqual(topics.length);
      for (const outcome of client.resumed) expect(outcome).toMatchObject({ recovered: true, reason: undefined });
    }
    expect(
      clients.reduce((sum, { resumed }) => sum + resumed.reduce((all, { replayed }) => all + replayed, 0), 0),
    ).toBeGreaterThan(0);
  }

  test("a client does not get what it published itself, nor after its node was killed", async () => {
    const redis = await started();
    const [one, other] = await Promise.all([nodeOf(redis), nodeOf(redis)]);
    const cluster = publisherOf(redis);
    let { port } = one;
    const watched = new Watched();
    const socket = new ReconnectingWebSocket(() => `ws://127.0.0.1:${port}/log/said`, [], {
      resume: watched.resume,
      reconnect,
    });
    afterwards(() => socket.close());
    const heard: string[] = [];
    const subscription = cluster.subscribe("log/said", ({ data }) => void heard.push(String(data)));
    await subscription.ready;
    socket.onmessage = ({ data }) => watched.take(data);
    await eventually(async () => {
      await cluster.publish("log/said", "first");
      return watched.got.length > 0;
    });
    socket.send("mine");
    await eventually(() => heard.includes("mine"));
    // Nothing else comes: its place is behind its own message all the same.
    port = other.port;
    one.child.process.kill("SIGKILL");
    await cluster.publish("log/said", "second");
    await eventually(() => watched.got.includes("second"));
    socket.send("mine too");
    await eventually(() => heard.includes("mine too"));
    await cluster.publish("log/said", "third");
    await eventually(() => watched.got.includes("third"));
    expect(watched.got.filter((text) => text.startsWith("mine"))).toEqual([]);
    expect(watched.resumed).toMatchObject([{ recovered: true }]);
    expect(watched.gaps).toEqual([]);
  });

  test("data lost while a client is away is a gap, and it goes on from the new log", async () => {
    const redis = await started();
    const node = await nodeOf(redis);
    const cluster = publisherOf(redis);
    const watched = new Watched();
    let isAway = false;
    const url = () => (isAway ? "ws://127.0.0.1:1/" : `ws://127.0.0.1:${node.port}/log/a`);
    const socket = new ReconnectingWebSocket(url, [], { resume: watched.resume, reconnect });
    afterwards(() => socket.close());
    socket.onmessage = ({ data }) => watched.take(data);
    await eventually(async () => {
      await cluster.publish("log/a", "before");
      return watched.got.length > 0;
    });
    const stays = new Watched();
    const other = new ReconnectingWebSocket(`ws://127.0.0.1:${node.port}/log/a`, [], {
      resume: stays.resume,
      reconnect,
    });
    afterwards(() => other.close());
    other.onmessage = ({ data }) => stays.take(data);
    await eventually(async () => {
      await cluster.publish("log/a", "before");
      return stays.got.length > 0;
    });
    isAway = true;
    socket.reconnect();
    await redis.kill({ lose: true });
    await redis.restart();
    await cluster.publish("log/a", "after");
    // What its node has not seen is a gap for a client that is there, not for one that comes back before.
    await eventually(() => stays.gaps.length === 1);
    isAway = false;
    await eventually(() => watched.resumed.length === 1);
    await eventually(() => watched.got.includes("after"));
    expect(watched.gaps).toEqual([{ topic: "log/a", reason: "epoch" }]);
    expect(watched.resumed).toMatchObject([{ recovered: false, reason: "epoch" }]);
    expect(watched.got.filter((text) => text === "after")).toHaveLength(1);
  });
});
