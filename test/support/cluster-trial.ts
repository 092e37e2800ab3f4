/** Nodes that publish and read over a broker that is killed, stopped and cut off: what is lost is said, nothing else is. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Broker } from "../../src/cluster/broker/broker.ts";
import { type Cluster, createCluster } from "../../src/cluster/cluster.ts";
import { eventually } from "./eventually.ts";

type Happening = { readonly message: string } | { readonly gap: string };

const topic = "log/faults";

/** Two nodes that publish and read, over one broker. */
export class Trial {
  readonly nodes: readonly Cluster[];
  readonly heard: readonly Happening[][];
  readonly #ready: Promise<unknown>;
  readonly acknowledged: string[] = [];
  #published = 0;
  #isOver = false;
  readonly #publishers: Promise<void>[];

  constructor(brokers: readonly Broker[]) {
    this.nodes = brokers.map((broker) =>
      createCluster({
        broker,
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
  }

  /** Lets go of the broker. */
  async close(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.nodes.map((node) => node.close()));
    await Promise.allSettled(this.#publishers);
  }

  /** As many messages more as this, through whatever comes. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.length + count;
    await eventually(() => this.acknowledged.length >= goal);
  }

  /** Every node has heard what was acknowledged last: what nobody saw, nobody can miss. */
  async heardNewest(): Promise<void> {
    const newest = this.acknowledged.at(-1);
    await eventually(() =>
      this.heard.every((heard) => heard.some((one) => "message" in one && one.message === newest)),
    );
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
