/**
 * Who is there, as one node says and knows it: it holds a lease for all of its members, reads those of other nodes, and tells
 * who watches.
 */

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { realTime } from "../../transport/clock.ts";
import { ClusterError } from "../broker/cluster-error.ts";
import type { PresencePage, PresenceStep, PresenceStore, StoredMember } from "../broker/presence-store.ts";
import { inTime } from "../node/in-time.ts";
import { Subscriptions } from "../node/subscriptions.ts";
import { OwnMembers, type OwnNode } from "./own-members.ts";
import { dataOf, PresenceChanges } from "./presence-changes.ts";
import { WatchedTopic } from "./watched-topic.ts";

/** A member of a topic. */
export interface Member {
  /** The member's own, while it is there: no other of any topic has it but the same connection. */
  readonly id: string;
  /** What `subscribe` was given. */
  readonly data: unknown;
}

/** Who is there. */
export interface Presence {
  readonly members: readonly Member[];
  /**
   * Whether these are all. False while the broker is away, when only those of this node are known; for `nodeLease` after
   * it began, lost its data or was back after half of `nodeLease`, when nodes may still have to write theirs; and where nodes
   * are silent.
   */
  readonly complete: boolean;
  /** Nodes that have not renewed their lease in time, whose members are left out. */
  readonly silent: readonly string[];
}

/** How a topic's members were read. */
interface Reading extends PresencePage {
  /** Members whose lease is gone. */
  readonly dead: readonly StoredMember[];
  /** Whether nodes may still have to write their members. */
  readonly isYoung: boolean;
}

interface Watched {
  readonly topic: WatchedTopic;
  readonly watchers: Set<PresenceChanges>;
  isReading: boolean;
}

/** How long `close` waits for the store, in milliseconds. */
const farewell = 1000;

/** See the head of this file. */
export class PresenceNode implements OwnNode {
  readonly name: string;
  readonly #store: PresenceStore;
  readonly #nodeLease: number;
  readonly #maxData: number;
  readonly #failed: (error: Error) => void;
  readonly #own: OwnMembers;
  readonly #subscriptions: Subscriptions;
  readonly #watched = new Map<string, Watched>();
  /** What is a member here, by its number. */
  readonly #numbers = new WeakMap<object, string>();
  #numbersMade = 0;
  #lease: string | undefined;
  #isHeld = false;
  #isConnected = false;
  #isClosed = false;
  /** Counts the connections: what was asked over one that is lost says nothing any more. */
  #connections = 0;
  #cancelTick: (() => void) | undefined;

  constructor(
    name: string,
    store: PresenceStore,
    { nodeLease, maxPresenceData }: { readonly nodeLease: number; readonly maxPresenceData: number },
    failed: (error: Error) => void,
  ) {
    this.name = name;
    this.#store = store;
    this.#nodeLease = nodeLease;
    this.#maxData = maxPresenceData;
    this.#failed = failed;
    this.#own = new OwnMembers(store, this, nodeLease);
    this.#subscriptions = new Subscriptions(store, {
      acknowledged: (topic) => this.#missed(topic),
      failed,
    });
  }

  /** How many members this node has. */
  get count(): number {
    return this.#own.count;
  }

  /** See `OwnNode`. */
  get lease(): string | undefined {
    return this.#isHeld ? this.#lease : undefined;
  }

  /** See `OwnNode`. */
  failed(error: Error): void {
    this.#failed(error);
  }

  /** The broker can be reached, or not. */
  connected(isConnected: boolean): void {
    this.#isConnected = isConnected;
    this.#isHeld = false;
    this.#connections++;
    this.#cancelTick?.();
    for (const { topic } of this.#watched.values()) topic.missed();
    this.#subscriptions.connected(isConnected);
    if (isConnected) void this.#hold(true);
  }

  /** The data of a member as JSON. Throws a TypeError for what JSON cannot hold, and a RangeError for too much. */
  encode(data: unknown): string {
    const text = jsonOf(data);
    if (text === undefined) throw new TypeError(`Cannot subscribe: JSON cannot hold presence of type ${typeof data}`);
    if (Buffer.byteLength(text) <= this.#maxData) return text;
    throw new RangeError(`Cannot subscribe: presence is longer than maxPresenceData, ${this.#maxData} bytes of JSON`);
  }

  /** The connection is in the topic with this JSON; without it, not any more. */
  set(topic: string, connection: object, data: string | undefined): void {
    let number = this.#numbers.get(connection);
    if (number === undefined) {
      if (data === undefined) return;
      number = (++this.#numbersMade).toString(36);
      this.#numbers.set(connection, number);
    }
    this.#own.set(topic, number, data);
  }

  /** Who is there. Rejects with a `ClusterError` where the broker refuses. */
  async read(topic: string): Promise<Presence> {
    let reading: Reading | undefined;
    try {
      if (this.#isConnected) reading = await inTime(this.#read(topic, undefined));
    } catch (error) {
      if (!(error instanceof ClusterError) || error.code !== "unavailable") throw error;
    }
    const own = this.#own.of(topic);
    const { members = [], dead = [], isYoung = true } = reading ?? {};
    const silent = [...new Set(dead.map(nodeOf))];
    const others = members.filter((member) => nodeOf(member) !== this.name);
    return {
      members: [...own, ...others].map(({ id, data }) => ({ id, data: dataOf(data) })),
      complete: reading !== undefined && !isYoung && silent.length === 0,
      silent,
    };
  }

  /** Watches until it is ended, or the signal aborts. */
  watch(name: string, signal?: AbortSignal): PresenceChanges {
    const watched = this.#watched.get(name) ?? this.#begin(name);
    const end = () => changes.end();
    const changes: PresenceChanges = new PresenceChanges(watched.topic.members, () => {
      signal?.removeEventListener("abort", end);
      watched.watchers.delete(changes);
      if (watched.watchers.size > 0) return;
      this.#watched.delete(name);
      this.#subscriptions.remove(name);
    });
    watched.watchers.add(changes);
    signal?.addEventListener("abort", end);
    if (signal?.aborted || this.#isClosed) end();
    return changes;
  }

  /** A step of the store. */
  take(topic: string, step: PresenceStep): void {
    const watched = this.#watched.get(topic);
    watched?.topic.take(step);
    if (watched?.topic.wants) void this.#readWatched(topic, watched);
  }

  /** Reads again what is watched, as far as it is another than is known: a step may have been lost on the way. */
  check(): void {
    for (const topic of this.#watched.keys()) this.#missed(topic);
  }

  /** Ends all who watch, and lets go of the lease. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTick?.();
    for (const { watchers } of [...this.#watched.values()]) for (const changes of [...watchers]) changes.end();
    this.#subscriptions.close();
    const { lease } = this;
    if (lease !== undefined) {
      const told = this.#own.settled().then(() => this.#store.lease(lease, 0, false));
      const late = new Promise<void>((resolve) => void realTime.after(farewell, resolve, true));
      await Promise.race([told.catch(() => {}), late]);
    }
    this.connected(false);
  }

  /** Holds the lease from now on, or another one where that is gone; `isNew` after a loss of the connection. */
  async #hold(isNew: boolean): Promise<void> {
    const connection = this.#connections;
    // A lease counts from when it was asked for, however long the answers take.
    const renewAt = realTime.now() + this.#nodeLease / 3;
    try {
      const before = this.#lease;
      const isHeld = before !== undefined && (await this.#store.lease(before, this.#nodeLease, false));
      if (connection !== this.#connections) return;
      if (!isHeld) {
        this.#isHeld = false;
        const name = randomBytes(9).toString("base64url");
        await this.#store.lease(name, this.#nodeLease, true);
        if (connection !== this.#connections) return;
        this.#lease = name;
      }
      this.#isHeld = true;
      if (isNew || !isHeld) this.#own.compareAll();
      else this.#own.look();
      await this.#lookForDead();
    } catch (error) {
      this.#failed(error as Error);
    }
    if (connection !== this.#connections) return;
    this.#cancelTick = realTime.after(Math.max(0, renewAt - realTime.now()), () => void this.#hold(false), true);
  }

  /** Whose lease is gone has left the topics that are watched here. */
  async #lookForDead(): Promise<void> {
    if (this.#watched.size === 0) return;
    for (const [name, { topic }] of this.#watched) if (topic.known === undefined) this.#missed(name);
    const seen = new Set([...this.#watched.values()].flatMap(({ topic }) => [...topic.members.values()].map(leaseOf)));
    const { held, age } = await this.#store.leases();
    if (age < this.#nodeLease) return;
    for (const lease of held) seen.delete(lease);
    seen.delete(this.#lease!);
    for (const [name, { topic }] of this.#watched) this.#bury(name, topic.gone(seen));
  }

  async #read(name: string, known: number | undefined): Promise<Reading> {
    const { version, members } = await this.#store.read(name, known);
    // Asked behind the members: each of them had a lease before it was there.
    const { held, age } = await this.#store.leases();
    const isYoung = age < this.#nodeLease;
    // This node's own are put right by itself.
    const dead = members?.filter((member) => !held.includes(member.lease) && nodeOf(member) !== this.name) ?? [];
    if (!isYoung) this.#bury(name, dead);
    return { version, members: members?.filter((member) => !dead.includes(member)), dead, isYoung };
  }

  /** Takes those whose lease is gone out of the store, which tells all who watch. */
  #bury(topic: string, dead: readonly StoredMember[]): void {
    if (dead.length === 0) return;
    const changes = dead.map(({ id, lease }) => ({ id, lease, data: undefined }));
    this.#store.update(topic, changes).catch((error: Error) => this.#failed(error));
  }

  #begin(name: string): Watched {
    const watchers = new Set<PresenceChanges>();
    const topic = new WatchedTopic({
      touched: (id) => {
        for (const changes of [...watchers]) changes.touched(id);
      },
      isHere: (id) => this.#own.has(name, id),
    });
    const watched: Watched = { topic, watchers, isReading: false };
    this.#watched.set(name, watched);
    this.#subscriptions.add(name);
    return watched;
  }

  #missed(name: string): void {
    const watched = this.#watched.get(name);
    if (watched === undefined || !this.#subscriptions.has(name)) return;
    watched.topic.missed();
    void this.#readWatched(name, watched);
  }

  async #readWatched(name: string, watched: Watched): Promise<void> {
    if (watched.isReading) return;
    watched.isReading = true;
    const { topic } = watched;
    try {
      while (topic.wants && this.#subscriptions.has(name) && this.#watched.get(name) === watched) {
        const connection = this.#connections;
        topic.asks();
        const reading = await this.#read(name, topic.known);
        if (connection === this.#connections) topic.page(reading, reading.isYoung);
      }
    } catch (error) {
      // It is read again when the connection is back, and at the next check.
      this.#failed(error as Error);
    }
    watched.isReading = false;
  }
}

function jsonOf(data: unknown): string | undefined {
  try {
    return JSON.stringify(data);
  } catch (cause) {
    const [why] = String((cause as Error | undefined)?.message).split("\n");
    throw new TypeError(`Cannot subscribe: JSON cannot hold this presence: ${why}`, { cause });
  }
}

function nodeOf({ id }: { readonly id: string }): string {
  return id.slice(0, id.lastIndexOf("/"));
}

function leaseOf({ lease }: StoredMember): string {
  return lease;
}
