/**
 * Offsets of a stream's messages, which are never given twice though a stream that lost its end gives its numbers again.
 *
 * Whoever comes first to a server that was started puts a mark into each stream before anything else is stored there. Behind
 * the mark messages are counted on from the broker's clock, so that they lie behind all that was stored before, lost or not:
 * nobody has to know of it. An offset is such a count and seven bits of the message's id, by which two messages can be told
 * apart though the clock should have gone back, too.
 */

/** A start of the server, as its mark says it. */
export interface ServerStart {
  /** What the server called itself then. */
  readonly server: string;
  /** The number of the mark in the stream, or of the first one that said it. */
  readonly from: number;
  /** The message with the number `from + n` has the count `base + n`. */
  readonly base: number;
}

/** A mark, as it is stored. */
export interface StartMark {
  readonly sequence: number;
  /** When it was stored, in milliseconds since 1970 of the broker's clock. */
  readonly time: number;
  readonly data: Uint8Array;
}

/** So many messages a millisecond, from one start to the next, may be stored: with them counts are below 2^46 until 2109. */
const countsInMillisecond = 16;
const idCount = 128;
/** Stands for an id that is not known; no id gives it. */
const unknownId = idCount - 1;
/** Before the first mark. */
const beginning: ServerStart = { server: "", from: 0, base: 0 };

/** A number below 2^32 that two ids seldom have in common. */
export function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** See the head of this file. */
export class Offsets {
  #starts: readonly ServerStart[] = [];
  #nonce = "";

  /** What tells the stream from those of its name that were there before; its first mark says it, and all others after it. */
  get nonce(): string {
    return this.#nonce;
  }

  /** The starts of the server that are known, in their order. */
  get starts(): readonly ServerStart[] {
    return this.#starts;
  }

  /** A mark says all starts that there were. */
  learn({ sequence, time, data }: StartMark): void {
    const [nonce = "", ...lines] = new TextDecoder().decode(data).split("\n");
    this.#nonce = nonce;
    this.#starts = [];
    for (const line of lines) {
      const [server = "", from = sequence, base = this.#baseAt(sequence, time)] = line.split(" ");
      this.#starts = [...this.#starts, { server, from: Number(from), base: Number(base) }];
    }
  }

  /**
   * What the next mark has to say: the starts that the stream still has messages of, from its oldest one on, and that of
   * the server where it is not among them. `otherwise` is the nonce of a stream without a mark.
   */
  markFor(server: string, oldest: number, otherwise: string): string {
    const kept = this.#starts.filter((_, index) => (this.#starts[index + 1]?.from ?? oldest) >= oldest);
    const lines = kept.map(({ server, from, base }) => `${server} ${from} ${base}`);
    if (!kept.some((start) => start.server === server)) lines.push(server);
    return [this.#nonce || otherwise, ...lines].join("\n");
  }

  /** The offset of a message with this number and id. */
  of(sequence: number, id: string): number {
    return this.#countOf(sequence) * idCount + (hashOf(id) % unknownId);
  }

  /** An offset that is no message's, behind all messages up to the number and none after it. */
  behind(sequence: number): number {
    return this.#countOf(sequence) * idCount + unknownId;
  }

  /** The number of the message with this offset; where it was lost, that of the mark behind it, or one before. */
  sequenceOf(offset: number): number {
    const count = Math.floor(offset / idCount);
    const index = this.#starts.findLastIndex(({ base }) => base < count);
    const { from, base } = this.#starts[index] ?? beginning;
    return Math.min(from + count - base, this.#starts[index + 1]?.from ?? Number.POSITIVE_INFINITY);
  }

  #countOf(sequence: number): number {
    const { from, base } = this.#starts.findLast((start) => start.from < sequence) ?? beginning;
    return base + sequence - from;
  }

  #baseAt(sequence: number, time: number): number {
    return Math.max(this.#countOf(sequence) + 1, Math.floor(time) * countsInMillisecond);
  }
}
