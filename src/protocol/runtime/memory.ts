/**
 * Memory for bytes: allocated, copied, joined.
 *
 * On Node every result is of the class that its sockets hand out, so that V8 sees one kind of array on the hot paths.
 */

import { type BufferClass, type BufferMethods, bufferClass, bufferMethods } from "./natives.ts";

/** Allocates bytes in an `ArrayBuffer` of their own. Their content is arbitrary until it is written. */
export const allocateBytes: (length: number) => Uint8Array<ArrayBuffer> =
  bufferClass === undefined ? (length) => new Uint8Array(length) : allocateNatively(bufferClass);

/** Returns all bytes of an `ArrayBuffer`, without a copy. */
export const bytesOver: (memory: ArrayBuffer) => Uint8Array<ArrayBuffer> =
  bufferClass?.from ?? ((memory) => new Uint8Array(memory));

/** Returns a copy, which may share its `ArrayBuffer` with other small copies. */
export const copyBytes: (bytes: Uint8Array) => Uint8Array<ArrayBuffer> =
  bufferClass === undefined ? (bytes) => new Uint8Array(bytes) : copyNatively(bufferClass);

/** Copies `source[start..end)` to `target[at..)`, which must have room for it. */
export const copyRange: (source: Uint8Array, start: number, end: number, target: Uint8Array, at: number) => void =
  bufferMethods.copy === undefined ? copyRangePortably : copyRangeNatively(bufferMethods.copy);

/** Returns all parts in one array, in an `ArrayBuffer` of its own. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = allocateBytes(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function copyRangePortably(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  target.set(source.subarray(start, end), at);
}

/** The method is looked up at each call, so that a test can replace it. */
function allocateNatively(native: BufferClass): typeof allocateBytes {
  return (length) => native.allocUnsafeSlow(length);
}

/** The method is looked up at each call, as in `allocateNatively`. */
function copyNatively(native: BufferClass): typeof copyBytes {
  return (bytes) => native.from(bytes);
}

function copyRangeNatively(copy: BufferMethods["copy"]): typeof copyRange {
  return (source, start, end, target, at) => void copy.call(source, target, at, start, end);
}
