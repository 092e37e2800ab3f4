/**
 * The members of one topic as a node knows them that watches it: what the store tells step by step, and what was read of it,
 * become one list, and nobody who watches misses a change of it.
 *
 * It is pure: it asks for nothing itself, but says in `wants` whether the topic is to be read.
 */

import type { MemberChange, PresencePage, PresenceStep, StoredMember } from "../broker/presence-store.ts";

/** Whom a topic tells. */
export interface WatchedTopicOwner {
  /** The member may be another than before. */
  touched(id: string): void;
  /** Whether the member is here: then it has not left, whatever the store knows. */
  isHere(id: string): boolean;
}

/** The most steps that are kept while the topic is read. */
const mostKept = 1000;

/** See the head of this file. */
export class WatchedTopic {
  readonly #members = new Map<string, StoredMember>();
  readonly #owner: WatchedTopicOwner;
  /** Undefined until the topic was read for the first time. */
  #version: number | undefined;
  #wants = true;
  #kept: PresenceStep[] = [];
  /** Whether members are still listed of which the store may only not know yet, or not know any more. */
  #isDoubtful = false;

  constructor(owner: WatchedTopicOwner) {
    this.#owner = owner;
  }

  /** Those who are there. */
  get members(): ReadonlyMap<string, StoredMember> {
    return this.#members;
  }

  /** Whether the topic is to be read. */
  get wants(): boolean {
    return this.#wants;
  }

  /** The version that a page need not be read of again; undefined where all has to be read. */
  get known(): number | undefined {
    return this.#isDoubtful ? undefined : this.#version;
  }

  /** Steps may have been missed. */
  missed(): void {
    this.#wants = true;
  }

  /** The topic is being read: what came before, the page has, or the store has lost it. */
  asks(): void {
    this.#kept = [];
  }

  /** A step came. */
  take(step: PresenceStep): void {
    if (this.#wants) {
      if (this.#kept.length < mostKept) this.#kept.push(step);
      return;
    }
    if (step.version <= this.#version!) return;
    if (step.prev !== this.#version) {
      this.#wants = true;
      this.#kept.push(step);
      return;
    }
    this.#version = step.version;
    for (const change of step.changes) this.#apply(change);
  }

  /**
   * The topic was read: those of its members who have a lease. Where the store is too `young` for all nodes to have written,
   * who is missing in it stays for now.
   */
  page({ version, members }: PresencePage, isYoung: boolean): void {
    this.#version = version;
    this.#wants = false;
    if (members !== undefined) {
      const there = new Set(members.map(({ id }) => id));
      const missing = [...this.#members.keys()].filter((id) => !there.has(id));
      this.#isDoubtful = isYoung && missing.length > 0;
      if (!isYoung) for (const id of missing) this.#delete(id);
      for (const member of members) this.#apply(member);
    }
    const kept = this.#kept;
    this.#kept = [];
    for (const step of kept) this.take(step);
  }

  /** These leases are gone. Returns those who were there by them, and have left. */
  gone(leases: ReadonlySet<string>): readonly StoredMember[] {
    const left = [...this.#members.values()].filter(({ id, lease }) => leases.has(lease) && !this.#owner.isHere(id));
    for (const { id } of left) this.#delete(id);
    return left;
  }

  #apply({ id, lease, data }: MemberChange): void {
    if (data === undefined) return this.#delete(id);
    this.#members.set(id, { id, lease, data });
    this.#owner.touched(id);
  }

  #delete(id: string): void {
    // Others may have taken it out meanwhile; this node is about to write it again.
    if (this.#owner.isHere(id)) this.#isDoubtful = true;
    else if (this.#members.delete(id)) this.#owner.touched(id);
  }
}
