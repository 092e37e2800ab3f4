/** Who is there, in memory, with the rules that every broker's store has to keep. It asks no clock. */

import { nextOffset } from "./entry.ts";
import type { MemberChange, PresencePage, PresenceStep, StoredMember } from "./presence-store.ts";

interface Members {
  version: number;
  readonly byId: Map<string, StoredMember>;
}

/** See the head of this file. */
export class MemoryPresence {
  /** Leases, each with the time at which it ends. */
  readonly #leases = new Map<string, number>();
  readonly #topics = new Map<string, Members>();
  /** The newest version of any topic: one that nobody is in any more is forgotten, and its versions are not given again. */
  #newest = 0;

  /** See `PresenceStore`. */
  lease(name: string, duration: number, { now, begins }: { readonly now: number; readonly begins: boolean }): boolean {
    const isHeld = begins || this.held(now).includes(name);
    if (isHeld) this.#leases.set(name, now + duration);
    return isHeld;
  }

  /** The leases that are held. */
  held(now: number): readonly string[] {
    for (const [name, until] of this.#leases) if (until <= now) this.#leases.delete(name);
    return [...this.#leases.keys()];
  }

  /** Makes the changes; the step that they come to, or undefined where nothing is another than before. */
  update(topic: string, changes: readonly MemberChange[], now: number): PresenceStep | undefined {
    const members = this.#topics.get(topic) ?? { version: 0, byId: new Map() };
    const made = changes.filter((change) => applyChange(members.byId, change));
    if (made.length === 0) return undefined;
    const prev = members.version;
    this.#newest = nextOffset(this.#newest, now);
    members.version = this.#newest;
    if (members.byId.size > 0) this.#topics.set(topic, members);
    else this.#topics.delete(topic);
    return { prev, version: members.version, changes: made };
  }

  /** See `PresenceStore`. */
  read(topic: string, known: number | undefined): PresencePage {
    const { version, byId } = this.#topics.get(topic) ?? { version: 0, byId: new Map<string, StoredMember>() };
    return { version, members: version === known ? undefined : [...byId.values()] };
  }
}

/** Makes a change; whether that made anything another than before. */
export function applyChange(members: Map<string, StoredMember>, { id, lease, data }: MemberChange): boolean {
  const before = members.get(id);
  if (data === undefined) return before?.lease === lease && members.delete(id);
  if (before?.lease === lease && before.data === data) return false;
  members.set(id, { id, lease, data });
  return true;
}
