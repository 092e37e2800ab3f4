/**
 * What an application can send, and the checks of what it gives (fault D10).
 */

import { Buffer } from "node:buffer";
import { types } from "node:util";
import { lengthOf, viewSource } from "../../protocol/bytes.ts";
import { PreparedMessage } from "./prepared-message.ts";

/** A message as applications give it: text, bytes in any form, or prepared for many. */
export type Sendable = string | ArrayBuffer | ArrayBufferView | Blob | PreparedMessage;

/** The forms that are sent; every other one is a view of these. */
export type Outgoing = string | Uint8Array | Blob | PreparedMessage;

const blobSize = Object.getOwnPropertyDescriptor(Blob.prototype, "size")!.get! as (this: Blob) => number;

/** Returns the data in a form that can be sent, without a copy. Throws a TypeError for what has none. */
export function checkSendable(data: unknown): Outgoing {
  if (typeof data === "string" || data instanceof Uint8Array) return data;
  if (PreparedMessage.made(data)) return data;
  const bytes = viewSource(data);
  if (bytes !== undefined) return bytes;
  if (isBlob(data)) return data;
  throw new TypeError(
    `Cannot send: data must be a string, an ArrayBuffer, a view of one, or a Blob, not ${kindOfUnsendable(data)}`,
  );
}

/** Returns what cannot be sent in a few words; nothing of it is called. */
export function kindOfUnsendable(data: unknown): string {
  if (data === null) return "null";
  if (types.isPromise(data)) return "a promise: await it first";
  return typeof data === "object" ? "an object; JSON.stringify makes text of one" : typeof data;
}

/** Whether the value is a Blob. An object that only inherits from `Blob.prototype` has no size, and is none. */
export function isBlob(value: unknown): value is Blob {
  if (!(value instanceof Blob)) return false;
  try {
    return blobSize.call(value) >= 0;
  } catch {
    return false;
  }
}

/** Returns how many bytes of payload the data takes, before it is compressed. */
export function sizeOf(data: Outgoing): number {
  if (typeof data === "string") return Buffer.byteLength(data);
  if (data instanceof PreparedMessage) return sizeOf(data.data);
  return data instanceof Blob ? blobSize.call(data) : lengthOf(data);
}
