/** Heartbeats of clients that cannot ping, as an application says what they and the answers are. */

import { checkOptions, describe, type OptionTable } from "../../protocol/check-options.ts";

/** A heartbeat in an application's own words, and the answer to it; both are text. */
export interface AnsweredHeartbeat {
  /** The whole text of a heartbeat: no handler and no reader gets such a message. */
  readonly message: string;
  /** What is sent back. */
  readonly reply: string;
}

/** What a heartbeat is held against. */
export interface HeartbeatSettings extends AnsweredHeartbeat {
  /** The UTF-8 of `message`. */
  readonly bytes: Uint8Array;
}

const heartbeatTable: OptionTable<AnsweredHeartbeat> = { message: "string", reply: "string" };

const foreign = Object.fromEntries(
  ["interval", "timeout"].map((name) => [
    name,
    "the client counts the time; a server asks silent clients by its own Pings, see keepalive",
  ]),
);

/** The heartbeat that an option stands for. Throws a TypeError for one that is not two strings. */
export function resolveHeartbeat(option: AnsweredHeartbeat | undefined): HeartbeatSettings | undefined {
  if (option === undefined) return undefined;
  checkOptions("answer heartbeats", option, heartbeatTable, foreign);
  const { message, reply } = option;
  for (const [name, value] of Object.entries({ message, reply })) {
    if (typeof value === "string") continue;
    throw new TypeError(`Cannot answer heartbeats: the option "${name}" must be a string, not ${describe(value)}`);
  }
  return { message, reply, bytes: new TextEncoder().encode(message) };
}
