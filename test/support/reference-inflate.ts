/**
 * A second opinion on DEFLATE (RFC 1951), written for clearness alone: no zlib, one bit at a time.
 *
 * It reads a message as RFC 7692 section 7.2.2 says: the tail is put back, a final block ends neither message nor window,
 * and the data must end with an empty stored block, whose end is the tail (section 7.2.1).
 */

/** What a payload holds, and the furthest back that it refers. */
export interface Inflated {
  readonly message: Uint8Array;
  readonly maxDistance: number;
}

/** Inflates one message's payload after `history`; `undefined` when it is not whole, valid data. */
export function referenceInflate(payload: Uint8Array, history: Uint8Array = new Uint8Array(0)): Inflated | undefined {
  const reader = new BitReader(Uint8Array.of(...payload, 0x00, 0x00, 0xff, 0xff));
  const output: number[] = [...history];
  let maxDistance = 0;
  let tailLength = -1;
  try {
    while (!reader.atEnd) {
      tailLength = -1;
      const final = reader.bits(1) === 1;
      const type = reader.bits(2);
      if (type === 0) tailLength = copyStored(reader, output);
      else if (type === 3) throw new Error("Reserved block type");
      else {
        const [literals, distances] = type === 1 ? fixedCodes() : readCodes(reader);
        maxDistance = Math.max(maxDistance, inflateBlock(reader, output, literals, distances));
      }
      if (final) reader.align();
    }
  } catch {
    return undefined;
  }
  if (tailLength !== 0) return undefined;
  return { message: Uint8Array.from(output.slice(history.length)), maxDistance };
}

class BitReader {
  #position = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#position === this.#bytes.length * 8;
  }

  bits(count: number): number {
    let value = 0;
    for (let index = 0; index < count; index++) {
      const byte = this.#bytes[this.#position >> 3];
      if (byte === undefined) throw new Error("Out of data");
      value |= ((byte >> (this.#position++ & 7)) & 1) << index;
    }
    return value;
  }

  align(): void {
    this.#position = (this.#position + 7) & ~7;
  }
}

function copyStored(reader: BitReader, output: number[]): number {
  reader.align();
  const length = reader.bits(16);
  if (reader.bits(16) !== (~length & 0xffff)) throw new Error("Stored lengths differ");
  for (let index = 0; index < length; index++) output.push(reader.bits(8));
  return length;
}

/** A canonical code: symbols by their bits, the bits written as text. */
type Code = ReadonlyMap<string, number>;

function codeOf(lengths: readonly number[]): Code {
  const code = new Map<string, number>();
  let next = 0;
  for (let length = 1; length <= 15; length++) {
    next <<= 1;
    lengths.forEach((each, symbol) => {
      if (each === length) code.set((next++).toString(2).padStart(length, "0"), symbol);
    });
    if (next > 2 ** length) throw new Error("Too many codes");
  }
  return code;
}

function readSymbol(reader: BitReader, code: Code): number {
  let bits = "";
  while (bits.length < 15) {
    bits += reader.bits(1);
    const symbol = code.get(bits);
    if (symbol !== undefined) return symbol;
  }
  throw new Error("No such code");
}

function fixedCodes(): [Code, Code] {
  const lengths = Array.from({ length: 288 }, (_, symbol) =>
    symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8,
  );
  return [codeOf(lengths), codeOf(Array<number>(30).fill(5))];
}

function readCodes(reader: BitReader): [Code, Code] {
  const literals = reader.bits(5) + 257;
  const distances = reader.bits(5) + 1;
  const lengthCodes = reader.bits(4) + 4;
  if (literals > 286 || distances > 30) throw new Error("Too many symbols");
  const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  const lengthLengths = Array<number>(19).fill(0);
  for (const symbol of order.slice(0, lengthCodes)) lengthLengths[symbol] = reader.bits(3);
  const lengthCode = codeOf(lengthLengths);
  const lengths: number[] = [];
  while (lengths.length < literals + distances) {
    const symbol = readSymbol(reader, lengthCode);
    if (symbol < 16) lengths.push(symbol);
    else if (symbol === 16) repeat(lengths, lengths.at(-1)!, 3 + reader.bits(2));
    else repeat(lengths, 0, symbol === 17 ? 3 + reader.bits(3) : 11 + reader.bits(7));
  }
  if (lengths.length > literals + distances || !lengths[256]) throw new Error("Lengths do not fit");
  return [codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals))];
}

function repeat(lengths: number[], length: number, times: number): void {
  if (length === undefined) throw new Error("Nothing to repeat");
  for (let index = 0; index < times; index++) lengths.push(length);
}

function inflateBlock(reader: BitReader, output: number[], literals: Code, distances: Code): number {
  let maxDistance = 0;
  for (;;) {
    const symbol = readSymbol(reader, literals);
    if (symbol < 256) output.push(symbol);
    else if (symbol === 256) return maxDistance;
    else {
      const length = readLength(reader, symbol);
      const distance = readDistance(reader, readSymbol(reader, distances));
      if (distance > output.length) throw new Error("Refers to before the beginning");
      maxDistance = Math.max(maxDistance, distance);
      for (let index = 0; index < length; index++) output.push(output[output.length - distance]!);
    }
  }
}

/** RFC 1951 section 3.2.5: eight lengths without extra bits, then four for each number of them, and 258 alone. */
function readLength(reader: BitReader, symbol: number): number {
  const index = symbol - 257;
  if (index > 28) throw new Error("No such length");
  if (index === 28) return 258;
  if (index < 8) return 3 + index;
  const extra = (index >> 2) - 1;
  return 3 + ((4 + (index & 3)) << extra) + reader.bits(extra);
}

/** RFC 1951 section 3.2.5: four distances without extra bits, then two for each number of them. */
function readDistance(reader: BitReader, symbol: number): number {
  if (symbol < 4) return 1 + symbol;
  const extra = (symbol >> 1) - 1;
  return 1 + ((2 + (symbol & 1)) << extra) + reader.bits(extra);
}
