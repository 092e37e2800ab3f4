/**
 * How a zlib stream comes to know the bytes that came before its first.
 *
 * By a dictionary where the runtime's raw streams look at one. Deno's do not (tried with 2.9): there a deflater makes no
 * use of the history, and an inflater, which must know it, is given it as stored blocks ahead of the message.
 */
import { constants, inflateRawSync } from "node:zlib";

/** zlib's options for a stream with this history. */
export function withHistory<Options extends object>(
  options: Options,
  history: Uint8Array,
): Options & { readonly dictionary?: Uint8Array } {
  return history.length === 0 ? options : { ...options, dictionary: history };
}

/**
 * What an inflater must be fed ahead of the message, whose output is `history` itself; nothing where the dictionary does.
 */
export function blocksAhead(history: Uint8Array): Uint8Array {
  if (history.length === 0) return noBytes;
  dictionaries ??= tryDictionary();
  return dictionaries ? noBytes : storedBlocks(history);
}

/** The bytes as they are, in blocks that need no compressor (RFC 1951 section 3.2.4). */
export function storedBlocks(bytes: Uint8Array): Uint8Array {
  const most = 0xffff;
  const blocks: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += most) {
    const block = bytes.subarray(start, start + most);
    const { length } = block;
    blocks.push(Uint8Array.of(0x00, length, length >> 8, ~length, ~length >> 8), block);
  }
  return Buffer.concat(blocks);
}

const noBytes = new Uint8Array(0);

let dictionaries: boolean | undefined;

/** Inflates the example of RFC 7692 section 7.2.3.2: five bytes that refer to the five before them. */
function tryDictionary(): boolean {
  try {
    const message = Uint8Array.of(0xf2, 0x00, 0x11, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff);
    const options = withHistory({ finishFlush: constants.Z_SYNC_FLUSH }, Buffer.from("Hello"));
    return inflateRawSync(message, options).toString() === "Hello";
  } catch {
    return false;
  }
}
