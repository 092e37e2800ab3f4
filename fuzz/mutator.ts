/**
 * Makes new inputs out of old ones: one to eight small changes, each drawn by chance from a seeded stream.
 *
 * It works in one buffer that it uses again and again, so that an input costs no memory; nothing here knows a format.
 */
import type { Random } from "./random.ts";

/** Bytes and lengths at which parsers change their mind. */
const interesting = [0, 1, 2, 0x0d, 0x0a, 0x20, 0x22, 0x2c, 0x3b, 0x5c, 0x7d, 0x7e, 0x7f, 0x80, 0x88, 0xbf, 0xfe, 0xff];
const interestingWide = [0, 1, 125, 126, 127, 1000, 1005, 1015, 3000, 4999, 5000, 0x7fff, 0x8000, 0xfffe, 0xffff];

/** Changes inputs for one target. */
export class Mutator {
  readonly #random: Random;
  readonly #words: readonly Uint8Array[];
  readonly #bytes: Buffer;
  #length = 0;

  constructor(random: Random, words: readonly Uint8Array[], maxLength: number) {
    this.#random = random;
    this.#words = words;
    this.#bytes = Buffer.alloc(maxLength);
  }

  /** A changed `seed`, with parts of `other`; valid until the next call. */
  mutate(seed: Uint8Array, other: Uint8Array): Buffer {
    this.#length = Math.min(seed.length, this.#bytes.length);
    this.#bytes.set(seed.subarray(0, this.#length));
    const random = this.#random;
    const changes = 1 << random.below(4);
    for (let change = 0; change < changes; change++) this.#change(other);
    return this.#bytes.subarray(0, this.#length);
  }

  #change(other: Uint8Array): void {
    const random = this.#random;
    const bytes = this.#bytes;
    const at = random.below(this.#length + 1);
    const kind = random.below(this.#words.length > 0 ? 12 : 9);
    if (kind >= 9) this.#put(this.#words[random.below(this.#words.length)]!, at, kind === 9);
    else if (kind === 8) this.#splice(other, at);
    else if (kind === 7) this.#remove(at, 1 + random.below(1 << random.below(6)));
    else if (kind === 6) this.#repeat(at, 1 + random.below(1 << random.below(6)));
    else if (kind === 5) this.#put(Uint8Array.of(random.below(256)), at, false);
    else if (at === this.#length) return;
    else if (kind === 4) bytes[at] = random.below(256);
    else if (kind === 3) bytes[at] = interesting[random.below(interesting.length)]!;
    else if (kind === 2) bytes[at] = bytes[at]! + random.below(9) - 4;
    else if (kind === 1 && at + 1 < this.#length) {
      bytes.writeUInt16BE(interestingWide[random.below(interestingWide.length)]!, at);
    } else bytes[at] = bytes[at]! ^ (1 << random.below(8));
  }

  /** Writes a piece, over what is there or between. */
  #put(piece: Uint8Array, at: number, over: boolean): void {
    const fits = Math.min(piece.length, this.#bytes.length - at);
    if (!over) this.#makeRoom(at, fits);
    for (let index = 0; index < fits; index++) this.#bytes[at + index] = piece[index]!;
    this.#length = Math.max(this.#length, at + fits);
  }

  #splice(other: Uint8Array, at: number): void {
    const from = this.#random.below(other.length + 1);
    this.#put(other.subarray(from, from + 1 + this.#random.below(32)), at, this.#random.below(2) === 0);
  }

  #remove(at: number, count: number): void {
    const end = Math.min(this.#length, at + count);
    this.#bytes.copyWithin(at, end, this.#length);
    this.#length -= end - at;
  }

  #repeat(at: number, count: number): void {
    const end = Math.min(this.#length, at + count);
    const fits = Math.min(end - at, this.#bytes.length - end);
    this.#makeRoom(end, fits);
    this.#bytes.copyWithin(end, at, at + fits);
  }

  #makeRoom(at: number, count: number): void {
    this.#bytes.copyWithin(at + count, at, this.#length);
    this.#length = Math.min(this.#bytes.length, this.#length + count);
  }
}
