/**
 * A message as a stream has stored it, and offsets, which are made of its number in the stream and of its id.
 *
 * A stream that lost its end gives the same numbers again, to other messages; the twelve bits of the id tell those apart.
 */

import type { Msg } from "@nats-io/transport-node";

/** What is stored. */
export interface StoredMessage {
  /** Its number in the stream, which counts all topics' messages. */
  readonly sequence: number;
  readonly offset: number;
  readonly id: string;
  readonly subject: string;
  /** When it was stored, in milliseconds since 1970 of the broker's clock; undefined where the broker did not say. */
  readonly time: number | undefined;
  /** The number of the message before it in its topic, 0 for none; undefined where the broker did not say. */
  readonly before: number | undefined;
  readonly payload: Uint8Array;
}

/** The header by which a stream knows what it has stored already. */
export const messageIdHeader = "Nats-Msg-Id";
/** The header with the id of a message that is known by its key. */
export const ownIdHeader = "Openline-Id";

const idCount = 4096;
/** Stands for an id that is not known; no id gives it. */
const unknownId = idCount - 1;

/** The offset of a message with this number and message id. */
export function offsetOf(sequence: number, messageId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < messageId.length; index++) {
    hash = Math.imul(hash ^ messageId.charCodeAt(index), 0x01000193);
  }
  return sequence * idCount + (((hash ^ (hash >>> 15)) >>> 0) % unknownId);
}

/** An offset that is no message's, behind all messages before the number and none after it. */
export function offsetBehind(sequence: number): number {
  return sequence * idCount + unknownId;
}

/** The number of the message with this offset. */
export function sequenceOf(offset: number): number {
  return Math.floor(offset / idCount);
}

/** Reads a message that a stream sends on, or that is read from one; undefined for what is none. */
export function storedMessage({ headers, data }: Msg): StoredMessage | undefined {
  const sequence = Number(headers?.get("Nats-Sequence"));
  if (!headers || !Number.isSafeInteger(sequence * idCount) || sequence < 1) return undefined;
  const messageId = headers.get(messageIdHeader);
  const time = Date.parse(headers.get("Nats-Time-Stamp"));
  const before = headers.get("Nats-Last-Sequence");
  return {
    sequence,
    offset: offsetOf(sequence, messageId),
    id: headers.get(ownIdHeader) || messageId,
    subject: headers.get("Nats-Subject"),
    time: Number.isNaN(time) ? undefined : time,
    before: before === "" ? undefined : Number(before),
    // A copy: it is a piece of all that the socket brought with it.
    payload: new Uint8Array(data),
  };
}

/** The mark at which an epoch of a topic began. */
export interface Mark {
  readonly name: string;
  /** Messages behind this number are of the epoch. */
  readonly from: number;
  /** Its own number, and when it was stored. */
  readonly sequence: number;
  readonly time: number | undefined;
}

/** Whether it is the mark of an epoch. */
export function isMark({ subject }: StoredMessage): boolean {
  return subject.endsWith(".e");
}

/** What a mark says: its name, and where the epoch began unless that is at the mark itself. */
export function markOf({ payload, sequence, time }: StoredMessage): Mark {
  const [name = "", from = sequence] = new TextDecoder().decode(payload).split(" ");
  return { name, from: Number(from), sequence, time };
}

/** The epoch that a topic is in, by its stream's nonce and its newest mark. */
export function epochOf({ nonce, mark }: { readonly nonce: string; readonly mark: Mark | undefined }): string {
  return mark === undefined ? nonce : `${nonce}.${mark.name}`;
}

/** Whether an epoch is one of the stream's. */
export function isOfStream(epoch: string, nonce: string): boolean {
  return epoch.split(".")[0] === nonce;
}
