/**
 * Frames as the load generator sends and expects them (RFC 6455 section 5.2), built without the library under test.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";

/** What a frame here can carry: a whole message. */
export type FrameKind = "text" | "binary" | "deflated text";

const firstBytes: Readonly<Record<FrameKind, number>> = { text: 0x81, binary: 0x82, "deflated text": 0xc1 };

/** A client's frame under a random masking key. */
export function clientFrame(kind: FrameKind, payload: Uint8Array): Buffer {
  const key = randomBytes(4);
  const masked = Buffer.from(payload);
  for (let i = 0; i < masked.length; i++) masked[i]! ^= key[i & 3]!;
  return Buffer.concat([header(kind, 0x80, payload.length), key, masked]);
}

/** A server's frame. */
export function serverFrame(kind: FrameKind, payload: Uint8Array): Buffer {
  return Buffer.concat([header(kind, 0, payload.length), payload]);
}

function header(kind: FrameKind, mask: number, length: number): Buffer {
  const bytes = Buffer.alloc(length < 126 ? 2 : length < 65536 ? 4 : 10);
  bytes[0] = firstBytes[kind];
  bytes[1] = mask | (length < 126 ? length : length < 65536 ? 126 : 127);
  if (bytes.length === 4) bytes.writeUInt16BE(length, 2);
  if (bytes.length === 10) bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes;
}
