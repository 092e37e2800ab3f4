/**
 * The members that are connected to this node, and the store brought to them: one call a topic is under way, and what
 * changes meanwhile goes in the next.
 *
 * After a loss of the connection, under another lease and now and then without a cause a topic is read and compared, so
 * that what the store lost or kept against this node's will is put right.
 */

import { realTime } from "../../transport/clock.ts";
import type { MemberChange, PresenceStore, StoredMember } from "../broker/presence-store.ts";
import { Turns } from "../node/turns.ts";

/** The most changes in one call. */
const mostInCall = 200;
/** The most calls at once. */
const mostCalls = 50;
/** After how long, at most, a topic is compared, in milliseconds: stores forget what is not touched for an hour. */
const longestUncompared = 20 * 60 * 1000;

/** What this node says of itself. */
export interface OwnNode {
  /** Begins the ids of all members of this node. */
  readonly name: string;
  /** Undefined while none is held: then nothing is written. */
  readonly lease: string | undefined;
  failed(error: Error): void;
}

interface OwnTopic {
  /** JSON by the member's number. */
  readonly members: Map<string, string>;
  /** Members of which the store has not been told. */
  readonly changed: Set<string>;
  /** Whether the topic is to be read and compared. */
  isToCompare: boolean;
  /** When it is to be compared at the latest. */
  compareAt: number;
  /** When the last member left. */
  emptySince: number;
  isAtWork: boolean;
}

/** See the head of this file. */
export class OwnMembers {
  readonly #store: PresenceStore;
  readonly #node: OwnNode;
  /** How long a topic is remembered that nobody is in any more: the store may come back with a state from before. */
  readonly #memory: number;
  readonly #topics = new Map<string, OwnTopic>();
  readonly #turns = new Turns(mostCalls);
  #count = 0;
  #working = 0;
  #idle: (() => void) | undefined;

  constructor(store: PresenceStore, node: OwnNode, memory: number) {
    this.#store = store;
    this.#node = node;
    this.#memory = memory;
  }

  /** How many there are, one for each topic that a connection is in. */
  get count(): number {
    return this.#count;
  }

  /** A member is there with this data, or is not. */
  set(topic: string, number: string, data: string | undefined): void {
    const own = this.#topics.get(topic) ?? this.#add(topic);
    const before = own.members.get(number);
    if (before === data) return;
    if (data === undefined) own.members.delete(number);
    else own.members.set(number, data);
    this.#count += Number(data !== undefined) - Number(before !== undefined);
    if (own.members.size === 0) own.emptySince = realTime.now();
    own.changed.add(number);
    this.#begin(topic, own);
  }

  /** Whether a member of this id is here, whatever the store knows. */
  has(topic: string, id: string): boolean {
    const { name } = this.#node;
    return id.startsWith(`${name}/`) && this.#topics.get(topic)?.members.has(id.slice(name.length + 1)) === true;
  }

  /** The members of a topic as they are here, whatever the store knows. */
  of(topic: string): readonly { readonly id: string; readonly data: string }[] {
    const members = this.#topics.get(topic)?.members ?? new Map<string, string>();
    return [...members].map(([number, data]) => ({ id: this.#idOf(number), data }));
  }

  /** A lease is held, or another one, or the connection was lost meanwhile: all is compared. */
  compareAll(): void {
    for (const [topic, own] of this.#topics) this.#compare(topic, own);
  }

  /** Compares what is due, and what failed before. */
  look(): void {
    const now = realTime.now();
    for (const [topic, own] of this.#topics) {
      if (own.members.size === 0 && own.changed.size === 0 && now - own.emptySince > this.#memory) {
        if (!own.isAtWork) this.#topics.delete(topic);
      } else if (own.isToCompare || now > own.compareAt) this.#compare(topic, own);
    }
  }

  /** Resolves when the store has been told all that can be told now. */
  async settled(): Promise<void> {
    if (this.#working > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #add(topic: string): OwnTopic {
    const own: OwnTopic = {
      members: new Map(),
      changed: new Set(),
      isToCompare: false,
      compareAt: nextCompare(),
      emptySince: 0,
      isAtWork: false,
    };
    this.#topics.set(topic, own);
    return own;
  }

  #compare(topic: string, own: OwnTopic): void {
    own.isToCompare = true;
    this.#begin(topic, own);
  }

  #begin(topic: string, own: OwnTopic): void {
    if (!own.isAtWork && this.#node.lease !== undefined) void this.#work(topic, own);
  }

  async #work(topic: string, own: OwnTopic): Promise<void> {
    own.isAtWork = true;
    this.#working++;
    // What changes in one turn goes in one call.
    await undefined;
    try {
      while ((own.isToCompare || own.changed.size > 0) && this.#node.lease !== undefined) {
        await this.#turns.take(() => this.#tell(topic, own, this.#node.lease));
      }
    } catch (error) {
      // What became of the call nobody knows. It is compared when the lease is held anew, or at the next look.
      own.isToCompare = true;
      this.#node.failed(error as Error);
    }
    own.isAtWork = false;
    if (--this.#working === 0) this.#idle?.();
  }

  async #tell(topic: string, own: OwnTopic, lease: string | undefined): Promise<void> {
    if (lease === undefined) return;
    if (own.isToCompare) {
      own.isToCompare = false;
      own.compareAt = nextCompare();
      own.changed.clear();
      const { members = [] } = await this.#store.read(topic);
      const changes = this.#differences(own, lease, members);
      for (let from = 0; from < changes.length; from += mostInCall) {
        await this.#store.update(topic, changes.slice(from, from + mostInCall));
      }
      return;
    }
    const numbers = [...own.changed].slice(0, mostInCall);
    for (const number of numbers) own.changed.delete(number);
    const changes = numbers.map((number) => ({ id: this.#idOf(number), lease, data: own.members.get(number) }));
    await this.#store.update(topic, changes);
  }

  /** What the store has to be told, so that it has this node's members and no others of it. */
  #differences(own: OwnTopic, lease: string, stored: readonly StoredMember[]): MemberChange[] {
    const here = new Map([...own.members].map(([number, data]) => [this.#idOf(number), data]));
    const changes: MemberChange[] = [];
    for (const { id, lease: other, data } of stored) {
      if (!id.startsWith(`${this.#node.name}/`)) continue;
      if (!here.has(id)) changes.push({ id, lease: other, data: undefined });
      else if (other === lease && here.get(id) === data) here.delete(id);
    }
    for (const [id, data] of here) changes.push({ id, lease, data });
    return changes;
  }

  #idOf(number: string): string {
    return `${this.#node.name}/${number}`;
  }
}

/** Not all at the same time. */
function nextCompare(): number {
  return realTime.now() + longestUncompared * (0.5 + Math.random() / 2);
}
