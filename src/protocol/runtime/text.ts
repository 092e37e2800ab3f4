/**
 * Text to bytes and back, in UTF-8 and latin1.
 *
 * Everything here works on ranges of larger arrays, so that a message is decoded where it was received.
 */

import { allocateBytes } from "./memory.ts";
import { type BufferMethods, bufferClass, bufferMethods, nodeBuffer } from "./natives.ts";

/** The most UTF-16 units that a string may have; outside of Node, V8's maximum on 64-bit machines. */
export const longestString: number = nodeBuffer?.constants.MAX_STRING_LENGTH ?? 2 ** 29 - 24;

/** Decodes `bytes[start..end)` as latin1: one character for each byte. */
export const decodeLatin1: (bytes: Uint8Array, start: number, end: number) => string =
  bufferMethods.latin1Slice === undefined ? decodeLatin1Portably : callDecoder(bufferMethods.latin1Slice);

/** Decodes `bytes[start..end)` as UTF-8. What is not UTF-8 becomes U+FFFD, and a byte order mark is kept. */
export const decodeUtf8: (bytes: Uint8Array, start: number, end: number) => string =
  bufferMethods.utf8Slice === undefined ? decodeUtf8Portably() : callDecoder(bufferMethods.utf8Slice);

/** Whether the bytes are UTF-8 from the first to the last. */
export const isUtf8: (bytes: Uint8Array) => boolean = nodeBuffer?.isUtf8 ?? isUtf8Portably();

/** Returns how many bytes of UTF-8 the text takes. A lone surrogate counts as U+FFFD, three bytes. */
export const utf8Length: (text: string) => number = bufferClass?.byteLength ?? utf8LengthPortably;

/** Encodes text as UTF-8. A lone surrogate becomes U+FFFD. */
export const encodeUtf8: (text: string) => Uint8Array<ArrayBuffer> = bufferClass?.from ?? encodeUtf8Portably();

/**
 * Writes text as UTF-8 to `target[at..)`, which must have room for three bytes per UTF-16 unit, and returns the number
 * of bytes written.
 */
export const writeUtf8: (target: Uint8Array, at: number, text: string) => number =
  bufferMethods.utf8Write === undefined ? writeUtf8Portably() : callWriter(bufferMethods.utf8Write);

/** Encodes text as latin1: the low byte of each UTF-16 unit. */
export function encodeLatin1(text: string): Uint8Array<ArrayBuffer> {
  const bytes = allocateBytes(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function callDecoder(decode: BufferMethods["utf8Slice"]): typeof decodeUtf8 {
  return (bytes, start, end) => decode.call(bytes, start, end);
}

function callWriter(write: BufferMethods["utf8Write"]): typeof writeUtf8 {
  return (target, at, text) => write.call(target, text, at, target.length - at);
}

/** The number of arguments that every engine accepts in one call. */
const mostArguments = 4096;

/** `TextDecoder` has no latin1: it takes the label for windows-1252. */
function decodeLatin1Portably(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at += mostArguments) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(at + mostArguments, end)));
  }
  return text;
}

function decodeUtf8Portably(): typeof decodeUtf8 {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return (bytes, start, end) => decoder.decode(bytes.subarray(start, end));
}

function isUtf8Portably(): typeof isUtf8 {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return (bytes) => {
    try {
      decoder.decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
}

function utf8LengthPortably(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    length += unit < 0x800 ? 1 : 2;
    // The two units of a pair take four bytes together.
    if (text.codePointAt(i)! > 0xffff) i++;
  }
  return length;
}

function encodeUtf8Portably(): typeof encodeUtf8 {
  const encoder = new TextEncoder();
  return (text) => encoder.encode(text) as Uint8Array<ArrayBuffer>;
}

function writeUtf8Portably(): typeof writeUtf8 {
  const encoder = new TextEncoder();
  return (target, at, text) => encoder.encodeInto(text, target.subarray(at)).written;
}
