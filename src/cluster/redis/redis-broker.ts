/**
 * Redis from 6.2 on, and Valkey, as a broker: lists for logs, Pub/Sub for messages, scripts for what has to be done at once.
 */

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { checkNumber } from "../../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../../protocol/check-options.ts";
import { realTime } from "../../transport/clock.ts";
import type { Broker, BrokerEvents, Outgoing, PublishOptions } from "../broker/broker.ts";
import { brokerInUse, ClusterError } from "../broker/cluster-error.ts";
import type { Entry, LogPage, LogPosition } from "../broker/entry.ts";
import { newEpoch } from "../broker/memory-broker.ts";
import { Probe } from "../broker/probe.ts";
import { type Address, type Argument, connectionsLike, type RedisClient } from "./clients.ts";
import { ClusterNodes, commonTag, FixedShards } from "./layouts.ts";
import { RedisLink } from "./redis-link.ts";
import { RedisPresence, type RedisPresenceBroker } from "./redis-presence.ts";
import { endEpochScript, historyScript, publishScript, type Script } from "./scripts.ts";
import { type Shard, ShardedBroker } from "./sharded-broker.ts";
import { escapeTopic } from "./slots.ts";

/** The options of `redisBroker`. */
export interface RedisBrokerOptions {
  /** What all keys and channels begin with; without braces and white space. Default `"openline"`. */
  readonly prefix?: string;
  /**
   * After how many milliseconds without a message one is sent to this node itself; when it does not come in half of that
   * time, both connections are made anew. Default 10 s.
   */
  readonly probeInterval?: number;
  /**
   * Whether the server is a node of a Redis Cluster, 7.0 or newer, the others of which it names; the client is one for this
   * node, not for the cluster. Default false.
   */
  readonly cluster?: boolean;
}

const table: OptionTable<RedisBrokerOptions> = { prefix: "string", probeInterval: "number", cluster: "boolean" };
/** How long the end of a log is remembered that nobody uses, in milliseconds: 24 hours. */
const metaTtl = "86400000";
/** The oldest Redis, and the oldest one as a cluster. */
const oldest = [6, 2] as const;
const oldestCluster = [7, 0] as const;
/** What refuses for good. */
const hopeless = /^(?:NOAUTH|WRONGPASS|NOPERM)\b|invalid password|no password is set/i;

/**
 * Makes a broker of a client of `redis`, `ioredis` or `iovalkey`, which is only a template: two connections like it are made,
 * and it stays the application's own. Of several clients, for a server each, each topic has one, by its name and their order,
 * which must be the same on all nodes; with `cluster` they are for nodes of one Redis Cluster.
 *
 * Throws a TypeError or a RangeError for another client and for options that cannot be.
 */
export function redisBroker(client: RedisClient | readonly RedisClient[], options: RedisBrokerOptions = {}): Broker {
  checkOptions("use Redis", options, table);
  const { prefix = "openline", cluster = false } = options;
  if (!/^[^\s{}]+$/.test(prefix))
    throw new RangeError("Cannot use Redis: prefix has braces or white space, or is empty");
  const probeInterval = checkNumber("use Redis", "probeInterval", options.probeInterval ?? 10_000, "finiteTime");
  const clients = Array.isArray(client) ? (client as readonly RedisClient[]) : [client as RedisClient];
  if (clients.length === 0) throw new TypeError("Cannot use Redis: there is no client");
  const settings = { prefix, probeInterval, isSharded: cluster };
  for (const one of clients) connectionsLike(one);
  if (cluster) {
    const [first] = clients;
    const make = (address: Address) => new RedisBroker(connectionsLike(first!, address), settings);
    return new ShardedBroker(new ClusterNodes(clients, make));
  }
  const shards = clients.map((one) => new RedisBroker(connectionsLike(one), settings));
  return shards.length === 1 ? shards[0]! : new ShardedBroker(new FixedShards(shards));
}

/** How one server is used. */
interface RedisBrokerSettings {
  readonly prefix: string;
  readonly probeInterval: number;
  /** Whether the server is a node of a Redis Cluster, and channels are at the node that has their slot. */
  readonly isSharded: boolean;
}

class RedisBroker implements Shard {
  readonly presence: RedisPresence = new RedisPresence(this.#presenceBroker());
  readonly #connect: ReturnType<typeof connectionsLike>;
  readonly #prefix: string;
  readonly #isSharded: boolean;
  readonly #publishCommand: "PUBLISH" | "SPUBLISH";
  readonly #probe: Probe;
  readonly #probeChannel: string;
  readonly #topics = new Map<string, string>();
  readonly #presenceChannels = new Map<string, (data: Buffer) => void>();
  #events: BrokerEvents | undefined;
  #link: RedisLink | undefined;
  /** The connection for commands, as the server calls it; undefined before the first. */
  #known: string[] | undefined;
  /** Settles `connect`; undefined once it is. */
  #connecting: { resolve(): void; reject(error: Error): void } | undefined;

  constructor(connect: ReturnType<typeof connectionsLike>, { prefix, probeInterval, isSharded }: RedisBrokerSettings) {
    this.#connect = connect;
    this.#prefix = prefix;
    this.#isSharded = isSharded;
    this.#publishCommand = isSharded ? "SPUBLISH" : "PUBLISH";
    const channel = `${prefix}:probe:${randomBytes(9).toString("base64url")}`;
    this.#probeChannel = channel;
    // It also finds out a server to which nobody publishes any more.
    this.#probe = new Probe({
      interval: probeInterval,
      ask: async () => this.#up().send(["PUBLISH", channel, "probe"]),
      silent: () => {
        this.#events?.error(new ClusterError("unavailable", "Redis is silent: it is connected to anew"));
        this.#link?.destroy();
        this.#events?.state(false);
        this.#open();
      },
    });
  }

  connect(events: BrokerEvents): Promise<void> {
    if (this.#events) return Promise.reject(brokerInUse());
    this.#events = events;
    return new Promise((resolve, reject) => {
      this.#connecting = { resolve, reject };
      this.#open();
    });
  }

  async publish(
    topic: string,
    batch: readonly Outgoing[],
    { history, retryAfter }: PublishOptions,
  ): Promise<readonly LogPosition[]> {
    const link = this.#up();
    const channel = this.#channelOf(topic);
    if (history === undefined) {
      await Promise.all(
        batch.map(({ id, payload }) => link.send([this.#publishCommand, channel, join(`- 0 0 ${id} `, payload)])),
      );
      return [];
    }
    const keys = this.#keysOf(channel);
    const messages = batch.flatMap(({ id, key, payload }): Argument[] => {
      const named = key === undefined ? 0 : keys.push(`${channel}:k:${key}`);
      return [id, bytesOf(payload), `${named}`];
    });
    const first = retryAfter === undefined ? "" : `${Math.ceil(retryAfter)}`;
    const limits = [`${history.size}`, `${history.maxAge}`, metaTtl, newEpoch(), first, this.#publishCommand];
    const [known, ...positions] = (await this.#run(publishScript, keys, [channel, ...limits, ...messages])) as [
      number,
      ...Buffer[],
    ];
    if (known === 0) {
      throw new ClusterError("unknown", "Cannot publish again: what the first attempt stored is gone from the log");
    }
    return positions.map((text) => {
      const [epoch = "", offset] = text.toString().split(" ");
      return { epoch, offset: Number(offset) };
    });
  }

  async subscribe(topics: readonly string[]): Promise<void> {
    const channels = topics.map((topic) => {
      const channel = this.#channelOf(topic);
      this.#topics.set(channel, topic);
      return channel;
    });
    await this.#up().subscribe(channels, this.#isSharded);
  }

  async unsubscribe(topics: readonly string[]): Promise<void> {
    const channels = topics.map((topic) => this.#channelOf(topic));
    await this.#up().unsubscribe(channels, this.#isSharded);
    for (const channel of channels) this.#topics.delete(channel);
  }

  async history(topic: string, since: LogPosition | undefined, limit: number): Promise<LogPage> {
    const { epoch = "", offset = 0 } = since ?? {};
    const keys = this.#keysOf(this.#channelOf(topic));
    const given = [newEpoch(), metaTtl, epoch, `${offset}`, `${limit}`];
    const answer = (await this.#run(historyScript, keys, given)) as [Buffer, Buffer, Buffer[]];
    const entries = answer[2].flatMap((text) => parseEntry(text) ?? []);
    return { epoch: answer[0].toString(), last: Number(answer[1].toString()), entries };
  }

  async positions(topics: readonly string[]): Promise<readonly LogPosition[]> {
    const pages = await Promise.all(topics.map((topic) => this.history(topic, undefined, 0)));
    return pages.map(({ epoch, last }) => ({ epoch, offset: last }));
  }

  async endEpoch(topic: string, seen: string): Promise<void> {
    const channel = this.#channelOf(topic);
    await this.#run(endEpochScript, this.#keysOf(channel), [channel, seen, newEpoch(), metaTtl, this.#publishCommand]);
  }

  async secret(otherwise: string): Promise<string> {
    const link = this.#up();
    const key = `${this.#prefix}:{${commonTag}}:secret`;
    await link.send(["SET", key, otherwise, "NX"]);
    return String(await link.send(["GET", key]));
  }

  async close(): Promise<void> {
    this.#probe.stop();
    this.#link?.destroy();
    this.#link = undefined;
    this.#connecting?.reject(new ClusterError("closed", "The broker was closed before it was connected"));
    this.#connecting = undefined;
  }

  // The link

  #open(): void {
    const link: RedisLink = new RedisLink(this.#connect, {
      up: () => void this.#cameUp(link),
      down: () => this.#events?.state(false),
      message: (channel, data) => this.#take(channel, data),
      error: (error) => this.#complain(error),
    });
    this.#link = link;
  }

  async #cameUp(link: RedisLink): Promise<void> {
    try {
      // The server may want a password, or be loading its data.
      await link.send(["PING"]);
      await this.#judge(link);
      await this.#takeOver(link);
      await link.subscribe([this.#probeChannel]);
    } catch (error) {
      this.#complain(
        (error as ClusterError).cause instanceof Error ? ((error as ClusterError).cause as Error) : (error as Error),
      );
      if (this.#link === link && (error as ClusterError).message.includes("LOADING")) {
        realTime.after(200, () => this.#link === link && void this.#cameUp(link), true);
      }
      return;
    }
    if (this.#link !== link) return;
    this.#connecting?.resolve();
    this.#connecting = undefined;
    this.#events?.state(true);
    this.#probe.start();
  }

  /** Refuses a server that is too old, or a cluster where none is meant. */
  async #judge(link: RedisLink): Promise<void> {
    let answer: unknown;
    try {
      answer = await link.send(["HELLO"]);
    } catch (error) {
      // Without the right to ask, nothing is known.
      if ((error as Error).message.includes("NOPERM")) return;
      throw error;
    }
    const { version = "", mode } = serverOf(answer);
    const [major = 0, minor = 0] = version.split(".").map(Number);
    const [leastMajor, leastMinor] = this.#isSharded ? oldestCluster : oldest;
    if (major < leastMajor || (major === leastMajor && minor < leastMinor)) {
      const needed = `${leastMajor}.${leastMinor} is the oldest that will do`;
      throw new ClusterError("refused", `its version is ${version}, and ${needed}`);
    }
    if ((mode === "cluster") === this.#isSharded) return;
    throw new ClusterError(
      "refused",
      this.#isSharded ? "it is no node of a Redis Cluster" : "it is a node of a Redis Cluster: say cluster: true",
    );
  }

  /**
   * Ends the connection for commands that was there before this one, at the server: what was sent over it and is still on its
   * way, in the network or in a server that was stopped, would be done behind what is sent again now, and so a second time.
   */
  async #takeOver(link: RedisLink): Promise<void> {
    // Numbers of connections begin anew with each server; with their addresses they mean no other one.
    if (this.#known) await link.send(["CLIENT", "KILL", ...this.#known, "SKIPME", "yes"]);
    const info = String(await link.send(["CLIENT", "INFO"]));
    const [, id = "", address = ""] = /^id=(\d+) addr=(\S+)/.exec(info) ?? [];
    this.#known = ["ID", id, "ADDR", address];
  }

  #complain(error: Error): void {
    const isRefusal =
      hopeless.test(error.message) ||
      (error instanceof ClusterError && error.cause === undefined && error.code === "refused");
    if (this.#connecting && isRefusal) {
      this.#connecting.reject(new ClusterError("refused", `Redis: ${error.message}`, { cause: error }));
      this.#connecting = undefined;
      this.#link?.destroy();
      this.#link = undefined;
      return;
    }
    this.#events?.error(new ClusterError("unavailable", `Redis: ${error.message}`, { cause: error }));
  }

  #take(channel: string, data: Buffer): void {
    this.#probe.heard();
    this.#presenceChannels.get(channel)?.(data);
    const topic = this.#topics.get(channel);
    if (topic === undefined) return;
    const entry = parseEntry(data);
    if (entry) this.#events?.message(topic, entry);
    else this.#events?.error(new ClusterError("refused", `Redis: a message of ${channel} that is none of ours`));
  }

  #up(): RedisLink {
    if (this.#link) return this.#link;
    throw new ClusterError("unavailable", "Redis is not connected");
  }

  async #run(script: Script, keys: readonly string[], given: readonly Argument[]): Promise<unknown> {
    const link = this.#up();
    const rest = [`${keys.length}`, ...keys, ...given];
    try {
      return await link.send(["EVALSHA", script.sha, ...rest]);
    } catch (error) {
      if (!(error as Error).message.includes("NOSCRIPT")) throw error;
      return link.send(["EVAL", script.text, ...rest]);
    }
  }

  #presenceBroker(): RedisPresenceBroker {
    const broker = this;
    return {
      get leasesKey() {
        return `${broker.#prefix}:{${commonTag}}`;
      },
      get publishCommand() {
        return broker.#publishCommand;
      },
      get events() {
        return broker.#events;
      },
      channelOf: (topic) => broker.#channelOf(topic),
      run: (script, keys, given) => broker.#run(script, keys, given),
      subscribe: async (channels) => {
        for (const [channel, take] of channels) broker.#presenceChannels.set(channel, take);
        await broker.#up().subscribe([...channels.keys()], broker.#isSharded);
      },
      unsubscribe: async (channels) => {
        await broker.#up().unsubscribe(channels, broker.#isSharded);
        for (const channel of channels) broker.#presenceChannels.delete(channel);
      },
    };
  }

  // Names

  #channelOf(topic: string): string {
    return `${this.#prefix}:{${escapeTopic(topic)}}`;
  }

  #keysOf(channel: string): string[] {
    return [`${channel}:l`, `${channel}:m`];
  }
}

/** What an answer to HELLO says: pairs in a list, a map or an object, by the protocol's version and the client. */
function serverOf(answer: unknown): { version?: string; mode?: string } {
  const pairs =
    answer instanceof Map ? [...answer].flat() : Array.isArray(answer) ? answer : Object.entries(answer ?? {}).flat();
  const texts = pairs.map(String);
  const after = (name: string) => texts[texts.indexOf(name) + 1];
  return { version: after("version") ?? "", mode: after("mode") ?? "" };
}

/** Reads an entry; undefined for what is none. The payload is part of the same memory. */
export function parseEntry(text: Buffer): Entry | undefined {
  const spaces: number[] = [];
  for (let at = text.indexOf(32); at >= 0 && spaces.length < 4; at = text.indexOf(32, at + 1)) spaces.push(at);
  if (spaces.length < 4) return undefined;
  const [epoch = "", prev, offset, id = ""] = text.toString("latin1", 0, spaces[3]).split(" ");
  const payload = text.subarray(spaces[3]! + 1);
  const entry = { epoch: epoch === "-" ? "" : epoch, prev: Number(prev), offset: Number(offset), id, payload };
  return Number.isSafeInteger(entry.prev) && Number.isSafeInteger(entry.offset) && id !== "" ? entry : undefined;
}

function join(head: string, payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(head, "latin1"), payload]);
}

function bytesOf(payload: Uint8Array): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length);
}
