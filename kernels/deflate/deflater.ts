/**
 * The deflater: a message becomes one block, with the fixed codes or with its own, whichever is shorter, or stored when
 * neither saves anything (RFC 1951 section 3.2).
 */
import * as codes from "./codes";
import * as at from "./memory";

/** Shorter copies are not looked for: they save little, and looking for them costs. */
const shortestCopy: usize = 4;
const longestCopy: usize = 258;
/** A copy of fewer bytes may be given up for a longer one that begins a byte later. */
const longEnough: u32 = 16;

// Types of blocks, below a zero bit: none is the last one.
const fixedBlock: u32 = 1 << 1;
const ownBlock: u32 = 2 << 1;
const typeBits: u32 = 3;
/** The bytes of stored blocks beside those they hold: type, length and its complement, and the empty one's type. */
const storedExtra: u32 = 1 + 2 + 2 + 1;

// What repeats a length of a code (section 3.2.7).
const repeat: u32 = 16;
const fewZeros: u32 = 17;
const manyZeros: u32 = 18;

// Bits that do not fill a byte yet, how many they are, and where they are to go.
let pending: u64 = 0;
let pendingCount: u64 = 0;
let to: usize = 0;

// How many lengths of codes the block's header has of each kind, and where the symbols that stand for them end.
let literals: u32 = 0;
let distances: u32 = 0;
let lengths: u32 = 0;
let runsEnd: usize = 0;

/**
 * Compresses `length` bytes of the input, at most `at.longestInput`, with distances of at most `window`, and returns the
 * length of the output. It ends in an empty stored block, without the four bytes that are not sent (RFC 7692 section
 * 7.2.1).
 */
export function deflate(length: u32, window: u32): u32 {
  memory.fill(at.literalCounts, 0, at.lengthCounts - at.literalCounts);
  const lastStep = findCopies(length, window);
  at.increment(at.literalCounts + (at.endOfBlock << 1));
  const extra = extraBits();
  const fixed = typeBits + fixedBits() + extra;
  const own = typeBits + planCodes() + extra;
  if ((length + storedExtra) << 3 < min(fixed, own) + typeBits) return writeStored(length);
  pending = 0;
  pendingCount = 0;
  to = at.output;
  if (fixed <= own) {
    put(fixedBlock, typeBits);
    writeSteps(lastStep, at.fixedLiteralCodes, at.fixedDistanceCodes);
  } else {
    put(ownBlock, typeBits);
    writeCodes();
    writeSteps(lastStep, at.literalCodes, at.distanceCodes);
  }
  // The header of the empty stored block, filled up to a byte.
  put(0, typeBits);
  return <u32>(to - at.output) + (pendingCount > 0 ? 1 : 0);
}

/** Makes the codes of blocks without their own, once. */
export function makeFixedCodes(): void {
  codes.writeFixedLengths();
  codes.countLengths(at.codeLengths, at.literalSymbols, at.perLength);
  codes.makeCodes(at.codeLengths, at.literalSymbols, at.fixedLiteralCodes);
  codes.countLengths(at.codeLengths + at.literalSymbols, at.distanceSymbols, at.perLength);
  codes.makeCodes(at.codeLengths + at.literalSymbols, at.distanceSymbols, at.fixedDistanceCodes);
}

/** Writes the steps that make up the input, counts the symbols they take, and returns the last one, which copies nothing. */
function findCopies(length: u32, window: u32): usize {
  const shift: u32 = length < 1024 ? 22 : length < 4096 ? 21 : 20;
  memory.fill(at.lastSeen, 0, 2 << (32 - shift));
  const end = at.input + length;
  const last = end - shortestCopy;
  let step = at.steps;
  let from = at.input;
  let here = at.input;
  let found: usize = 0;
  let copied: u32 = 0;
  while (here <= last) {
    const bytes = load<u32>(here);
    const place = placeOf(bytes, shift);
    // Counted from 1, so that 0 leads to a place before the input.
    const other = at.input - 1 + load<u16>(place);
    store<u16>(place, here - at.input + 1);
    let longer: u32 = 0;
    if (other >= at.input && here - other <= window && load<u32>(other) === bytes) {
      longer = commonLength(other, here, end);
    } else if (copied === 0) {
      at.increment(at.literalCounts + ((<u32>load<u8>(here++)) << 1));
      continue;
    }
    if (longer > copied) {
      // The copy that began a byte earlier is given up.
      if (copied > 0) at.increment(at.literalCounts + ((<u32>load<u8>(here - 1)) << 1));
      found = other;
      copied = longer;
      here++;
      if (copied < longEnough && here <= last) continue;
    }
    const start = here - 1;
    const distance = <u32>(start - found - 1);
    store<u32>(step, start - from);
    store<u32>(step + 4, (distance << 8) | (copied - 3));
    step += 8;
    at.increment(at.literalCounts + ((at.firstLength + codes.symbolOfLength(copied - 3)) << 1));
    at.increment(at.distanceCounts + (codes.symbolOfDistance(distance) << 1));
    from = start + copied;
    // Every second place is noted: twice as many find next to nothing more.
    for (const until = min(from, last + 1); here < until; here += 2) {
      store<u16>(placeOf(load<u32>(here), shift), here - at.input + 1);
    }
    here = from;
    copied = 0;
  }
  while (here < end) at.increment(at.literalCounts + ((<u32>load<u8>(here++)) << 1));
  store<u32>(step, end - from);
  return step;
}

/** Where it is noted at which place four bytes were last seen. */
function placeOf(bytes: u32, shift: u32): usize {
  return at.lastSeen + (((bytes * 0x9e3779b1) >> shift) << 1);
}

/** The length of the copy from `found`, whose first four bytes are the same as those from `here` on. */
function commonLength(found: usize, here: usize, end: usize): u32 {
  const most = min(end - here, longestCopy);
  let length = shortestCopy;
  while (length + 8 <= most) {
    const difference = load<u64>(found + length) ^ load<u64>(here + length);
    if (difference !== 0) return <u32>length + <u32>(ctz(difference) >> 3);
    length += 8;
  }
  while (length < most && load<u8>(found + length) === load<u8>(here + length)) length++;
  return <u32>length;
}

/** The bits behind the symbols of lengths and distances. */
function extraBits(): u32 {
  let total: u32 = 0;
  for (let symbol: u32 = 8; symbol < 28; symbol++) {
    total += codes.extraOfLength(symbol) * load<u16>(at.literalCounts + ((at.firstLength + symbol) << 1));
  }
  for (let symbol: u32 = 4; symbol < 30; symbol++) {
    total += codes.extraOfDistance(symbol) * load<u16>(at.distanceCounts + (symbol << 1));
  }
  return total;
}

/** The bits of all symbols in the fixed codes. */
function fixedBits(): u32 {
  let total: u32 = 0;
  const end = at.distanceCounts + 2 * at.distanceSymbols;
  for (let place = at.skipZeros(at.literalCounts, end); place < end; ) {
    // The codes of distances lie behind those of literals, as their counts do.
    const symbol = <u32>(place - at.literalCounts) >> 1;
    const code = load<u32>(at.fixedLiteralCodes + (symbol << 2));
    total += (code >> 16) * load<u16>(at.literalCounts + (symbol << 1));
    place = at.skipZeros(at.literalCounts + ((symbol + 1) << 1), end);
  }
  return total;
}

/** Chooses the codes of the block, and returns the bits that they and all symbols take. */
function planCodes(): u32 {
  let total = codes.makeLengths(at.literalCounts, 286, at.longestCode, at.codeLengths);
  codes.makeCodes(at.codeLengths, 286, at.literalCodes);
  literals = lengthWithoutZeros(at.codeLengths, 286);
  const ofDistances = at.codeLengths + literals;
  total += codes.makeLengths(at.distanceCounts, 30, at.longestCode, ofDistances);
  codes.makeCodes(ofDistances, 30, at.distanceCodes);
  distances = lengthWithoutZeros(ofDistances, 30);
  memory.fill(at.lengthCounts, 0, 2 * at.lengthSymbols);
  total += findRuns(at.codeLengths + literals + distances);
  total += codes.makeLengths(at.lengthCounts, at.lengthSymbols, 7, at.lengthCodeLengths);
  codes.makeCodes(at.lengthCodeLengths, at.lengthSymbols, at.lengthCodes);
  lengths = at.lengthSymbols;
  while (lengths > 4 && load<u8>(at.lengthCodeLengths + load<u8>(at.lengthsInOrder + lengths - 1)) === 0) lengths--;
  return total + 5 + 5 + 4 + 3 * lengths;
}

/** How many lengths there are up to the last that is not 0. */
function lengthWithoutZeros(from: usize, most: u32): u32 {
  while (load<u8>(from + most - 1) === 0) most--;
  return most;
}

/** Writes the lengths of the codes as symbols, counts these, and returns the number of their extra bits. */
function findRuns(end: usize): u32 {
  let extra: u32 = 0;
  runsEnd = at.runs;
  for (let place = at.codeLengths; place < end; ) {
    const length: u32 = load<u8>(place);
    const from = place;
    if (length === 0) place = at.skipZeros(place, end);
    else while (++place < end && load<u8>(place) === length) {}
    let same = <u32>(place - from);
    if (length !== 0) {
      addRun(length, 0);
      same--;
    }
    while (same >= 3) {
      const few = length !== 0 ? 6 : same < 11 ? 10 : 138;
      const taken = min(same, few);
      const symbol = length !== 0 ? repeat : same < 11 ? fewZeros : manyZeros;
      addRun(symbol, taken - (symbol === manyZeros ? 11 : 3));
      extra += bitsOfRun(symbol);
      same -= taken;
    }
    while (same-- > 0) addRun(length, 0);
  }
  return extra;
}

function addRun(symbol: u32, extra: u32): void {
  store<u16>(runsEnd, symbol | (extra << 8));
  runsEnd += 2;
  at.increment(at.lengthCounts + (symbol << 1));
}

/** The number of extra bits behind a symbol of code lengths. */
function bitsOfRun(symbol: u32): u32 {
  return symbol < repeat ? 0 : symbol === repeat ? 2 : symbol === fewZeros ? 3 : 7;
}

/** Writes the block's own codes (section 3.2.7). */
function writeCodes(): void {
  put(literals - 257, 5);
  put(distances - 1, 5);
  put(lengths - 4, 4);
  for (let index: u32 = 0; index < lengths; index++) {
    put(load<u8>(at.lengthCodeLengths + load<u8>(at.lengthsInOrder + index)), 3);
  }
  for (let run = at.runs; run < runsEnd; run += 2) {
    const symbol: u32 = load<u8>(run);
    putCode(load<u32>(at.lengthCodes + (symbol << 2)));
    put(load<u8>(run + 1), bitsOfRun(symbol));
  }
}

/** Writes the steps up to `last`, and the end of the block. */
function writeSteps(last: usize, literalCodes: usize, distanceCodes: usize): void {
  let from = at.input;
  for (let step = at.steps; ; step += 8) {
    from = writeLiterals(from, from + load<u32>(step), literalCodes);
    if (step === last) break;
    const copy = load<u32>(step + 4);
    const length = copy & 0xff;
    const distance = copy >> 8;
    const ofLength = codes.symbolOfLength(length);
    const ofDistance = codes.symbolOfDistance(distance);
    const lengthCode = load<u32>(literalCodes + ((at.firstLength + ofLength) << 2));
    const distanceCode = load<u32>(distanceCodes + (ofDistance << 2));
    // All of it is 48 bits at most, and so put at once.
    let bits = <u64>(lengthCode & 0xffff);
    let count = lengthCode >> 16;
    bits |= (<u64>(length - codes.baseOfLength(ofLength))) << count;
    count += codes.extraOfLength(ofLength);
    bits |= (<u64>(distanceCode & 0xffff)) << count;
    count += distanceCode >> 16;
    bits |= (<u64>(distance - codes.baseOfDistance(ofDistance))) << count;
    put(bits, count + codes.extraOfDistance(ofDistance));
    from += length + 3;
  }
  putCode(load<u32>(literalCodes + (at.endOfBlock << 2)));
}

/** As `putCode` for each byte up to `end`, which is returned; most of the time goes by here, and locals are faster. */
function writeLiterals(from: usize, end: usize, literalCodes: usize): usize {
  let bits = pending;
  let count = pendingCount;
  let out = to;
  for (; from < end; from++) {
    const code = load<u32>(literalCodes + ((<u32>load<u8>(from)) << 2));
    bits |= (<u64>(code & 0xffff)) << count;
    count += code >> 16;
    store<u64>(out, bits);
    out += <usize>(count >> 3);
    bits >>= count & 0x38;
    count &= 7;
  }
  pending = bits;
  pendingCount = count;
  to = out;
  return end;
}

function putCode(code: u32): void {
  put(code & 0xffff, code >> 16);
}

/** Writes the low bits of a value, which has no others; the bytes that are not full yet are written, too. */
function put(value: u64, length: u32): void {
  pending |= value << pendingCount;
  pendingCount += length;
  store<u64>(to, pending);
  to += <usize>(pendingCount >> 3);
  pending >>= pendingCount & 0x38;
  pendingCount &= 7;
}

/** Writes the input as it is, in a stored block and the header of the empty one (section 3.2.4). */
function writeStored(length: u32): u32 {
  store<u8>(at.output, 0);
  store<u16>(at.output + 1, length);
  store<u16>(at.output + 3, ~length);
  memory.copy(at.output + 5, at.input, length);
  store<u8>(at.output + 5 + length, 0);
  return length + storedExtra;
}
