/**
 * What the two faces of WHATWG WebSockets, `WebSocket` and `WebSocketStream`, have in common: which URLs, subprotocols
 * and close codes they take, how they open a connection, and what they make of its end.
 */

import { Buffer } from "node:buffer";
import { types } from "node:util";
import type { CloseReport } from "../../connection/closing/close-report.ts";
import { CloseCode, maxReasonLength } from "../../protocol/close-code.ts";
import { isToken } from "../../protocol/handshake/header-fields.ts";
import { ProtocolError } from "../../protocol/protocol-error.ts";
import { connectAs } from "../connect.ts";
import { type ConnectOptions, resolveConnectOptions } from "../connect-options.ts";
import { parseWebSocketUrl } from "../dialing/url.ts";
import { isObject } from "./webidl.ts";

/** What `connect` takes and the standard leaves open: how to reach the server, and what to ask of it. */
export type WebSocketOptions = Omit<
  ConnectOptions,
  "borrow" | "close" | "closing" | "drain" | "error" | "message" | "open" | "ping" | "pong" | "subprotocols" | "text"
>;

/** A Close frame to be sent; without a code and a reason it is empty. */
export interface CloseStatus {
  readonly code: number;
  readonly reason: string;
}

/** Parses a URL as the constructors do, against the runtime's location where it has one; throws a SyntaxError. */
export function parseUrl(url: string): URL {
  try {
    return parseWebSocketUrl(url, location()?.href);
  } catch (error) {
    throw syntaxError((error as Error).message);
  }
}

/** Throws a SyntaxError unless each subprotocol is a token and no two are the same, in whatever case. */
export function checkProtocols(protocols: readonly string[]): void {
  const seen = new Set<string>();
  for (const protocol of protocols) {
    if (!isToken(protocol)) throw syntaxError(`Cannot connect: "${protocol}" is not a name of a subprotocol`);
    if (seen.has(protocol.toLowerCase())) throw syntaxError(`Cannot connect: "${protocol}" is offered twice`);
    seen.add(protocol.toLowerCase());
  }
}

const ofTheObject = "what happens is told by the object itself, its events or its streams";

/** Options of `connect` that these classes have not, each with what to use instead. */
const notOfFaces: Readonly<Record<string, string>> = {
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
 * The options as `connect` takes them: no keepalive unless asked for, `send` never refuses, the origin is the location's.
 *
 * Anything but an object stands for none. Throws a TypeError or a RangeError for what an option cannot be.
 */
export function toConnectOptions(value: WebSocketOptions): ConnectOptions {
  const given = isObject(value) ? value : {};
  for (const [name, instead] of Object.entries(notOfFaces)) {
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

/** Who opens a connection. */
interface Opener {
  // biome-ignore lint/complexity/noBannedTypes: a class, of whatever arguments
  readonly face: Function;
  /** Aborts when the object is closed before the connection is open. */
  readonly giveUp: AbortSignal;
}

/**
 * Opens a connection for an object of the class; rejects, as for every other failure, for a port on the list of bad
 * ones.
 */
export async function open(url: URL, options: ConnectOptions, { face, giveUp }: Opener): Promise<void> {
  await connectAs(url, options, { entry: face, asBrowsers: true, giveUp });
}

/**
 * What a Close frame shall say; a reason without a code stands for 1000.
 *
 * Throws an InvalidAccessError for a code that is neither 1000 nor from 3000 to 4999, and a SyntaxError for a reason of
 * more than 123 bytes.
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

/** Whether the closing handshake took place, after all that was to be sent. */
export function closedCleanly(report: CloseReport): boolean {
  return report.wasClean && report.bufferedAmount === 0;
}

/** Why a connection that was not closed cleanly ended. */
export function reasonOf(report: CloseReport): Error {
  if (report.violation) return new ProtocolError(report.violation);
  return report.error ?? new Error("The connection ended before all was sent");
}

/** The runtime's own getters: what an object says of itself may be memory of others (fault D10). */
interface ViewGetters {
  readonly buffer: (this: ArrayBufferView) => ArrayBufferLike;
  readonly byteOffset: (this: ArrayBufferView) => number;
  readonly byteLength: (this: ArrayBufferView) => number;
}

const ofTypedArray = viewGetters(Object.getPrototypeOf(Uint8Array.prototype));
const ofDataView = viewGetters(DataView.prototype);
const lengthOfBuffer = getterOf<(this: ArrayBuffer) => number>(ArrayBuffer.prototype, "byteLength");

/** The bytes of a BufferSource; a TypeError for memory that others may change or that may change its size. */
export function bytesOf(source: ArrayBuffer | ArrayBufferView): Uint8Array {
  if (!ArrayBuffer.isView(source)) return bytesIn(source, 0, lengthOfBuffer.call(source));
  const own = types.isDataView(source) ? ofDataView : ofTypedArray;
  const buffer = own.buffer.call(source);
  // A DataView of memory that was given away does not even tell where it lay.
  if (!types.isSharedArrayBuffer(buffer) && lengthOfBuffer.call(buffer) === 0) return new Uint8Array(0);
  return bytesIn(buffer, own.byteOffset.call(source), own.byteLength.call(source));
}

function bytesIn(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array {
  if (types.isSharedArrayBuffer(buffer)) throw new TypeError("Cannot send: the memory is shared");
  if ((buffer as { resizable?: boolean }).resizable) throw new TypeError("Cannot send: the buffer can be resized");
  // Memory that was given away holds nothing, and makes no view.
  return length === 0 ? new Uint8Array(0) : new Uint8Array(buffer, offset, length);
}

function viewGetters(prototype: object): ViewGetters {
  return {
    buffer: getterOf(prototype, "buffer"),
    byteOffset: getterOf(prototype, "byteOffset"),
    byteLength: getterOf(prototype, "byteLength"),
  };
}

function getterOf<Getter>(prototype: object, name: string): Getter {
  return Object.getOwnPropertyDescriptor(prototype, name)!.get as Getter;
}

function syntaxError(message: string): DOMException {
  return new DOMException(message, "SyntaxError");
}

/** Where the program is, in runtimes and tests that have a page; Node has none. */
function location(): { readonly href: string; readonly origin?: string } | undefined {
  return (globalThis as { readonly location?: { readonly href: string; readonly origin?: string } }).location;
}
