/**
 * A message as a stream of logs has stored it, and the marks at which epochs of its topics began.
 */

import type { Msg } from "@nats-io/transport-node";

/** A message of a stream. */
interface StreamMessage {
  /** Its number in the stream, which counts all topics' messages. */
  readonly sequence: number;
  /** By what the stream knows it. */
  readonly messageId: string;
  readonly id: string;
  readonly subject: string;
  /** When it was stored, in milliseconds since 1970 of the broker's clock; undefined where the broker did not say. */
  readonly time: number | undefined;
  readonly payload: Uint8Array;
}

/** What a stream sends on when it is stored. */
export interface SentMessage extends StreamMessage {
  /** The number of the message before it in its topic, 0 for none; undefined where the broker did not say. */
  readonly before: number | undefined;
}

/** What is read of a stream. */
export interface StoredMessage extends StreamMessage {
  readonly offset: number;
}

/** The header by which a stream knows what it has stored already. */
export const messageIdHeader = "Nats-Msg-Id";
/** The header with the id of a message that is known by its key. */
export const ownIdHeader = "Openline-Id";

/** Reads a message that a stream sends on; undefined for what is none. */
export function sentMessage({ headers, data }: Msg): SentMessage | undefined {
  const sequence = Number(headers?.get("Nats-Sequence"));
  if (!headers || !Number.isSafeInteger(sequence) || sequence < 1) return undefined;
  const messageId = headers.get(messageIdHeader);
  const time = Date.parse(headers.get("Nats-Time-Stamp"));
  const before = headers.get("Nats-Last-Sequence");
  return {
    sequence,
    messageId,
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
export function isMark({ subject }: SentMessage): boolean {
  return subject.endsWith(".e");
}

/** What a mark says: its name, and where the epoch began unless that is at the mark itself. */
export function markOf({ payload, sequence, time }: StreamMessage): Mark {
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
