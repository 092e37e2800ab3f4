/**
 * Where everything lies in the module's memory.
 *
 * Nothing of a message may reach the next one's result: but for the tables of the fixed codes, each call reads only what
 * it wrote itself.
 */

/** The most bytes that are compressed, or inflated from, in one call. */
export const longestInput: u32 = 16 * 1024;
/** The most bytes that are inflated to. */
export const longestOutput: u32 = 64 * 1024;

// The symbols of RFC 1951 section 3.2: literals and lengths, with two that only the fixed code has; distances, with two
// likewise; the lengths of codes.
export const literalSymbols: u32 = 288;
export const distanceSymbols: u32 = 32;
export const lengthSymbols: u32 = 19;

/** Literals stand for themselves; this ends a block, and those behind it are lengths. */
export const endOfBlock: u32 = 256;
export const firstLength: u32 = 257;

/** The most bits of a code. */
export const longestCode: u32 = 15;

/** The order in which the lengths of the code of code lengths are written (section 3.2.7). */
export const lengthsInOrder: usize = memory.data<u8>([
  16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
]);

// How often each symbol is used, 16 bits each.
export const literalCounts: usize = 0x400;
export const distanceCounts: usize = literalCounts + 2 * literalSymbols;
export const lengthCounts: usize = distanceCounts + 2 * distanceSymbols;

// The length of each symbol's code, 8 bits each; the distances' may begin before their place, where literals are fewer.
export const codeLengths: usize = lengthCounts + 64;
export const lengthCodeLengths: usize = codeLengths + literalSymbols + distanceSymbols;

// Each symbol's code, 32 bits each: its bits as they are written in the low half, how many they are in the high half.
export const literalCodes: usize = lengthCodeLengths + 64;
export const distanceCodes: usize = literalCodes + 4 * literalSymbols;
export const lengthCodes: usize = distanceCodes + 4 * distanceSymbols;
export const fixedLiteralCodes: usize = lengthCodes + 128;
export const fixedDistanceCodes: usize = fixedLiteralCodes + 4 * literalSymbols;

/** Code lengths as the symbols that stand for them, 16 bits each, with their extra bits in the high half. */
export const runs: usize = fixedDistanceCodes + 4 * distanceSymbols;

// The symbols in use below how often they are used, 32 bits each: in their own order, and the rarest first.
export const usedSymbols: usize = runs + 2 * (literalSymbols + distanceSymbols);
export const rankedSymbols: usize = usedSymbols + 4 * literalSymbols;

// The inner nodes of Huffman's tree: their weights, 32 bits each, and their parents, later their depths, 16 bits each.
export const nodeWeights: usize = rankedSymbols + 4 * literalSymbols;
export const nodeParents: usize = nodeWeights + 4 * literalSymbols;

// How many codes there are of each length, and which comes next, 16 bits each.
export const perLength: usize = nodeParents + 2 * literalSymbols;
export const perLengthOfLiterals: usize = perLength + 32;
export const perLengthOfDistances: usize = perLengthOfLiterals + 32;
export const nextOfLength: usize = perLengthOfDistances + 32;

// What the next bits stand for, 32 bits an entry.
export const literalTable: usize = nextOfLength + 64;
export const distanceTable: usize = literalTable + 4 * 1024;
export const lengthTable: usize = distanceTable + 4 * 256;
export const fixedLiteralTable: usize = lengthTable + 4 * 128;
export const fixedDistanceTable: usize = fixedLiteralTable + 4 * 512;

// The symbols that have codes, in the order of these, 16 bits each.
export const literalOrder: usize = fixedDistanceTable + 4 * 32;
export const distanceOrder: usize = literalOrder + 2 * literalSymbols;
export const lengthOrder: usize = distanceOrder + 2 * distanceSymbols;

/** Where in the input four bytes with a certain hash were last seen, counted from 1, 16 bits each. */
export const lastSeen: usize = 0x8000;

/** What a message is made of: a number of literals, and a copy behind them, 32 bits each. */
export const steps: usize = 0xc000;

/** What is worked on; three times the room, for text whose length in bytes is not known before it is written here. */
export const input: usize = 0x18000;

/** What comes out, with room to write a little more than is kept. */
export const output: usize = 0x25000;

/** How many symbols are used so often, 16 bits each: codes are made before there is output. */
export const perCount: usize = output;

/** The first byte from a place on that is not 0; the end if there is none. */
export function skipZeros(from: usize, end: usize): usize {
  while (from + 8 <= end && load<u64>(from) === 0) from += 8;
  while (from < end && load<u8>(from) === 0) from++;
  return from;
}

/** Adds one to a number of 16 bits. */
export function increment(place: usize): void {
  store<u16>(place, load<u16>(place) + 1);
}
