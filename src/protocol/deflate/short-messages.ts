/**
 * Short messages through permessage-deflate without context takeover (RFC 7692 section 7.2), in WebAssembly.
 *
 * A message goes into the module's memory and its result comes out of it within one call; no view of that memory leaves
 * this file. Whatever is not a whole, valid message of a length that fits is left to the caller, who has zlib: so zlib
 * alone says what is wrong with data.
 */

import { lengthOf } from "../bytes.ts";
import { bytesOver, copyRange } from "../runtime/memory.ts";
import { decodeLatin1, decodeUtf8, isUtf8, writeUtf8 } from "../runtime/text.ts";
import { instantiate } from "../runtime/web-assembly.ts";
import { moduleBase64 } from "./module.ts";

/**
 * The most bytes that are compressed in one call, and of compressed data that are inflated: `longestInput` of
 * `kernels/deflate/memory.ts`.
 */
export const longestShort: number = 16 * 1024;

/** A message of text that was decoded where it was inflated; all of it is valid UTF-8. */
export interface InflatedText {
  readonly text: string;
}

/** What the module exports; the functions are described in `kernels/deflate/`. */
interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly input: { readonly value: number };
  readonly output: { readonly value: number };
  readonly deflate: (length: number, window: number) => number;
  readonly inflate: (length: number) => number;
}

/** The module once it was of use, or null where the runtime has none. */
let loaded: Module | null | undefined;

/** Whether this runtime can do it; the first call loads the module. */
export function canDeflateShort(): boolean {
  return load() !== null;
}

/**
 * Compresses a message for a window of that many bits, 8 to 15, into memory that `allocate` returns: one block and the
 * first byte of an empty one, without the four bytes that are not sent. Undefined where the message is longer than
 * `longestShort`, or the runtime cannot do it.
 */
export function deflateShort(
  message: string | Uint8Array,
  windowBits: number,
  allocate: (length: number) => Uint8Array,
): Uint8Array | undefined {
  return load()?.deflate(message, windowBits, allocate);
}

/**
 * Inflates a message, which must not be longer than `limit` bytes: to a string if `asText` is set and it is one, else to
 * bytes in memory of their own. `needs-zlib` where the data is not whole and valid, or comes out longer than 64 KiB, or
 * is longer than `longestShort`, or the runtime cannot do it.
 */
export function inflateShort(
  payload: Uint8Array,
  limit: number,
  asText: boolean,
): Uint8Array | InflatedText | "message-too-big" | "needs-zlib" {
  return load()?.inflate(payload, limit, asText) ?? "needs-zlib";
}

function load(): Module | null {
  if (loaded === undefined) {
    const kernel = instantiate<Kernel>(moduleBase64);
    loaded = kernel === undefined ? null : new Module(kernel);
  }
  return loaded;
}

/** The module and its memory, which never grows. */
class Module {
  readonly #kernel: Kernel;
  readonly #memory: Uint8Array;
  /** The same memory; what is cut out of it is a plain Uint8Array. */
  readonly #plain: Uint8Array<ArrayBuffer>;
  readonly #input: number;
  readonly #output: number;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#memory = bytesOver(kernel.memory.buffer);
    this.#plain = new Uint8Array(kernel.memory.buffer);
    this.#input = kernel.input.value;
    this.#output = kernel.output.value;
  }

  deflate(
    message: string | Uint8Array,
    windowBits: number,
    allocate: (length: number) => Uint8Array,
  ): Uint8Array | undefined {
    const length = this.#write(message);
    if (length > longestShort) return undefined;
    const compressed = this.#kernel.deflate(length, 2 ** windowBits);
    const copy = allocate(compressed);
    copyRange(this.#memory, this.#output, this.#output + compressed, copy, 0);
    return copy;
  }

  inflate(payload: Uint8Array, limit: number, asText: boolean): ReturnType<typeof inflateShort> {
    const compressed = this.#write(payload);
    if (compressed > longestShort) return "needs-zlib";
    const outcome = this.#kernel.inflate(compressed);
    if (outcome < 0) return "needs-zlib";
    const length = outcome >>> 1;
    if (length > limit) return "message-too-big";
    const end = this.#output + length;
    if (asText) {
      const text = this.#decode(end, (outcome & 1) === 0);
      if (text !== undefined) return { text };
    }
    return this.#plain.slice(this.#output, end);
  }

  /** Writes the input and returns its length; a longer one than can be worked on is not written whole. */
  #write(message: string | Uint8Array): number {
    if (typeof message === "string") {
      return message.length > longestShort ? message.length : writeUtf8(this.#memory, this.#input, message);
    }
    const length = lengthOf(message);
    if (length <= longestShort) this.#plain.set(message, this.#input);
    return length;
  }

  /** The output as text; undefined when it is none. */
  #decode(end: number, ascii: boolean): string | undefined {
    if (ascii) return decodeLatin1(this.#memory, this.#output, end);
    const text = decodeUtf8(this.#memory, this.#output, end);
    // Decoding turns what is not UTF-8 into U+FFFD, so most text needs no second pass.
    return text.includes("\ufffd") && !isUtf8(this.#memory.subarray(this.#output, end)) ? undefined : text;
  }
}
