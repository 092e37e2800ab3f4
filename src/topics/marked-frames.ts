/**
 * The frames of a client that speaks the resume protocol: those of all others, and before each run of messages of one topic
 * with history a mark that says where they stand.
 */

import { PreparedMessage } from "../connection/sending/prepared-message.ts";
import { messageText } from "../resume/resume-messages.ts";
import { isMarked } from "../resume/resume-subprotocol.ts";
import type { Subscriber } from "./topic.ts";

/** Where a message stands in the log of its topic. */
export interface Mark {
  /** The number of the topic, which its subscribers are told. */
  readonly n: number;
  readonly offset: number;
  /** The message as it was published: what `encode` makes of it is for other clients. */
  readonly message: PreparedMessage;
}

/** A message on its way to a subscriber. */
export interface Marked {
  readonly message: PreparedMessage;
  /** Undefined where its topic has no history. */
  readonly mark: Mark | undefined;
  /** Who does not get it, but is told where it stands. */
  readonly except: Subscriber | undefined;
}

const escaped = new WeakMap<PreparedMessage, PreparedMessage>();

/** The frames of these messages in their order, marks between them. */
export function markedFrames(messages: readonly Marked[], subscriber: Subscriber): Uint8Array[] {
  const frames: Uint8Array[] = [];
  let at = 0;
  while (at < messages.length) {
    const { mark } = messages[at]!;
    let end = at + 1;
    if (mark) {
      while (messages[end]?.mark?.n === mark.n) end++;
      const steps = messages
        .slice(at, end)
        .map((each) => ({ offset: each.mark!.offset, isOwn: each.except === subscriber }));
      frames.push(new PreparedMessage(messageText({ type: "marks", n: mark.n, steps })).frame);
    }
    for (const each of messages.slice(at, end)) {
      const message = each.mark?.message ?? each.message;
      if (each.except !== subscriber) frames.push(escapedOf(message).frameFor(subscriber.compression));
    }
    at = end;
  }
  return frames;
}

function escapedOf(message: PreparedMessage): PreparedMessage {
  if (typeof message.data !== "string" || !isMarked(message.data)) return message;
  let made = escaped.get(message);
  if (made === undefined) {
    made = new PreparedMessage(`\0${message.data}`);
    escaped.set(message, made);
  }
  return made;
}
