/**
 * The options of what reconnects, held against their tables, and what Node tells of a refused handshake.
 */

import { checkOptions, type OptionTable } from "../../protocol/check-options.ts";
import type { ForeignNames } from "../../protocol/foreign-names.ts";
import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";
import type { HeartbeatOptions } from "../../reconnecting/heartbeat.ts";
import type { QueueOptions } from "../../reconnecting/message-queue.ts";
import type { Refused } from "../../reconnecting/policy/attempt.ts";
import type { ReconnectOptions } from "../../reconnecting/policy/backoff.ts";
import { retryAfterInField } from "../../reconnecting/policy/retry-after.ts";

const reconnectTable: OptionTable<ReconnectOptions> = {
  firstDelay: "number",
  factor: "number",
  maxDelay: "number",
  stableAfter: "number",
  handshakeTimeout: "number",
  maxAttempts: "number",
  shouldReconnect: "function",
};

const queueTable: OptionTable<QueueOptions> = { maxSize: "number", maxAge: "number", overflow: "string" };

const heartbeatTable: OptionTable<HeartbeatOptions> = {
  message: "string",
  reply: "string",
  interval: "number",
  timeout: "number",
};

const first = 'the option is "firstDelay", in milliseconds';
const longest = 'the option is "maxDelay", in milliseconds';
const attempts = 'the option is "maxAttempts"';
const time = 'the option is "handshakeTimeout", in milliseconds';

/** Names of other libraries. */
const ofOthers: ForeignNames = {
  minReconnectionDelay: first,
  reconnectionDelay: first,
  initialDelay: first,
  maxReconnectionDelay: longest,
  reconnectionDelayMax: longest,
  reconnectionDelayGrowFactor: 'the option is "factor"',
  reconnectionAttempts: attempts,
  reconnectAttempts: attempts,
  maxRetries: attempts,
  retryAttempts: attempts,
  connectionTimeout: time,
  timeout: time,
  minUptime: 'the option is "stableAfter", in milliseconds',
  maxEnqueuedMessages: "the option is queue: { maxSize }, in bytes",
  randomizationFactor: "a wait is random over the whole of its length",
  startClosed: "make the object when it is to connect",
  autoConnect: "make the object when it is to connect",
  shouldRetry: 'the option is "shouldReconnect"',
  shouldReconnectOnClose: 'the option is "shouldReconnect"',
};

/** Throws a TypeError for what is no option of `reconnect`, or of another type. */
export function checkReconnect(given: ReconnectOptions | undefined): void {
  if (given !== undefined) checkOptions("reconnect", given, reconnectTable, ofOthers);
}

/** Throws a TypeError for what is no option of `queue`, or of another type. */
export function checkQueue(given: QueueOptions | false | undefined): void {
  if (given === undefined || given === false) return;
  checkOptions("queue", given, queueTable);
  if (given.overflow !== undefined && given.overflow !== "refuse" && given.overflow !== "drop-oldest") {
    throw new TypeError(`Cannot queue: overflow must be "refuse" or "drop-oldest", not "${given.overflow}"`);
  }
}

/** Throws a TypeError for what is no option of `heartbeat`, or of another type. */
export function checkHeartbeat(given: HeartbeatOptions | undefined): void {
  if (given !== undefined) checkOptions("send heartbeats", given, heartbeatTable);
}

/** The names of other libraries, for the options around `reconnect`. */
export const reconnectingForeign: ForeignNames = {
  ...Object.fromEntries(Object.entries(ofOthers).map(([name, instead]) => [name, `in reconnect, ${instead}`])),
  maxEnqueuedMessages: "the option is queue: { maxSize }, in bytes",
  startClosed: "make the object when it is to connect",
  autoConnect: "make the object when it is to connect",
};

/** The status of a refused handshake, and beside 429 and 503 when the server wants this client back. */
export function refusalOf(error: unknown): Refused {
  if (!(error instanceof HandshakeError) || error.status === undefined) return {};
  const { status } = error;
  const field = status === 429 || status === 503 ? error.header("retry-after") : undefined;
  const retryAfter = field === undefined ? undefined : retryAfterInField(field, Date.now());
  return { status, ...(retryAfter !== undefined && { retryAfter }) };
}
