/**
 * The conversion of a BufferSource, an ArrayBuffer or a view of one, to its bytes, as Web IDL specifies it.
 */

import { isArrayBuffer, memoryOf, viewSource } from "../../protocol/bytes.ts";

/** The runtime's own getter; undefined in a runtime whose memory cannot be resized. */
const isResizable = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "resizable")?.get as
  | ((this: ArrayBuffer) => boolean)
  | undefined;

/** Whether the value is an ArrayBuffer or a view, of shared memory as well. */
export function isBufferSource(value: unknown): value is ArrayBuffer | ArrayBufferView {
  return ArrayBuffer.isView(value) || isArrayBuffer(value);
}

/** Returns the bytes of a BufferSource, without a copy. Throws a TypeError for memory that is shared or can be resized. */
export function viewBufferSource(source: ArrayBuffer | ArrayBufferView): Uint8Array {
  const memory = memoryOf(source);
  if (!isArrayBuffer(memory)) throw new TypeError("Cannot send: the memory is shared");
  if (isResizable?.call(memory)) throw new TypeError("Cannot send: the buffer can be resized");
  // Transferred memory is empty, and no view can be made of it.
  return memory.byteLength === 0 ? new Uint8Array(0) : viewSource(source)!;
}
