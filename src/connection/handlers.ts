/**
 * What an application may do when something happens on a connection, and the options that each connection has.
 */

import { checkNumber } from "../protocol/check-number.ts";
import { checkOptions, describe, type OptionTable } from "../protocol/check-options.ts";
import type { AcceptedMessages } from "../protocol/endpoint/endpoint-options.ts";
import { foreignNames } from "../protocol/foreign-names.ts";
import type { Clock } from "../transport/clock.ts";
import { canLendReads } from "../transport/shared-reads.ts";
import type { CloseReport } from "./closing/close-report.ts";
import type { Counters } from "./diagnostics.ts";
import type { ConnectionLimits } from "./limits.ts";

/** Text as a string, binary as bytes. */
export type MessageData = string | Uint8Array;

/** What is known of a message besides its data. */
export interface MessageInfo {
  /** Whether it was sent as text; tells the two apart where text is delivered as bytes. */
  readonly text: boolean;
}

/**
 * Handlers of one connection; a promise that `open` or `message` returns is awaited before the next message.
 *
 * An exception in one of them closes its connection with 1011 and goes to `error`.
 */
export interface ConnectionHandlers<Connection, Data = MessageData> {
  /**
   * The connection is established. No message goes to `message` before it is done; without that, it may read them
   * itself.
   */
  open?(connection: Connection): unknown;
  /** A whole message; with the option `borrow` its bytes are the handler's only until it returns. */
  message?(connection: Connection, data: Data, info: MessageInfo): unknown;
  /** The outbox is below its high-water mark again, after `send` returned false. */
  drain?(connection: Connection): unknown;
  /** @internal The peer's Close was parsed, or it ended without one; the answer waits for a promise, at most 2 s. */
  closing?(connection: Connection): PromiseLike<void> | undefined;
  /** The connection is over, and its last message was handled; the last call. */
  close?(connection: Connection, report: CloseReport): unknown;
  /** A handler threw; without this handler, and without `log`, the first such error of a route goes to stderr. */
  error?(connection: Connection, error: Error): unknown;
  /** A Ping came; it has been answered. */
  ping?(connection: Connection, payload: Uint8Array): unknown;
  /** A Pong came. */
  pong?(connection: Connection, payload: Uint8Array): unknown;
}

/** The handlers by name. */
export const handlerTable: OptionTable<ConnectionHandlers<never>> = {
  open: "function",
  message: "function",
  drain: "function",
  closing: "function",
  close: "function",
  error: "function",
  ping: "function",
  pong: "function",
};

/** Whether what a handler returned is to be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/**
 * Calls `done` when `result` has settled, after `failed` if it was rejected. A thenable of a stranger may call back at once
 * or twice, throw, or have a constructor that throws: here each comes to one of the two, later and once.
 */
export function whenSettled(result: PromiseLike<unknown>, done: () => void, failed: (error: unknown) => void): void {
  const settled = new Promise((resolve) => resolve(result));
  void settled.catch(failed).then(done);
}

/** When a silent peer is asked, and when it is given up; milliseconds, looked after once a second. */
export interface KeepaliveOptions {
  /** After how long without a byte received a Ping is sent. Default 25 s, below every usual proxy's limit. */
  readonly interval?: number;
  /** How long after that Ping the connection is given up if still no byte came. Default 20 s. */
  readonly timeout?: number;
}

const keepaliveTable: OptionTable<KeepaliveOptions> = { interval: "number", timeout: "number" };

/** The options that connections of both roles have. */
export interface ConnectionOptions {
  /** Pings for a peer that is silent. Default on: after 25 s, given up 20 s later. */
  readonly keepalive?: boolean | KeepaliveOptions;
  /** Whether text is delivered as strings or, validated, as bytes. Default `"string"`. */
  readonly text?: TextForm;
  /**
   * Whether the `message` handler only borrows the bytes of a message: they lie in the memory that sockets are read into,
   * and change once the handler has returned or, if it is async, reached its first await. Halves the cost of a message of
   * 16 KiB; `send`, `publish` and copying are safe. `sendFragments` reads later, so give it a copy. The `buffer` under the
   * bytes cannot be transferred, and holds what was not parsed yet: write to nothing but the bytes themselves. Default
   * false: they are the application's, as for every other reader.
   */
  readonly borrow?: boolean;
}

/** In which form text is delivered. */
export type TextForm = "string" | "bytes";

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

/** The options that connections of both roles have, by name. */
export const connectionOptionTable: OptionTable<ConnectionOptions> = {
  keepalive: ["boolean", "object"],
  text: "string",
  borrow: "boolean",
};

/** The options of `send`. */
export interface SendOptions {
  /** Whether to compress, where permessage-deflate was agreed. Default: from the threshold on. */
  readonly compress?: boolean;
  /**
   * Server only: copy a payload over 64 KiB, so that its memory is the caller's again at once. Default false: it is written
   * when `send` is called, but inside a handler of this connection when that has returned, and what the system did not take
   * then is read later. So it must not be changed, transferred or resized before `bufferedAmount` says that it has left.
   */
  readonly copy?: boolean;
  /**
   * Milliseconds in which the message has to leave the process, with what was sent before it and in the same turn of the
   * event loop; when it has not, the connection is given up. At least 1. Default: none, only the limit `writeTimeout`.
   */
  readonly timeout?: number;
}

/** Whether there is nothing to say against them; the table takes as long as the sending itself (0.8 µs). */
function areUsual(options: SendOptions): boolean {
  if (typeof options !== "object" || options === null) return false;
  for (const name in options) {
    if (name !== "compress" && name !== "copy" && name !== "timeout") return false;
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== (name === "timeout" ? "number" : "boolean")) return false;
  }
  return true;
}

const sendTable: OptionTable<SendOptions> = { compress: "boolean", copy: "boolean", timeout: "any" };

/**
 * The timeout among the options of `send`. Throws a TypeError for what are none of them, such as the callback or the
 * options of other libraries, and a RangeError for a timeout that cannot be.
 */
export function checkSendOptions(options: SendOptions): number | undefined {
  if (!areUsual(options)) refuseUnusual(options);
  const { timeout } = options;
  return timeout === undefined ? undefined : checkNumber("send", "timeout", timeout, { least: 1, endless: true });
}

function refuseUnusual(options: SendOptions): void {
  if (typeof options === "function") {
    throw new TypeError(
      "Cannot send: there is no callback; `await connection.ready` waits until there is room for more",
    );
  }
  checkOptions("send", options, sendTable, foreignNames.send);
}

/** What all connections of one route share. */
export interface ConnectionSettings<Connection> {
  readonly limits: ConnectionLimits;
  readonly handlers: ConnectionHandlers<Connection>;
  /** What `handlers` of one connection were made from: an error is reported once for all of them. */
  readonly sharedHandlers?: object;
  readonly keepalive: Required<KeepaliveOptions> | undefined;
  /** The time it lives by; without it, that of the process. */
  readonly clock?: Clock;
  /** Where messages and bytes are counted. */
  readonly counters?: Counters;
  /** Called when the connection begins, before the `open` handler. */
  began?(connection: Connection): void;
  /** Called with each exception of a handler; without it the first of a route goes to stderr. */
  threw?(connection: Connection, error: Error): void;
  /** Called when the transport is gone, before the `close` handler. */
  ended?(connection: Connection, report: CloseReport): void;
  /** Called when the `close` handler is done. */
  handled?(connection: Connection): void;
}

/** Which messages an endpoint takes, and in what form it hands them over. */
export interface Delivery {
  readonly accepts: AcceptedMessages;
  readonly textAsBytes: boolean;
  /** Only to a handler: whoever else reads keeps what it gets. */
  readonly lendsBytes: boolean;
}

/**
 * Which messages are taken, and how they are handed over, under the options `accepts`, `text` and `borrow`; a TypeError for
 * what the first two cannot be.
 */
export function resolveDelivery(
  given: ConnectionOptions & AcceptsOption & Pick<ConnectionHandlers<never>, "message">,
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

/** The keepalive that an option stands for: on by default, off when false. */
export function resolveKeepalive(
  option: KeepaliveOptions | boolean | undefined,
): Required<KeepaliveOptions> | undefined {
  if (option === false) return undefined;
  const given = option === true || option === undefined ? {} : option;
  checkOptions("keep alive", given, keepaliveTable, foreignNames.keepalive);
  const { interval = 25_000, timeout = 20_000 } = given;
  checkNumber("keep alive", "interval", interval, "wheelTime");
  checkNumber("keep alive", "timeout", timeout, "wheelTime");
  return { interval, timeout };
}
