/** Which messages a connection takes from its peer, and in what form its application gets them. */

import { describe } from "../../protocol/check-options.ts";
import type { AcceptedMessages } from "../../protocol/endpoint/endpoint-options.ts";
import { canLendReads } from "../../transport/streams/shared-reads.ts";
import type { ConnectionOptions, TextForm } from "./connection-options.ts";

/** Text as a string, binary as bytes. */
export type MessageData = string | Uint8Array;

/** Facts about a message that its data does not tell. */
export interface MessageInfo {
  /** Whether it was sent as text; tells the two apart where text is delivered as bytes. */
  readonly text: boolean;
}

/** Which messages a connection takes from its peer. */
export interface AcceptsOption<Accepted extends AcceptedMessages = AcceptedMessages> {
  /** Which messages are taken: the first frame of any other ends the connection with 1003. Default `"any"`. */
  readonly accepts?: Accepted;
}

/** The data of a message, where only some are accepted and text comes as the option `text` says. */
export type DataOf<Accepted extends AcceptedMessages, Text extends TextForm> = Accepted extends "text"
  ? Text extends "bytes"
    ? Uint8Array
    : string
  : Accepted extends "binary"
    ? Uint8Array
    : MessageData;

/** Which messages an endpoint takes, and in what form it hands them over. */
export interface Delivery {
  readonly accepts: AcceptedMessages;
  readonly textAsBytes: boolean;
  /** Set only where messages go to a handler: readers keep the bytes that they get. */
  readonly lendsBytes: boolean;
}

/**
 * Which messages are taken, and how they are handed over, under the options `accepts`, `text` and `borrow`; a TypeError
 * for what the first two cannot be.
 */
export function resolveDelivery(
  given: ConnectionOptions & AcceptsOption & { readonly message?: unknown },
  defaults: ConnectionOptions = {},
): Delivery {
  const text: unknown = given.text ?? defaults.text ?? "string";
  if (text !== "string" && text !== "bytes") {
    throw new TypeError(`Cannot deliver text as ${describe(text)}: it comes as "string" or as "bytes"`);
  }
  const accepts: unknown = given.accepts ?? "any";
  if (accepts !== "text" && accepts !== "binary" && accepts !== "any") {
    throw new TypeError(`Cannot accept ${describe(accepts)}: messages are "text", "binary" or "any"`);
  }
  const borrow = given.borrow ?? defaults.borrow ?? false;
  return { accepts, textAsBytes: text === "bytes", lendsBytes: borrow && given.message !== undefined && canLendReads };
}
