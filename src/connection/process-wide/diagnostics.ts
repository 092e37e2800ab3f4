/**
 * Counters of messages and bytes, and channels of `node:diagnostics_channel`.
 *
 * A channel without a listener costs one look at a boolean.
 */

import { type Channel, channel } from "node:diagnostics_channel";

/** Counts of one server, or of all clients of the process. */
export interface Counters {
  messagesReceived: number;
  messagesSent: number;
  /** Messages counted as sent that never reached their socket, of connections that are over. */
  messagesUnsent: number;
  /** Bytes of the WebSocket protocol, framing and compression included. */
  bytesReceived: number;
  bytesSent: number;
}

/** Counters at zero. */
export function newCounters(): Counters {
  return { messagesReceived: 0, messagesSent: 0, messagesUnsent: 0, bytesReceived: 0, bytesSent: 0 };
}

/**
 * The channels, by what is published on them: `open` `{ connection }`, `close` `{ connection, report }`, `message` `{
 * connection, data, text }`, `error` `{ connection, error }` for an exception of a handler, `refused` `{ request,
 * status, reason }` for an opening handshake. Their names are `openline:connection:open`, `:close`, `:message`,
 * `:error` and `openline:handshake:refused`.
 */
export const channels: Readonly<Record<"open" | "close" | "message" | "error" | "refused", Channel>> = {
  open: channel("openline:connection:open"),
  close: channel("openline:connection:close"),
  message: channel("openline:connection:message"),
  error: channel("openline:connection:error"),
  refused: channel("openline:handshake:refused"),
};
