/**
 * A client of the model: what it got and was told, held against the guarantees as it comes.
 */
import type { Entry, LogPosition } from "../../../src/cluster/broker/entry.ts";
import type { Stored } from "./model-broker.ts";

type Happening = { readonly entry: Entry } | { readonly gap: string };

/** Which guarantees are held; a control may break those that it is not about. */
export class ModelClient {
  readonly name: string;
  /** Where it is; undefined until it was told. */
  position: LogPosition | undefined;
  /** The number of entries that the broker had ever stored when it was first told that it is subscribed. */
  readyAfter: number | undefined;
  /** Where it was subscribed: what lets it read on from there, or later. */
  grant: LogPosition | undefined;
  /** Whether it has claimed to be where it never was. */
  hasForged = false;
  /** How often it has come back. */
  resumed = 0;
  readonly happenings: Happening[] = [];
  #gapBefore = true;
  /** How many gaps it had been told of when it got an entry, by the entry's id. */
  readonly #seen = new Map<string, number>();
  readonly #newest = new Map<string, number>();

  constructor(name: string) {
    this.name = name;
  }

  get gaps(): readonly string[] {
    return this.happenings.flatMap((happening) => ("gap" in happening ? [happening.gap] : []));
  }

  ready(position: LogPosition, storedBefore: number): void {
    this.position = position;
    this.grant = position;
    this.readyAfter ??= storedBefore;
    this.#gapBefore = false;
  }

  /** Its position is another one, without a message. */
  moveTo(position: LogPosition): void {
    this.position = position;
  }

  /** All that it missed has come, or not; `due` is what a client that recovered has to know of. */
  told(recovered: boolean, due: readonly Stored[]): void {
    const missing = recovered ? due.find((stored) => !this.knowsOf(stored)) : undefined;
    if (missing) throw new Error(`${this.name} is said to have recovered, and knows nothing of ${missing.entry.id}`);
  }

  gap(reason: string, position: LogPosition): void {
    this.happenings.push({ gap: reason });
    this.#gapBefore = true;
    this.position = position;
    this.grant = position;
    // What was lost may have been stored once more, by a publisher whose later messages were not lost.
    this.#newest.clear();
  }

  deliver(entry: Entry): void {
    const { position } = this;
    if (position === undefined) throw new Error(`${this.name} got ${entry.id} before it was subscribed`);
    if (this.grant!.epoch === entry.epoch && entry.offset <= this.grant!.offset) {
      throw new Error(`${this.name} reads ${entry.id}, which was said before it came`);
    }
    const follows = entry.epoch === position.epoch && entry.prev === position.offset;
    if (!follows && !this.#gapBefore) throw new Error(`${this.name}: a silent gap before ${entry.id} [3]`);
    if (entry.epoch === position.epoch && entry.offset <= position.offset) {
      throw new Error(`${this.name}: ${entry.id} came out of order [1]`);
    }
    this.#checkTwice(entry);
    this.#checkPublisher(entry);
    this.happenings.push({ entry });
    this.#gapBefore = false;
    this.position = { epoch: entry.epoch, offset: entry.offset };
  }

  /**
   * Whether it got the entry, or was told of a gap where the entry would have been; where the broker has lost it, which
   * perhaps another node saw first, at any time behind that place.
   */
  knowsOf({ entry: { epoch, offset, id }, lost }: Stored): boolean {
    if (this.#seen.has(id)) return true;
    let gap = false;
    for (const happening of this.happenings) {
      if ("gap" in happening) gap = true;
      else if (happening.entry.epoch === epoch && happening.entry.offset < offset) gap = false;
      else if (happening.entry.epoch === epoch && !lost) return gap;
    }
    return gap;
  }

  /** What was lost may come again to a client that has resumed: its node cannot know what it had elsewhere. */
  #checkTwice(entry: Entry): void {
    const gaps = this.gaps.length;
    const before = this.#seen.get(entry.id);
    this.#seen.set(entry.id, gaps);
    if (before === undefined || (gaps > before && this.resumed > 0)) return;
    throw new Error(`${this.name} got ${entry.id} twice [2]`);
  }

  #checkPublisher({ id }: Entry): void {
    const [publisher = "", number = ""] = id.split("-");
    const newest = this.#newest.get(publisher) ?? 0;
    if (Number(number) < newest) throw new Error(`${this.name}: ${id} came late [1]`);
    this.#newest.set(publisher, Math.max(newest, Number(number)));
  }
}
