/** Nodes over a real Redis that is killed, stopped and cut off while they publish: what is lost is said, nothing else is. */
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import { type Cluster, createCluster } from "../../../src/cluster/cluster.ts";
import { redisBroker } from "../../../src/cluster/redis/redis-broker.ts";
import { eventually } from "../../support/eventually.ts";
import { describeWith } from "../../support/real-parts.ts";
import { redisClients } from "../../support/redis-clients.ts";
import { RedisServer } from "../../support/redis-server.ts";

type Client = keyof typeof redisClients;
type Happening = { readonly message: string } | { readonly gap: string };

const topic = "log/faults";
const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Two nodes that publish and read, over one server. */
class Trial {
  readonly server: RedisServer;
  readonly nodes: readonly Cluster[];
  readonly heard: readonly Happening[][];
  readonly #ready: Promise<unknown>;
  readonly acknowledged: string[] = [];
  #published = 0;
  #isOver = false;
  readonly #publishers: Promise<void>[];

  constructor(server: RedisServer, client: Client) {
    this.server = server;
    this.nodes = [0, 1].map(() =>
      createCluster({
        broker: redisBroker(redisClients[client](server.port), { probeInterval: 400 }),
        topics: { "log/*": { history: { size: 5000 } } },
        checkInterval: 200,
        publishTimeout: 30_000,
        log: () => {},
      }),
    );
    const ready: Promise<unknown>[] = [];
    this.heard = this.nodes.map((node) => {
      const heard: Happening[] = [];
      const subscription = node.subscribe(topic, ({ data }) => void heard.push({ message: String(data) }), {
        gap: ({ reason }) => void heard.push({ gap: reason }),
      });
      ready.push(subscription.ready);
      return heard;
    });
    this.#ready = Promise.all(ready);
    this.#publishers = this.nodes.map((node, index) => this.#publish(node, `n${index}`));
    ends.push(() => Promise.all(this.nodes.map((node) => node.close())));
  }

  /** As many messages more as this, through whatever comes. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.length + count;
    await eventually(() => this.acknowledged.length >= goal);
  }

  /** Every node has all, or was told; in order, and once. */
  async finish(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#publishers);
    await this.nodes[0]!.publish(topic, "end");
    for (const heard of this.heard) {
      await eventually(() => heard.some((one) => "message" in one && one.message === "end"));
      this.#check(heard);
    }
  }

  get gaps(): readonly string[] {
    return this.heard.flat().flatMap((one) => ("gap" in one ? [one.gap] : []));
  }

  #check(heard: readonly Happening[]): void {
    const messages = heard.flatMap((one) => ("message" in one ? [one.message] : []));
    expect(new Set(messages).size).toBe(messages.length);
    const newest = new Map<string, number>();
    for (const one of heard) {
      if ("gap" in one) newest.clear();
      const [publisher = "", number] = "message" in one ? one.message.split(" ") : [];
      if (number === undefined) continue;
      expect(Number(number)).toBeGreaterThan(newest.get(publisher) ?? -1);
      newest.set(publisher, Number(number));
    }
    const got = new Set(messages);
    const missing = this.acknowledged.filter((message) => !got.has(message));
    if (!heard.some((one) => "gap" in one)) expect(missing).toEqual([]);
  }

  async #publish(node: Cluster, name: string): Promise<void> {
    await this.#ready;
    const waiting: Promise<unknown>[] = [];
    for (let number = 0; !this.#isOver; number++) {
      this.#published++;
      const message = `${name} ${number}`;
      waiting.push(node.publish(topic, message).then(() => void this.acknowledged.push(message)));
      if (number % 5 === 0) await sleep(1);
      if (this.#published - this.acknowledged.length > 500) await Promise.all(waiting.splice(0));
    }
    await Promise.all(waiting);
  }
}

describeWith("redis-server", "a Redis under load", (executable) => {
  async function trial(client: Client): Promise<Trial> {
    const server = await RedisServer.start(executable);
    ends.push(() => server.stop());
    const made = new Trial(server, client);
    await made.more(50);
    return made;
  }

  for (const client of Object.keys(redisClients) as Client[]) {
    test(`killed three times with its data kept: nothing is lost, doubled or out of order, by ${client}`, async () => {
      const made = await trial(client);
      for (let round = 0; round < 3; round++) {
        await made.server.kill();
        await made.server.restart();
        await made.more(100);
      }
      await made.finish();
      expect(made.gaps).toEqual([]);
    });

    test(`killed three times with its data lost: nothing is missing but at a gap, by ${client}`, async () => {
      const made = await trial(client);
      for (let round = 0; round < 3; round++) {
        await made.server.kill({ lose: true });
        await made.server.restart();
        await made.more(100);
      }
      await made.finish();
      expect(made.gaps.length).toBeGreaterThanOrEqual(2);
      expect(new Set(made.gaps)).toEqual(new Set(["epoch"]));
    });

    test(`all connections killed again and again: nothing is missed, by ${client}`, async () => {
      const made = await trial(client);
      const killer = new Redis({ port: made.server.port });
      ends.push(() => killer.disconnect());
      for (let round = 0; round < 5; round++) {
        for (const type of ["normal", "pubsub"]) await killer.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
        await made.more(50);
      }
      await made.finish();
      expect(made.gaps).toEqual([]);
    });

    test(`stopped for longer than it is waited for: connected to anew, and nothing is missed, by ${client}`, async () => {
      const made = await trial(client);
      made.server.signal("SIGSTOP");
      const lost = made.nodes.map((node) => node.metrics().disconnects);
      await eventually(() => made.nodes.every((node, index) => node.metrics().disconnects > lost[index]!));
      made.server.signal("SIGCONT");
      await made.more(100);
      await made.finish();
      expect(made.gaps).toEqual([]);
    });

    test(`back with an old state: every node tells of it, and nothing comes twice, by ${client}`, async () => {
      const made = await trial(client);
      made.server.remember();
      await made.more(100);
      await made.server.killAndRestore();
      await made.server.restart();
      await made.more(100);
      await made.finish();
      for (const heard of made.heard) expect(heard.some((one) => "gap" in one)).toBe(true);
      expect(made.gaps).toContain("fork");
    });
  }
});
