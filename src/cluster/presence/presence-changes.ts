/**
 * Who watches a topic's members: told of each change in turn, and of those who are there already first.
 *
 * One who is slow is told how each member is when they ask, not how it came to that: nothing piles up but who is there.
 */

import type { StoredMember } from "../broker/presence-store.ts";

/** A change of who is there. */
export interface PresenceChange {
  /** Who was there when the watching began is `joined`, too; `changed` is other data. */
  readonly event: "joined" | "changed" | "left";
  /** The member's own, while it is there. */
  readonly id: string;
  /** What `subscribe` was given; for one who `left`, the last of it. */
  readonly data: unknown;
}

/** See the head of this file. */
export class PresenceChanges implements AsyncIterator<PresenceChange, undefined, undefined> {
  readonly #members: ReadonlyMap<string, StoredMember>;
  readonly #ended: (changes: PresenceChanges) => void;
  /** The JSON of each member that is told to be there. */
  readonly #told = new Map<string, string>();
  readonly #touched: Set<string>;
  readonly #asking: ((result: IteratorResult<PresenceChange, undefined>) => void)[] = [];
  #isOver = false;

  /** `members` is the list as it is at each moment; `ended` is called once. */
  constructor(members: ReadonlyMap<string, StoredMember>, ended: (changes: PresenceChanges) => void) {
    this.#members = members;
    this.#ended = ended;
    this.#touched = new Set(members.keys());
  }

  /** The member may be another than before. */
  touched(id: string): void {
    this.#touched.add(id);
    this.#answer();
  }

  /** The next change. Never rejects. */
  next(): Promise<IteratorResult<PresenceChange, undefined>> {
    return new Promise((resolve) => {
      this.#asking.push(resolve);
      this.#answer();
    });
  }

  /** Ends it. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.end();
    return { done: true, value: undefined };
  }

  /** Nobody is told any more. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#touched.clear();
    for (const resolve of this.#asking.splice(0)) resolve({ done: true, value: undefined });
    this.#ended(this);
  }

  #answer(): void {
    while (this.#asking.length > 0) {
      const change = this.#take();
      if (change === undefined && !this.#isOver) return;
      this.#asking.shift()!(change ? { done: false, value: change } : { done: true, value: undefined });
    }
  }

  #take(): PresenceChange | undefined {
    for (const id of this.#touched) {
      this.#touched.delete(id);
      const before = this.#told.get(id);
      const now = this.#members.get(id)?.data;
      if (now === before) continue;
      if (now === undefined) this.#told.delete(id);
      else this.#told.set(id, now);
      const event = before === undefined ? "joined" : now === undefined ? "left" : "changed";
      return { event, id, data: dataOf((now ?? before)!) };
    }
    return undefined;
  }
}

/** What a member's JSON says; undefined for what is none, which no node of ours has written. */
export function dataOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
