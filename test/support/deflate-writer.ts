/**
 * Writes DEFLATE data bit by bit (RFC 1951 section 3.1.1), also such as no compressor makes.
 */

/** Gathers bits and says what bytes they make. */
export class DeflateWriter {
  readonly #bits: number[] = [];

  /** Adds a number, its lowest bit first. */
  number(value: number, count: number): this {
    for (let bit = 0; bit < count; bit++) this.#bits.push((value >> bit) & 1);
    return this;
  }

  /** Adds a code, as section 3.2.2 writes it: `0110`. */
  code(...codes: readonly string[]): this {
    for (const bit of codes.join("")) this.#bits.push(Number(bit));
    return this;
  }

  /** Begins a block of type 0, 1 or 2. */
  block(type: number, final = false): this {
    return this.number(final ? 1 : 0, 1).number(type, 2);
  }

  /** Fills up to a whole byte. */
  align(): this {
    while (this.#bits.length % 8 !== 0) this.#bits.push(0);
    return this;
  }

  /** Ends a message as its sender does: with the type of the empty stored block, whose length is not sent. */
  end(): Uint8Array {
    return this.block(0).align().bytes();
  }

  /** What was written. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(this.#bits.length / 8));
    this.#bits.forEach((bit, index) => {
      bytes[index >> 3]! |= bit << (index & 7);
    });
    return bytes;
  }

  /**
   * Adds the header of a block of type 2: the lengths of the codes of literals and of distances, one after the other, in
   * a code of four bits for each length from 0 to 15. Repeats are written as `[16, 3]`: the symbol and its extra bits.
   */
  lengths(literals: number, distances: number, lengths: readonly (number | readonly [number, number])[]): this {
    this.number(literals - 257, 5)
      .number(distances - 1, 5)
      .number(19 - 4, 4);
    const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    const used = lengths.some((each) => typeof each !== "number");
    // With repeats: 0 to 12 in four bits, 13 to 18 in five; without, all sixteen in four.
    const lengthOf = (symbol: number) => (used ? (symbol < 13 ? 4 : 5) : symbol < 16 ? 4 : 0);
    for (const symbol of order) this.number(lengthOf(symbol), 3);
    for (const each of lengths) {
      const [symbol, extra] = typeof each === "number" ? [each, 0] : each;
      const code = lengthOf(symbol) === 4 ? symbol : 26 + symbol - 13;
      this.code(code.toString(2).padStart(lengthOf(symbol), "0"));
      if (symbol >= 16) this.number(extra, symbol === 16 ? 2 : symbol === 17 ? 3 : 7);
    }
    return this;
  }
}
