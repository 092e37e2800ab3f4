/**
 * The arguments of `WebSocket` and `WebSocketStream`: URLs, subprotocols, options and close codes; and their common way
 * from these to a connection, and from its end to a reason.
 */

import { Buffer } from "node:buffer";
import type { CloseReport } from "../../connection/closing/close-report.ts";
import { CloseCode } from "../../protocol/close-code.ts";
import { type CloseStatus, maxReasonLength } from "../../protocol/close-payload.ts";
import { isToken } from "../../protocol/handshake/header-fields.ts";
import { ProtocolError } from "../../protocol/protocol-error.ts";
import { connectAs } from "../connect.ts";
import { type ConnectOptions, resolveConnectOptions } from "../connect-options.ts";
import { parseWebSocketUrl } from "../dialing/url.ts";
import { isObject } from "./webidl.ts";

/** The options of `connect` that `WebSocket` and `WebSocketStream` take as well; browsers have none of them. */
export type WebSocketOptions = Omit<
  ConnectOptions,
  "borrow" | "close" | "closing" | "drain" | "error" | "message" | "open" | "ping" | "pong" | "subprotocols" | "text"
>;

/** Parses a URL as the constructors do, relative to the runtime's location where it has one. Throws a SyntaxError. */
export function parseUrl(url: string): URL {
  try {
    return parseWebSocketUrl(url, location()?.href);
  } catch (error) {
    throw syntaxError((error as Error).message);
  }
}

/** Throws a SyntaxError unless each subprotocol is a token and no two are the same, in any case of letters. */
export function checkProtocols(protocols: readonly string[]): void {
  const seen = new Set<string>();
  for (const protocol of protocols) {
    if (!isToken(protocol)) throw syntaxError(`Cannot connect: "${protocol}" is not a name of a subprotocol`);
    if (seen.has(protocol.toLowerCase())) throw syntaxError(`Cannot connect: "${protocol}" is offered twice`);
    seen.add(protocol.toLowerCase());
  }
}

const ofTheObject = "what happens is told by the object itself, its events or its streams";

/** The options of `connect` that the classes do not take, each with its replacement. */
const optionsOfConnectOnly: Readonly<Record<string, string>> = {
  subprotocols: "subprotocols go into protocols, as in browsers",
  open: ofTheObject,
  message: ofTheObject,
  drain: ofTheObject,
  closing: ofTheObject,
  close: ofTheObject,
  error: ofTheObject,
  ping: ofTheObject,
  pong: ofTheObject,
};

/**
 * The options as `connect` takes them. By default there is no keepalive, `send` never refuses, and the origin is that
 * of the runtime's location.
 *
 * A value that is no object stands for no options. Throws a TypeError or a RangeError for a value that an option cannot
 * have.
 */
export function toConnectOptions(value: WebSocketOptions): ConnectOptions {
  const given = isObject(value) ? value : {};
  for (const [name, instead] of Object.entries(optionsOfConnectOnly)) {
    if (!Object.hasOwn(given, name) || (given as Readonly<Record<string, unknown>>)[name] === undefined) continue;
    throw new TypeError(`Cannot connect: there is no option "${name}" here; ${instead}`);
  }
  const unlimited = { maxOutboxSize: Number.POSITIVE_INFINITY, maxProcessOutboxSize: Number.POSITIVE_INFINITY };
  const limits = { ...unlimited, ...given.limits };
  const origin = given.origin ?? location()?.origin;
  const options: ConnectOptions = {
    ...given,
    text: "string",
    borrow: false,
    keepalive: given.keepalive ?? false,
    limits,
    ...(origin !== undefined && { origin }),
  };
  resolveConnectOptions(options);
  return options;
}

/** The object for which a connection is opened. */
interface Opener {
  /** The class of the object, whose constructor the program called. */
  // biome-ignore lint/complexity/noBannedTypes: a class, of whatever arguments
  readonly entry: Function;
  /** Aborts when the object is closed before the connection is open. */
  readonly giveUp: AbortSignal;
}

/** Opens a connection for an object. Rejects for every failure, such as for a port to which browsers do not connect. */
export async function openConnection(url: URL, options: ConnectOptions, { entry, giveUp }: Opener): Promise<void> {
  await connectAs(url, options, { entry, asBrowsers: true, giveUp });
}

/**
 * The code and the reason of the Close frame that a program asks for. A reason without a code stands for 1000.
 *
 * Throws an InvalidAccessError for a code that is neither 1000 nor from 3000 to 4999, and a SyntaxError for a reason of
 * more than 123 bytes of UTF-8.
 */
export function closeStatus(code: number | undefined, reason: string): CloseStatus {
  if (code !== undefined && !mayBeSent(code)) {
    throw new DOMException(`Cannot close: ${code} is neither 1000 nor from 3000 to 4999`, "InvalidAccessError");
  }
  const length = Buffer.byteLength(reason);
  if (length > maxReasonLength) {
    throw syntaxError(`Cannot close: the reason is ${length} bytes of UTF-8, at most ${maxReasonLength} are allowed`);
  }
  return { code: code ?? (reason === "" ? CloseCode.NoStatusReceived : CloseCode.NormalClosure), reason };
}

/** Whether a program may close with this code: 1000, or from 3000 to 4999. */
export function mayBeSent(code: number): boolean {
  return code === CloseCode.NormalClosure || (code >= 3000 && code <= 4999);
}

/** Whether the closing handshake took place and nothing was left to send. */
export function closedCleanly(report: CloseReport): boolean {
  return report.wasClean && report.bufferedAmount === 0;
}

/** The error of a connection that was not closed cleanly. */
export function reasonOf(report: CloseReport): Error {
  if (report.violation) return new ProtocolError(report.violation);
  return report.error ?? new Error("The connection ended before all was sent");
}

function syntaxError(message: string): DOMException {
  return new DOMException(message, "SyntaxError");
}

/** The location of the page in a runtime that has one; Node has none. */
function location(): { readonly href: string; readonly origin?: string } | undefined {
  return (globalThis as { readonly location?: { readonly href: string; readonly origin?: string } }).location;
}
