/**
 * The inflater: a whole message, or the news that there is none, or none that is short (RFC 1951, RFC 7692 section 7.2.2).
 *
 * It takes what zlib takes, and refuses the codes that zlib refuses. Bits are read beyond the end of the message, where
 * they are zeros, and it is found out afterwards.
 */
import * as codes from "./codes";
import * as at from "./memory";

// What `inflate` returns instead of a length: the data is not whole and valid; what comes out is too long.
const broken: i32 = -1;
const tooLong: i32 = -2;
/** What a block returns after which there is another. */
const fine: i32 = 0;

/** As many final blocks as zlib's own user in this package reads of one message. */
const mostFinalBlocks: u32 = 256;

// What the symbols of a code are.
const lengthKind: u32 = 0;
const literalKind: u32 = 1;
const distanceKind: u32 = 2;

// The most bits that a table is indexed with. A longer code is looked for one bit at a time.
const widestLiteral: u32 = 10;
const widestDistance: u32 = 8;

// An entry of a table has the bits of the code below 8, the number of extra bits from 8 on, and a byte or base from 16 on;
// these say what else it may be, and 0 that the code is longer. Bases have 15 bits.
const isLiteral: u32 = 1 << 31;
const isEnd: u32 = 1 << 15;
const isNone: u32 = 1 << 14;

// Bits that were read and not used, how many they are, and where the next ones are.
let bits: u64 = 0;
let bitCount: u64 = 0;
let from: usize = 0;
/** Where the message ends. */
let end: usize = 0;
/** Where the next byte goes. */
let to: usize = 0;
/** Has bit 7 once a byte came that is not ASCII. */
let seen: u32 = 0;

// The tables of the block, and masks of as many bits as they are indexed with.
let literalTable: usize = 0;
let literalMask: u32 = 0;
let distanceTable: usize = 0;
let distanceMask: u32 = 0;

/**
 * Inflates `length` bytes of the input, at most `at.longestInput`, behind which the four bytes are missing that are not
 * sent. Returns twice the length of the output, and one more unless all of it is ASCII; `broken`; or `tooLong`.
 */
export function inflate(length: u32): i32 {
  bits = 0;
  bitCount = 0;
  from = at.input;
  end = from + length;
  memory.fill(end, 0, 32);
  to = at.output;
  seen = 0;
  for (let finals: u32 = 0; finals <= mostFinalBlocks; ) {
    refill();
    const final = take(1);
    const type = take(2);
    if (isBeyond()) return broken;
    let outcome = broken;
    if (type === 0) {
      align();
      // The length of this block, and so the message's end, is what was not sent.
      if (from === end) return ((<i32>(to - at.output)) << 1) | <i32>((seen >> 7) & 1);
      outcome = copyStored();
    } else if (type === 1) {
      useFixedCodes();
      outcome = inflateBlock();
    } else if (type === 2 && readCodes()) {
      outcome = inflateBlock();
    }
    if (outcome !== fine) return outcome;
    if (final !== 0) {
      align();
      finals++;
    }
  }
  return broken;
}

/** Makes the tables of the fixed codes, once, after `codes.writeFixedLengths`. */
export function makeFixedTables(): void {
  makeTable(at.fixedLiteralTable, literalKind, at.codeLengths, at.literalSymbols);
  makeTable(at.fixedDistanceTable, distanceKind, at.codeLengths + at.literalSymbols, at.distanceSymbols);
}

/** Makes 56 bits or more of those that are there. */
function refill(): void {
  bits |= load<u64>(from) << bitCount;
  from += <usize>((63 - bitCount) >> 3);
  bitCount |= 56;
}

function take(count: u32): u32 {
  const value = <u32>bits & ((1 << count) - 1);
  bits >>= count;
  bitCount -= count;
  return value;
}

/** Goes on at the next whole byte, which is at `from`. */
function align(): void {
  from -= <usize>(bitCount >> 3);
  bits = 0;
  bitCount = 0;
}

/** Whether bits were taken that are not the message's. */
function isBeyond(): bool {
  return from - <usize>(bitCount >> 3) > end;
}

function copyStored(): i32 {
  const length: u32 = load<u16>(from);
  if (from + 4 + length > end || load<u16>(from + 2) !== (length ^ 0xffff)) return broken;
  if (to + length > at.output + at.longestOutput) return tooLong;
  memory.copy(to, from + 4, length);
  from += 4 + length;
  for (const until = to + length; to < until; to++) seen |= load<u8>(to);
  return fine;
}

function useFixedCodes(): void {
  literalTable = at.fixedLiteralTable;
  literalMask = (1 << 9) - 1;
  distanceTable = at.fixedDistanceTable;
  distanceMask = (1 << 5) - 1;
}

/** Reads the codes of a block (section 3.2.7), and says whether there are any. */
function readCodes(): bool {
  const literals = take(5) + 257;
  const distances = take(5) + 1;
  const lengths = take(4) + 4;
  if (literals > 286 || distances > 30) return false;
  memory.fill(at.lengthCodeLengths, 0, at.lengthSymbols);
  for (let index: u32 = 0; index < lengths; index++) {
    if (bitCount < 3) refill();
    store<u8>(at.lengthCodeLengths + load<u8>(at.lengthsInOrder + index), take(3));
  }
  const mask = makeTable(at.lengthTable, lengthKind, at.lengthCodeLengths, at.lengthSymbols);
  if (mask === 0 || !readLengths(mask, literals + distances) || isBeyond()) return false;
  if (load<u8>(at.codeLengths + at.endOfBlock) === 0) return false;
  literalTable = at.literalTable;
  literalMask = makeTable(literalTable, literalKind, at.codeLengths, literals);
  if (literalMask === 0) return false;
  distanceTable = at.distanceTable;
  distanceMask = makeTable(distanceTable, distanceKind, at.codeLengths + literals, distances);
  return distanceMask !== 0;
}

function readLengths(mask: u32, total: u32): bool {
  let index: u32 = 0;
  while (index < total) {
    if (bitCount < 14) refill();
    const entry = load<u32>(at.lengthTable + ((<u32>bits & mask) << 2));
    take(entry & 0xff);
    const symbol = entry >> 16;
    if (symbol < 16) {
      store<u8>(at.codeLengths + index++, symbol);
      continue;
    }
    if (symbol === 16 && index === 0) return false;
    const length: u32 = symbol === 16 ? load<u8>(at.codeLengths + index - 1) : 0;
    const times = symbol === 16 ? 3 + take(2) : symbol === 17 ? 3 + take(3) : 11 + take(7);
    if (index + times > total) return false;
    for (const until = index + times; index < until; index++) store<u8>(at.codeLengths + index, length);
  }
  return true;
}

/**
 * Makes a table from the lengths of the symbols' codes, and returns the mask of its index; 0 for lengths that make no code.
 * A code uses up all that it could write, but for one of a single bit, or of nothing, where no symbol may come.
 */
function makeTable(table: usize, kind: u32, lengths: usize, symbols: u32): u32 {
  const perLength = perLengthOf(kind);
  codes.countLengths(lengths, symbols, perLength);
  let longest: u32 = 0;
  let left: i32 = 1;
  let rank: u32 = 0;
  for (let length: u32 = 1; length <= at.longestCode; length++) {
    const count: u32 = load<u16>(perLength + (length << 1));
    if (count > 0) longest = length;
    store<u16>(at.nextOfLength + (length << 1), rank);
    rank += count;
    left = (left << 1) - count;
    if (left < 0) return 0;
  }
  if (left > 0 && (kind === lengthKind || longest > 1)) return 0;
  const width = max(1, min(longest, kind === distanceKind ? widestDistance : widestLiteral));
  if (left > 0) store<u64>(table, ((<u64>isNone) << 32) | isNone);
  if (longest > width) memory.fill(table, 0, 4 << width);
  sortByCode(lengths, symbols, orderOf(kind));
  fillTable(table, kind, width);
  return (1 << width) - 1;
}

/** Writes the symbols that have codes in the order of these, which `at.nextOfLength` says where to begin. */
function sortByCode(lengths: usize, symbols: u32, order: usize): void {
  const until = lengths + symbols;
  for (let place = at.skipZeros(lengths, until); place < until; place = at.skipZeros(place + 1, until)) {
    const next = at.nextOfLength + ((<u32>load<u8>(place)) << 1);
    store<u16>(order + ((<u32>load<u16>(next)) << 1), <u32>(place - lengths));
    at.increment(next);
  }
}

/** Writes the entries of all codes of at most `width` bits, each wherever the bits behind it lead. */
function fillTable(table: usize, kind: u32, width: u32): void {
  const perLength = perLengthOf(kind);
  let next = orderOf(kind);
  let code: u32 = 0;
  for (let length: u32 = 1; length <= width; length++) {
    for (const until = code + load<u16>(perLength + (length << 1)); code < until; code++) {
      const entry = entryOf(kind, load<u16>(next)) | length;
      next += 2;
      for (let index = codes.reversed(code, length); index < 1 << width; index += 1 << length) {
        store<u32>(table + (index << 2), entry);
      }
    }
    code <<= 1;
  }
}

function perLengthOf(kind: u32): usize {
  return kind === lengthKind ? at.perLength : kind === literalKind ? at.perLengthOfLiterals : at.perLengthOfDistances;
}

function orderOf(kind: u32): usize {
  return kind === lengthKind ? at.lengthOrder : kind === literalKind ? at.literalOrder : at.distanceOrder;
}

/** The entry of a symbol, without the bits of its code. */
function entryOf(kind: u32, symbol: u32): u32 {
  if (kind === lengthKind) return symbol << 16;
  if (kind === distanceKind) {
    if (symbol > 29) return isNone;
    return ((codes.baseOfDistance(symbol) + 1) << 16) | (codes.extraOfDistance(symbol) << 8);
  }
  if (symbol < at.endOfBlock) return isLiteral | (symbol << 16);
  if (symbol === at.endOfBlock) return isEnd;
  const length = symbol - at.firstLength;
  if (length > 28) return isNone;
  return ((codes.baseOfLength(length) + 3) << 16) | (codes.extraOfLength(length) << 8);
}

/** The entry of the next code, where its table has none. */
function entryOfLong(kind: u32, next: u64): u32 {
  const perLength = perLengthOf(kind);
  let symbols = orderOf(kind);
  // How far the bits so far are above the first code of their length.
  let above: u32 = 0;
  for (let length: u32 = 1; length <= at.longestCode; length++) {
    const count: u32 = load<u16>(perLength + (length << 1));
    above = (above << 1) | (<u32>next & 1);
    if (above < count) return entryOf(kind, load<u16>(symbols + (above << 1))) | length;
    above -= count;
    symbols += count << 1;
    next >>= 1;
  }
  return isNone;
}

/**
 * Inflates up to the end of the block. Nearly all of the time goes by here, so what is read is held in locals, and up to
 * three literals are taken of the same 56 bits.
 */
function inflateBlock(): i32 {
  const literals = literalTable;
  const literalBits = literalMask;
  const distances = distanceTable;
  const distanceBits = distanceMask;
  const last = end + 8;
  const full = at.output + at.longestOutput;
  let held = bits;
  let count = bitCount;
  let next = from;
  let put = to;
  let bytes: u32 = 0;
  for (;;) {
    if (next > last) return broken;
    if (put > full) return tooLong;
    held |= load<u64>(next) << count;
    next += <usize>((63 - count) >> 3);
    count |= 56;
    let entry = load<u32>(literals + ((<u32>held & literalBits) << 2));
    if (<i32>entry < 0) {
      store<u8>(put++, entry >> 16);
      bytes |= entry;
      held >>= entry & 0xff;
      count -= entry & 0xff;
      entry = load<u32>(literals + ((<u32>held & literalBits) << 2));
      if (<i32>entry < 0) {
        store<u8>(put++, entry >> 16);
        bytes |= entry;
        held >>= entry & 0xff;
        count -= entry & 0xff;
        entry = load<u32>(literals + ((<u32>held & literalBits) << 2));
      }
      if (<i32>entry >= 0) {
        held |= load<u64>(next) << count;
        next += <usize>((63 - count) >> 3);
        count |= 56;
      }
    }
    if (entry === 0) entry = entryOfLong(literalKind, held);
    held >>= entry & 0xff;
    count -= entry & 0xff;
    if (<i32>entry < 0) {
      store<u8>(put++, entry >> 16);
      bytes |= entry;
      continue;
    }
    if ((entry & (isEnd | isNone)) !== 0) {
      if ((entry & isNone) !== 0) return broken;
      break;
    }
    let extra = (entry >> 8) & 0xff;
    const length = (entry >> 16) + (<u32>held & ((1 << extra) - 1));
    held >>= extra;
    count -= extra;
    entry = load<u32>(distances + ((<u32>held & distanceBits) << 2));
    if (entry === 0) entry = entryOfLong(distanceKind, held);
    if ((entry & isNone) !== 0) return broken;
    held >>= entry & 0xff;
    count -= entry & 0xff;
    extra = (entry >> 8) & 0xff;
    const distance = (entry >> 16) + (<u32>held & ((1 << extra) - 1));
    held >>= extra;
    count -= extra;
    if (at.output + distance > put) return broken;
    const until = put + length;
    if (distance >= 8) {
      for (; put < until; put += 8) store<u64>(put, load<u64>(put - distance));
    } else {
      for (; put < until; put++) store<u8>(put, load<u8>(put - distance));
    }
    put = until;
  }
  if (put > full) return tooLong;
  bits = held;
  bitCount = count;
  from = next;
  to = put;
  seen |= bytes >> 16;
  return fine;
}
