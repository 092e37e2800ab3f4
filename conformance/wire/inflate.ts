/**
 * A small DEFLATE decoder and block writer, RFC 1951, for what zlib does not tell: how far back a match
 * reached, whether a block was final, and where a truncated stream broke off.
 *
 * The decoder checks each distance against the window it is given, which zlib does only in part.
 */

/** What a compressed message turned out to be. */
export interface Inflated {
  readonly data: Buffer;
  readonly furthestMatch: number;
  readonly sawFinalBlock: boolean;
}

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

interface Huffman {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

const FIXED_LENGTHS = huffman([
  ...Array(144).fill(8),
  ...Array(112).fill(9),
  ...Array(24).fill(7),
  ...Array(8).fill(8),
]);
const FIXED_DISTANCES = huffman(Array(30).fill(5));

/**
 * Inflates one message of permessage-deflate with `00 00 ff ff` appended, RFC 7692 section 7.2.2.
 * `history` is the window that earlier messages left. Throws when the data is not whole blocks.
 */
export function inflateMessage(payload: Uint8Array, history: Buffer): Inflated {
  const reader = new BitReader(Buffer.concat([payload, TAIL]));
  const out = new Output(history);
  let sawFinalBlock = false;
  while (!reader.done) {
    const final = reader.bits(1) === 1;
    const type = reader.bits(2);
    if (type === 0) stored(reader, out);
    else if (type === 1) compressed(reader, out, FIXED_LENGTHS, FIXED_DISTANCES);
    else if (type === 2) compressed(reader, out, ...dynamicTables(reader));
    else throw new Error("Block type 3");
    if (final) reader.alignedBytes();
    sawFinalBlock ||= final;
  }
  return { data: out.message(), furthestMatch: out.furthest, sawFinalBlock };
}

class BitReader {
  readonly #bytes: Buffer;
  #at = 0;
  #held = 0;
  #count = 0;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  /** Whether every bit is used: the stream ends with the stored block of the tail, so it ends on a byte. */
  get done(): boolean {
    return this.#at >= this.#bytes.length && this.#count === 0;
  }
  bits(need: number): number {
    while (this.#count < need) {
      if (this.#at >= this.#bytes.length) throw new Error("The data ends inside a block");
      this.#held |= this.#bytes[this.#at++]! << this.#count;
      this.#count += 8;
    }
    const value = this.#held & ((1 << need) - 1);
    this.#held >>>= need;
    this.#count -= need;
    return value;
  }
  alignedBytes(): { u16: () => number; take: (length: number) => Buffer } {
    this.#at -= this.#count >> 3;
    this.#held = 0;
    this.#count = 0;
    const take = (length: number): Buffer => {
      if (this.#at + length > this.#bytes.length) throw new Error("The data ends inside a stored block");
      this.#at += length;
      return this.#bytes.subarray(this.#at - length, this.#at);
    };
    return { take, u16: () => take(2).readUInt16LE(0) };
  }
}

class Output {
  #buffer: Buffer;
  #length: number;
  readonly #start: number;
  furthest = 0;
  constructor(history: Buffer) {
    this.#buffer = Buffer.alloc(Math.max(1024, history.length * 2));
    history.copy(this.#buffer);
    this.#start = history.length;
    this.#length = history.length;
  }
  append(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#buffer, this.#length);
    this.#length += bytes.length;
  }
  literal(byte: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = byte;
  }
  match(length: number, distance: number): void {
    if (distance > this.#length || distance > 32768) throw new Error("A match reaches back further than there is data");
    this.furthest = Math.max(this.furthest, distance);
    this.#reserve(length);
    for (let i = 0; i < length; i++, this.#length++)
      this.#buffer[this.#length] = this.#buffer[this.#length - distance]!;
  }
  message(): Buffer {
    return Buffer.from(this.#buffer.subarray(this.#start, this.#length));
  }
  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const grown = Buffer.alloc(Math.max(this.#buffer.length * 2, this.#length + more));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

function huffman(lengths: readonly number[]): Huffman {
  const counts = new Uint16Array(16);
  const offsets = new Uint16Array(16);
  const symbols = new Uint16Array(lengths.length);
  for (const length of lengths) counts[length]!++;
  counts[0] = 0;
  for (let i = 1; i < 16; i++) offsets[i] = offsets[i - 1]! + counts[i - 1]!;
  lengths.forEach((length, symbol) => {
    if (length !== 0) symbols[offsets[length]!++] = symbol;
  });
  return { counts, symbols };
}

function decode(reader: BitReader, { counts, symbols }: Huffman): number {
  let code = 0;
  let first = 0;
  let index = 0;
  for (let length = 1; length < 16; length++) {
    code |= reader.bits(1);
    const count = counts[length]!;
    if (code - count < first) return symbols[index + (code - first)]!;
    index += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  throw new Error("A code that no symbol has");
}

function stored(reader: BitReader, out: Output): void {
  const aligned = reader.alignedBytes();
  const length = aligned.u16();
  if ((aligned.u16() ^ 0xffff) !== length)
    throw new Error("The length of a stored block disagrees with its complement");
  out.append(aligned.take(length));
}

function compressed(reader: BitReader, out: Output, lengths: Huffman, distances: Huffman): void {
  for (;;) {
    const symbol = decode(reader, lengths);
    if (symbol < 256) out.literal(symbol);
    else if (symbol === 256) return;
    else {
      const base = LENGTH_BASE[symbol - 257];
      if (base === undefined) throw new Error("A length code that is reserved");
      const length = base + reader.bits(LENGTH_BITS[symbol - 257]!);
      const code = decode(reader, distances);
      const distance = DISTANCE_BASE[code];
      if (distance === undefined) throw new Error("A distance code that is reserved");
      out.match(length, distance + reader.bits(distanceBits(code)));
    }
  }
}

function distanceBits(code: number): number {
  return code < 4 ? 0 : (code >> 1) - 1;
}

function dynamicTables(reader: BitReader): [Huffman, Huffman] {
  const lengthCount = reader.bits(5) + 257;
  const distanceCount = reader.bits(5) + 1;
  const codeCount = reader.bits(4) + 4;
  const codeLengths: number[] = Array(19).fill(0);
  for (let i = 0; i < codeCount; i++) codeLengths[CODE_ORDER[i]!] = reader.bits(3);
  const codes = huffman(codeLengths);
  const all: number[] = [];
  while (all.length < lengthCount + distanceCount) {
    const symbol = decode(reader, codes);
    if (symbol < 16) all.push(symbol);
    else if (symbol === 16) repeat(all, all.at(-1) ?? 0, 3 + reader.bits(2));
    else if (symbol === 17) repeat(all, 0, 3 + reader.bits(3));
    else repeat(all, 0, 11 + reader.bits(7));
  }
  return [huffman(all.slice(0, lengthCount)), huffman(all.slice(lengthCount, lengthCount + distanceCount))];
}

function repeat(all: number[], value: number, times: number): void {
  for (let i = 0; i < times; i++) all.push(value);
}

/** A token of a DEFLATE block: literal bytes, or a match. */
export type Token = string | { readonly length: number; readonly distance: number };

/** One block with the fixed Huffman codes, ended for permessage-deflate: an empty stored block with its tail cut off. */
export function fixedBlock(tokens: readonly Token[], final = false): Buffer {
  const writer = new BitWriter();
  writer.bits(final ? 1 : 0, 1);
  writer.bits(1, 2);
  for (const token of tokens) {
    if (typeof token === "string") for (const byte of Buffer.from(token)) writer.lengthSymbol(byte);
    else writeMatch(writer, token.length, token.distance);
  }
  writer.lengthSymbol(256);
  writer.bits(0, 3);
  return writer.bytes();
}

class BitWriter {
  readonly #bytes: number[] = [];
  #count = 0;
  bits(value: number, count: number): void {
    for (let i = 0; i < count; i++, this.#count++) {
      if ((this.#count & 7) === 0) this.#bytes.push(0);
      this.#bytes[this.#bytes.length - 1]! |= ((value >> i) & 1) << (this.#count & 7);
    }
  }
  code(value: number, count: number): void {
    for (let i = count - 1; i >= 0; i--) this.bits((value >> i) & 1, 1);
  }
  lengthSymbol(symbol: number): void {
    if (symbol < 144) this.code(0x30 + symbol, 8);
    else if (symbol < 256) this.code(0x190 + symbol - 144, 9);
    else if (symbol < 280) this.code(symbol - 256, 7);
    else this.code(0xc0 + symbol - 280, 8);
  }
  bytes(): Buffer {
    return Buffer.from(this.#bytes);
  }
}

function writeMatch(writer: BitWriter, length: number, distance: number): void {
  const lengthCode = LENGTH_BASE.findLastIndex((base) => base <= length);
  writer.lengthSymbol(257 + lengthCode);
  writer.bits(length - LENGTH_BASE[lengthCode]!, LENGTH_BITS[lengthCode]!);
  const distanceCode = DISTANCE_BASE.findLastIndex((base) => base <= distance);
  writer.code(distanceCode, 5);
  writer.bits(distance - DISTANCE_BASE[distanceCode]!, distanceBits(distanceCode));
}
