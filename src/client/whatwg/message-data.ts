/**
 * The conversions between the data of a `WebSocket` and the messages of its connection.
 */

import { Buffer } from "node:buffer";
import { isBlob } from "../../connection/sending/sendable.ts";
import { isBufferSource, viewBufferSource } from "./buffer-source.ts";
import { toUSVString } from "./webidl.ts";

/**
 * Converts the argument of `send` to `(BufferSource or Blob or USVString)`, without a copy.
 *
 * Throws a TypeError for a symbol, and for memory that is shared or can be resized.
 */
export function toMessage(data: unknown): string | Uint8Array | Blob {
  if (typeof data === "string") return data;
  if (isBufferSource(data)) return viewBufferSource(data);
  if (isBlob(data)) return data;
  return toUSVString(data);
}

/** The length of a message's payload in bytes, of UTF-8 for text. */
export function sizeOf(message: string | Uint8Array | Blob): number {
  if (typeof message === "string") return Buffer.byteLength(message);
  return message instanceof Blob ? message.size : message.length;
}

/** The data of a binary message in the form that `binaryType` asks for; an ArrayBuffer holds the message alone. */
export function toBinary(data: Uint8Array, type: "blob" | "arraybuffer"): Blob | ArrayBuffer {
  if (type === "blob") return new Blob([data]);
  if (data.byteLength === data.buffer.byteLength) return data.buffer as ArrayBuffer;
  // Takes half the time of `slice` (measured on Node 20).
  const own = new ArrayBuffer(data.byteLength);
  new Uint8Array(own).set(data);
  return own;
}
