/** Bytes as `ws` takes and gives them: always a Buffer. */

import { isBlob } from "../../connection/sending/sendable.ts";
import { viewSource } from "../../protocol/bytes.ts";

/** What stands for no bytes: the same Buffer each time. */
export const emptyBuffer: Buffer<ArrayBuffer> = Buffer.alloc(0);

/** Returns bytes as a Buffer over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What is sent, in one of three forms, with its length in bytes. */
export interface Payload {
  readonly data: Buffer | string | Blob;
  readonly length: number;
  /** Whether the bytes are in the caller's memory, which must stay as it is. */
  readonly readOnly: boolean;
}

/** Returns data in a form that can be sent. Throws a TypeError, that of `Buffer.from`, for what has none. */
export function toPayload(data: unknown): Payload {
  if (typeof data === "string") return { data, length: Buffer.byteLength(data), readOnly: false };
  if (isBlob(data)) return { data, length: data.size, readOnly: false };
  const bytes = viewSource(data);
  if (bytes !== undefined) return { data: asBuffer(bytes), length: bytes.length, readOnly: true };
  // A copy of a list, but the memory itself of a SharedArrayBuffer.
  const buffer = Buffer.from(data as ArrayLike<number>);
  return { data: buffer, length: buffer.length, readOnly: true };
}
