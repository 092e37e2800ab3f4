/**
 * Huffman codes as RFC 1951 section 3.2 writes them: of least length for symbols by their use, from lengths to bits, and
 * the values that lengths and distances stand for.
 */
import * as at from "./memory";

/**
 * Writes the length of each symbol's code, 0 for those that are not used, and returns the bits of all uses. At least two
 * symbols get a code: not every inflater reads a code of one.
 */
export function makeLengths(counts: usize, symbols: u32, mostBits: u32, lengths: usize): u32 {
  countPerLength(rankByUse(counts, symbols), mostBits);
  memory.fill(lengths, 0, symbols);
  let total: u32 = 0;
  let next = at.rankedSymbols;
  for (let bits = mostBits; bits > 0; bits--) {
    for (let left: u32 = load<u16>(at.perLength + (bits << 1)); left > 0; left--) {
      const symbol = load<u32>(next);
      store<u8>(lengths + (symbol & 0xffff), bits);
      total += (symbol >> 16) * bits;
      next += 4;
    }
  }
  return total;
}

/** Writes the codes that their lengths stand for (section 3.2.2); `at.perLength` says how many there are of each. */
export function makeCodes(lengths: usize, symbols: u32, codes: usize): void {
  let code: u32 = 0;
  for (let bits: u32 = 1; bits <= at.longestCode; bits++) {
    store<u16>(at.nextOfLength + (bits << 1), code);
    code = (code + load<u16>(at.perLength + (bits << 1))) << 1;
  }
  const end = lengths + symbols;
  for (let place = at.skipZeros(lengths, end); place < end; place = at.skipZeros(place + 1, end)) {
    const bits: u32 = load<u8>(place);
    const next = at.nextOfLength + (bits << 1);
    store<u32>(codes + ((place - lengths) << 2), (bits << 16) | reversed(load<u16>(next), bits));
    at.increment(next);
  }
}

/** Writes how many codes there are of each length. */
export function countLengths(lengths: usize, symbols: u32, perLength: usize): void {
  memory.fill(perLength, 0, 32);
  const end = lengths + symbols;
  for (let place = at.skipZeros(lengths, end); place < end; place = at.skipZeros(place + 1, end)) {
    at.increment(perLength + ((<u32>load<u8>(place)) << 1));
  }
}

/** Writes the lengths of the fixed codes (section 3.2.6), of literals and behind them of distances. */
export function writeFixedLengths(): void {
  memory.fill(at.codeLengths, 8, 144);
  memory.fill(at.codeLengths + 144, 9, 112);
  memory.fill(at.codeLengths + 256, 7, 24);
  memory.fill(at.codeLengths + 280, 8, 8);
  memory.fill(at.codeLengths + at.literalSymbols, 5, at.distanceSymbols);
}

/** The low `length` bits of a code in the opposite order: its highest bit is written first. */
export function reversed(code: u32, length: u32): u32 {
  code = ((code >> 1) & 0x5555) | ((code & 0x5555) << 1);
  code = ((code >> 2) & 0x3333) | ((code & 0x3333) << 2);
  code = ((code >> 4) & 0x0f0f) | ((code & 0x0f0f) << 4);
  code = (code >> 8) | ((code & 0xff) << 8);
  return code >> (16 - length);
}

/** The symbol, counted from `at.firstLength`, of a length less 3 (section 3.2.5). */
export function symbolOfLength(length: u32): u32 {
  if (length < 8) return length;
  if (length === 255) return 28;
  const top = 31 - clz(length);
  return ((top - 1) << 2) + ((length >> (top - 2)) & 3);
}

/** The number of extra bits behind that symbol. */
export function extraOfLength(symbol: u32): u32 {
  return symbol < 8 || symbol === 28 ? 0 : (symbol >> 2) - 1;
}

/** The least length, less 3, of that symbol. */
export function baseOfLength(symbol: u32): u32 {
  if (symbol === 28) return 255;
  return symbol < 8 ? symbol : (4 + (symbol & 3)) << extraOfLength(symbol);
}

/** The symbol of a distance less 1 (section 3.2.5). */
export function symbolOfDistance(distance: u32): u32 {
  if (distance < 4) return distance;
  const top = 31 - clz(distance);
  return (top << 1) + ((distance >> (top - 1)) & 1);
}

/** The number of extra bits behind that symbol. */
export function extraOfDistance(symbol: u32): u32 {
  return symbol < 4 ? 0 : (symbol >> 1) - 1;
}

/** The least distance, less 1, of that symbol. */
export function baseOfDistance(symbol: u32): u32 {
  return symbol < 4 ? symbol : (2 + (symbol & 1)) << extraOfDistance(symbol);
}

/** Writes the symbols that are used, the rarest first, and returns their number, with unused ones two at least. */
function rankByUse(counts: usize, symbols: u32): u32 {
  let used: u32 = 0;
  let most: u32 = 0;
  const end = counts + (symbols << 1);
  for (let place = at.skipZeros(counts, end); place < end; ) {
    const symbol = <u32>(place - counts) >> 1;
    const count: u32 = load<u16>(counts + (symbol << 1));
    store<u32>(at.usedSymbols + (used++ << 2), (count << 16) | symbol);
    most = max(most, count);
    place = at.skipZeros(counts + ((symbol + 1) << 1), end);
  }
  for (let symbol: u32 = 0; used < 2; symbol++) {
    if (load<u16>(counts + (symbol << 1)) === 0) store<u32>(at.usedSymbols + (used++ << 2), symbol);
  }
  // The place of each count becomes the rank of the first symbol that is used so often.
  memory.fill(at.perCount, 0, (most + 2) << 1);
  for (let index: u32 = 0; index < used; index++) {
    at.increment(at.perCount + (((load<u32>(at.usedSymbols + (index << 2)) >> 16) + 1) << 1));
  }
  let rarer: u32 = 0;
  for (let count: u32 = 1; count <= most; count++) {
    const place = at.perCount + (count << 1);
    rarer += load<u16>(place);
    store<u16>(place, rarer);
  }
  for (let index: u32 = 0; index < used; index++) {
    const symbol = load<u32>(at.usedSymbols + (index << 2));
    const rank = at.perCount + ((symbol >> 16) << 1);
    store<u32>(at.rankedSymbols + ((<u32>load<u16>(rank)) << 2), symbol);
    at.increment(rank);
  }
  return used;
}

/**
 * Writes how many codes of each length make the whole shortest. Huffman's tree is built from the leaves, which are there
 * by weight, so that its inner nodes are made by weight, too; then each inner node, from the root on, takes the place of
 * a leaf and hangs two leaves below it. A node that is too deep takes that of the deepest leaf that is not.
 */
function countPerLength(leaves: u32, mostBits: u32): void {
  const root = leaves - 2;
  let leaf: u32 = 0;
  let inner: u32 = 0;
  for (let node: u32 = 0; node <= root; node++) {
    let weight: u32 = 0;
    for (let child = 0; child < 2; child++) {
      const ofLeaf = leaf < leaves ? load<u32>(at.rankedSymbols + (leaf << 2)) >> 16 : u32.MAX_VALUE;
      const ofInner = inner < node ? load<u32>(at.nodeWeights + (inner << 2)) : u32.MAX_VALUE;
      if (ofLeaf <= ofInner) {
        weight += ofLeaf;
        leaf++;
      } else {
        weight += ofInner;
        store<u16>(at.nodeParents + (inner << 1), node);
        inner++;
      }
    }
    store<u32>(at.nodeWeights + (node << 2), weight);
  }
  memory.fill(at.perLength, 0, 32);
  store<u16>(at.perLength + 2, 2);
  store<u16>(at.nodeParents + (root << 1), 0);
  for (let node = root; node-- > 0; ) {
    const parent: u32 = load<u16>(at.nodeParents + (node << 1));
    let depth: u32 = load<u16>(at.nodeParents + (parent << 1)) + 1;
    store<u16>(at.nodeParents + (node << 1), depth);
    if (depth >= mostBits) {
      depth = mostBits - 1;
      while (load<u16>(at.perLength + (depth << 1)) === 0) depth--;
    }
    const place = at.perLength + (depth << 1);
    store<u16>(place, load<u16>(place) - 1);
    store<u16>(place + 2, load<u16>(place + 2) + 2);
  }
}
