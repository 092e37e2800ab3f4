/**
 * What a message is wrapped in on its way through the broker: who published it, and whether it is text.
 *
 * Byte 0 is the version, 1. Byte 1 has flags: 1 for text. Then come 8 bytes of the node, and 16 of the publisher's session,
 * all zero without one. A version is read one release before it is written.
 */

import { Buffer } from "node:buffer";

const version = 1;
const textFlag = 1;
/** How many bytes the wrapping takes. */
export const wrappingLength = 26;

/** A message with its wrapping off. */
export interface Unwrapped {
  /** Text, or bytes. */
  readonly data: string | Uint8Array;
  /** The node that published it, in hexadecimal. */
  readonly node: string;
  /** The session that does not get its own message, in hexadecimal; empty for none. */
  readonly session: string;
}

const noSession = "0".repeat(32);

/** Wraps a message. */
export function wrap({ data, node, session }: Unwrapped): Uint8Array {
  const isText = typeof data === "string";
  const length = isText ? Buffer.byteLength(data) : data.length;
  const wrapped = Buffer.allocUnsafe(wrappingLength + length);
  wrapped[0] = version;
  wrapped[1] = isText ? textFlag : 0;
  wrapped.write(node, 2, "hex");
  wrapped.write(session || noSession, 10, "hex");
  if (isText) wrapped.write(data, wrappingLength);
  else wrapped.set(data, wrappingLength);
  return wrapped;
}

/** Takes the wrapping off; undefined for what cannot be read. */
export function unwrap(wrapped: Uint8Array): Unwrapped | undefined {
  if (wrapped.length < wrappingLength || wrapped[0] !== version || wrapped[1]! > textFlag) return undefined;
  const bytes = Buffer.from(wrapped.buffer, wrapped.byteOffset, wrapped.length);
  const session = bytes.toString("hex", 10, wrappingLength);
  const data = bytes.subarray(wrappingLength);
  try {
    return {
      data: wrapped[1] === textFlag ? utf8.decode(data) : data,
      node: bytes.toString("hex", 2, 10),
      session: session === noSession ? "" : session,
    };
  } catch {
    // Text that is no UTF-8 must not reach a client.
    return undefined;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
