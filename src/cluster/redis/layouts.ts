/**
 * Which server has which topic: of several servers, by the topic's name; of a Redis Cluster, by its table of slots.
 */

import { createHash } from "node:crypto";
import { realTime } from "../../transport/clock.ts";
import { ClusterError } from "../broker/cluster-error.ts";
import {
  type Address,
  type ConnectionEvents,
  connectionsLike,
  type RedisClient,
  type RedisConnection,
} from "./clients.ts";
import { clusterErrorOf } from "./redis-link.ts";
import type { Layout, Shard, ShardSource } from "./sharded-broker.ts";
import { escapeTopic, isWhole, type SlotRange, slotCount, slotOf, slotRanges } from "./slots.ts";

/** What is no topic's is where a topic of this name would be. */
export const commonTag = "nodes";
/** How long a node is waited for that is asked for its table, in milliseconds. */
const askTimeout = 3000;

/** Servers that do not change: a topic is at the one whose number gives the largest hash with it. */
export class FixedShards implements ShardSource {
  readonly #shards: readonly Shard[];
  readonly #layout: Layout;

  constructor(shards: readonly Shard[]) {
    this.#shards = shards;
    const names = shards.map((_, index) => `${index}`);
    this.#layout = { names, nameOf: (topic = commonTag) => highest(names, topic) };
  }

  async layout(): Promise<Layout> {
    return this.#layout;
  }

  make(name: string): Shard {
    return this.#shards[Number(name)]!;
  }

  hasMoved(): boolean {
    return false;
  }
}

/** The name that wins a topic: one more name takes only what it wins itself. */
export function highest(names: readonly string[], topic: string): string {
  const weights = names.map((name) => createHash("sha1").update(`${name} ${topic}`).digest("hex"));
  return names[weights.reduce((best, weight, index) => (weight > weights[best]! ? index : best), 0)]!;
}

/** The nodes of a Redis Cluster that have slots, as any of them says. */
export class ClusterNodes implements ShardSource {
  readonly #seeds: readonly RedisClient[];
  readonly #make: (address: Address) => Shard;
  #known: readonly string[] = [];
  #text = "";
  #layout: Layout | undefined;

  constructor(seeds: readonly RedisClient[], make: (address: Address) => Shard) {
    this.#seeds = seeds;
    this.#make = make;
  }

  async layout(): Promise<Layout> {
    const [first] = this.#seeds;
    const known = this.#known.map((name) => [first!, addressOf(name)] as const);
    const seeds = this.#seeds.map((seed) => [seed, undefined] as const);
    let failure: Error | undefined;
    for (const [client, address] of [...known, ...seeds]) {
      try {
        return this.#read(slotRanges(await ask(connectionsLike(client, address))), address);
      } catch (error) {
        failure = error as Error;
      }
    }
    if (failure instanceof ClusterError) throw failure;
    throw new ClusterError("unavailable", `Redis: ${failure?.message}`, { cause: failure });
  }

  make(name: string): Shard {
    return this.#make(addressOf(name));
  }

  hasMoved(error: Error): boolean {
    return /\b(?:MOVED|CLUSTERDOWN)\b/.test(error.message);
  }

  /** The same object as long as nothing has changed. */
  #read(ranges: readonly SlotRange[], asked: Address | undefined): Layout {
    if (!isWhole(ranges)) throw new ClusterError("unavailable", "Redis: not every slot of the cluster has a node");
    const nameAt = Array<string>(slotCount);
    for (const { first, last, host, port } of ranges) {
      nameAt.fill(`${host || (asked?.host ?? "127.0.0.1")}:${port}`, first, last + 1);
    }
    const names = [...new Set(nameAt)].sort();
    const text = nameAt.join();
    if (this.#layout && text === this.#text) return this.#layout;
    this.#text = text;
    this.#known = names;
    this.#layout = { names, nameOf: (topic = commonTag) => nameAt[slotOf(escapeTopic(topic))]! };
    return this.#layout;
  }
}

/** The table of slots, by a connection of its own. */
async function ask(connect: (events: ConnectionEvents) => RedisConnection): Promise<unknown> {
  let connection: RedisConnection | undefined;
  let cancel: (() => void) | undefined;
  try {
    return await new Promise((resolve, reject) => {
      const late = () => reject(new Error("a node of the cluster does not answer"));
      cancel = realTime.after(askTimeout, late, true);
      connection = connect({
        ready: () =>
          void connection!.send(["CLUSTER", "SLOTS"]).then(resolve, (error) => reject(clusterErrorOf(error))),
        lost: () => {},
        message: () => {},
        error: reject,
      });
      connection.open();
    });
  } finally {
    cancel?.();
    connection?.destroy();
  }
}

function addressOf(name: string): Address {
  const colon = name.lastIndexOf(":");
  return { host: name.slice(0, colon), port: Number(name.slice(colon + 1)) };
}
