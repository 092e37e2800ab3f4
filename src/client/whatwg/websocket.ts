/**
 * `WebSocket` as WHATWG WebSockets section 3 specifies it, for Node: the same constructor, members, events and errors.
 *
 * Every event is fired in a task of its own (`setImmediate`, so microtasks run between two events), in the order in which
 * things happened; a task that comes too late for the state does nothing. The options of `connect`, which browsers do not
 * have, come in third place or, with `protocols` among them, in second; and the `error` event says why.
 */

import { Buffer } from "node:buffer";
import { types } from "node:util";
import type { CloseReport } from "../../connection/closing/close-report.ts";
import type { Connection } from "../../connection/connection.ts";
import type { MessageData } from "../../connection/handlers.ts";
import { isBlob } from "../../connection/sending/send-queue.ts";
import { CloseCode } from "../../protocol/close-code.ts";
import { setImmediate } from "../../transport/scheduling.ts";
import { EventHandlers } from "./event-handlers.ts";
import {
  type CloseEvent,
  CloseEvent as CloseEventClass,
  type ErrorEvent,
  ErrorEvent as ErrorEventClass,
} from "./events.ts";
import {
  defineInterface,
  isObject,
  requireArguments,
  toDOMString,
  toStrings,
  toUnsignedShort,
  toUSVString,
} from "./webidl.ts";
import {
  bytesOf,
  checkProtocols,
  closedCleanly,
  closeStatus,
  open,
  parseUrl,
  reasonOf,
  toConnectOptions,
  type WebSocketOptions,
} from "./websocket-arguments.ts";

/** The events of a `WebSocket` by their type. */
export interface WebSocketEventMap {
  readonly open: Event;
  readonly message: MessageEvent;
  readonly error: ErrorEvent;
  readonly close: CloseEvent;
}

/** An event handler attribute. */
export type WebSocketEventHandler<Type extends keyof WebSocketEventMap> =
  | ((this: WebSocket, event: WebSocketEventMap[Type]) => unknown)
  | null;

/** What the constructor takes in second place instead of subprotocols. */
export interface WebSocketInit extends WebSocketOptions {
  /** Offered in order of preference. Default none. */
  readonly protocols?: string | Iterable<string>;
}

/** What `send` takes. */
export type WebSocketData = string | ArrayBuffer | ArrayBufferView | Blob;

type Listener<Type extends keyof WebSocketEventMap> =
  | ((this: WebSocket, event: WebSocketEventMap[Type]) => unknown)
  | { handleEvent(event: WebSocketEventMap[Type]): unknown };

interface Ending extends Pick<CloseReport, "code" | "reason" | "wasClean" | "violation"> {
  readonly error: Error;
}

const constants = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;
const { CONNECTING, OPEN, CLOSING, CLOSED } = constants;

/** The constants, which are defined below, and the types of the listeners, which are inherited. */
export interface WebSocket {
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
  addEventListener<Type extends keyof WebSocketEventMap>(
    type: Type,
    listener: Listener<Type>,
    options?: Parameters<EventTarget["addEventListener"]>[2],
  ): void;
  addEventListener(...listener: Parameters<EventTarget["addEventListener"]>): void;
  removeEventListener<Type extends keyof WebSocketEventMap>(
    type: Type,
    listener: Listener<Type>,
    options?: Parameters<EventTarget["removeEventListener"]>[2],
  ): void;
  removeEventListener(...listener: Parameters<EventTarget["removeEventListener"]>): void;
}

/**
 * A connection to a WebSocket server, as in a browser.
 *
 * The constructor throws a SyntaxError for a URL that is not ws, wss, http or https or has a fragment and for
 * subprotocols that are no tokens or are given twice, and a TypeError or a RangeError for options that cannot be.
 * Everything else that goes wrong is an `error` event, whose `error` says what, and a `close` event.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: both halves are kept to, see above
export class WebSocket extends EventTarget {
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSING: 2;
  declare static readonly CLOSED: 3;

  static readonly #heldInTurn: WebSocket[] = [];
  readonly #url: string;
  readonly #origin: string;
  readonly #handlers = new EventHandlers();
  readonly #giveUp = new AbortController();
  #readyState: 0 | 1 | 2 | 3 = CONNECTING;
  #connection: Connection | undefined;
  #binaryType: "blob" | "arraybuffer" = "blob";
  /** Payload bytes that were given to the connection and may not have left. */
  #queued = 0;
  /** Payload bytes that will never be sent. */
  #unsent = 0;
  /** Whether something was sent or closed in this task, so that `bufferedAmount` must not fall. */
  #held = false;
  /** A send found the connection's outbox full. */
  #full = false;

  /** `protocols` are offered in order of preference; `options` exist in Node only. */
  constructor(url: string | URL, protocols?: string | Iterable<string>, options?: WebSocketOptions);
  /** As Node's own class: the options in second place, `protocols` among them. */
  constructor(url: string | URL, init: WebSocketInit);
  constructor(url: string | URL, second: string | Iterable<string> | WebSocketInit = [], third: WebSocketOptions = {}) {
    // biome-ignore lint/complexity/noArguments: Web IDL counts them
    requireArguments("WebSocket", arguments.length, 1);
    super();
    const given = toUSVString(url);
    const { protocols = [], options } = readArguments(second, third);
    const subprotocols = isSequence(protocols) ? toStrings(protocols) : [toDOMString(protocols)];
    const target = parseUrl(given);
    checkProtocols(subprotocols);
    const connectOptions = toConnectOptions(options);
    this.#url = target.href;
    this.#origin = `${target.protocol}//${target.host}`;
    open(
      target,
      {
        ...connectOptions,
        subprotocols,
        open: (connection) => this.#established(connection),
        message: (_, data) => void setImmediate(WebSocket.#deliver, this, data),
        closing: (connection) => this.#closingByPeer(connection),
        close: (_, report) => this.#ended(report),
      },
      { face: WebSocket, giveUp: this.#giveUp.signal },
    ).catch((error: Error) => this.#end({ error, wasClean: false, code: CloseCode.AbnormalClosure, reason: "" }));
  }

  /** The URL, serialised; its scheme is ws or wss. */
  get url(): string {
    return this.#url;
  }

  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  get readyState(): 0 | 1 | 2 | 3 {
    return this.#readyState;
  }

  /** Payload bytes (UTF-8 for text) that were sent and have not left; never falls within a task, nor at the close. */
  get bufferedAmount(): number {
    if (!this.#held) this.#settle();
    return this.#queued + this.#unsent;
  }

  get onopen(): WebSocketEventHandler<"open"> {
    return this.#handlers.get("open");
  }

  set onopen(handler: WebSocketEventHandler<"open">) {
    this.#handlers.set(this, "open", handler);
  }

  get onerror(): WebSocketEventHandler<"error"> {
    return this.#handlers.get("error");
  }

  set onerror(handler: WebSocketEventHandler<"error">) {
    this.#handlers.set(this, "error", handler);
  }

  get onclose(): WebSocketEventHandler<"close"> {
    return this.#handlers.get("close");
  }

  set onclose(handler: WebSocketEventHandler<"close">) {
    this.#handlers.set(this, "close", handler);
  }

  /** The agreed extensions; empty before `open` and when there are none. */
  get extensions(): string {
    return this.#readyState === CONNECTING ? "" : (this.#connection?.extensions ?? "");
  }

  /** The agreed subprotocol; empty before `open` and when there is none. */
  get protocol(): string {
    return this.#readyState === CONNECTING ? "" : (this.#connection?.subprotocol ?? "");
  }

  get onmessage(): WebSocketEventHandler<"message"> {
    return this.#handlers.get("message");
  }

  set onmessage(handler: WebSocketEventHandler<"message">) {
    this.#handlers.set(this, "message", handler);
  }

  /** Whether binary messages are delivered as `Blob` (`"blob"`, the default) or as `ArrayBuffer` (`"arraybuffer"`). */
  get binaryType(): "blob" | "arraybuffer" {
    return this.#binaryType;
  }

  set binaryType(type: "blob" | "arraybuffer") {
    // Read first, because Web IDL looks at the object before it looks at the value.
    const current = this.#binaryType;
    const name = toDOMString(type);
    this.#binaryType = name === "blob" || name === "arraybuffer" ? name : current;
  }

  /**
   * Starts the closing handshake, after all that was sent; gives up a connection that is not open yet.
   *
   * Throws an InvalidAccessError for a code that is neither 1000 nor from 3000 to 4999, and a SyntaxError for a reason of
   * more than 123 bytes of UTF-8.
   */
  close(...status: [code?: number, reason?: string]): void {
    if (!(#readyState in this)) throw new TypeError("Cannot close: the object is not a WebSocket");
    const code = status[0] === undefined ? undefined : toUnsignedShort(status[0], "clamp");
    const frame = closeStatus(code, status[1] === undefined ? "" : toUSVString(status[1]));
    const state = this.#readyState;
    if (state === CLOSING || state === CLOSED) return;
    this.#readyState = CLOSING;
    if (state === CONNECTING) {
      this.#giveUp.abort(new DOMException("Cannot open the connection: it was closed before", "AbortError"));
      this.#connection?.terminate();
    } else {
      this.#hold();
      this.#connection!.close(frame.code, frame.reason);
    }
  }

  /**
   * Sends a string as text, everything else as binary; what is no Blob and no bytes is converted to a string.
   *
   * Throws an InvalidStateError before `open`; after `close` it sends nothing and says nothing.
   */
  send(data: WebSocketData): void {
    if (!(#readyState in this)) throw new TypeError("Cannot send: the object is not a WebSocket");
    // biome-ignore lint/complexity/noArguments: Web IDL counts them
    requireArguments("send", arguments.length, 1);
    const message = toMessage(data);
    const state = this.#readyState;
    if (state === CONNECTING)
      throw new DOMException("Cannot send: the connection is not open yet", "InvalidStateError");
    const size = sizeOf(message);
    const connection = this.#connection!;
    // The connection may have ended, with messages and the close event still to come.
    if (state !== OPEN || connection.readyState !== OPEN) {
      this.#unsent += size;
      return;
    }
    this.#hold();
    this.#queued += size;
    if (!connection.send(message) && connection.readyState !== OPEN) this.#overflow();
  }

  // What happens on the connection, each in a task of its own

  #established(connection: Connection): void {
    this.#connection = connection;
    if (this.#readyState !== CONNECTING) connection.terminate();
    setImmediate(() => {
      if (this.#readyState !== CONNECTING) return;
      this.#readyState = OPEN;
      this.dispatchEvent(new Event("open"));
    });
  }

  static #deliver(socket: WebSocket, data: MessageData): void {
    if (socket.#readyState !== OPEN) return;
    const value = typeof data === "string" ? data : toBinary(data, socket.#binaryType);
    socket.dispatchEvent(new MessageEvent("message", { data: value, origin: socket.#origin }));
  }

  /** The server has sent its Close, or ended without one: the answer waits until the messages before it were delivered. */
  #closingByPeer({ endpoint }: Connection): Promise<void> | undefined {
    // The task that opens may still be to come.
    if (this.#readyState === CLOSING) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        if (this.#readyState === OPEN && endpoint.closeReceived) this.#readyState = CLOSING;
        resolve();
      });
    });
  }

  #ended(report: CloseReport): void {
    this.#unsent += Math.min(this.#queued, report.bufferedAmount);
    this.#queued = 0;
    this.#end({ ...report, wasClean: closedCleanly(report), error: reasonOf(report) });
  }

  /** Two tasks that follow one another, so that microtasks run between the two events. */
  #end(end: Ending): void {
    let failed = false;
    setImmediate(() => {
      failed = this.#failed(end);
      this.#readyState = CLOSED;
      if (failed) this.dispatchEvent(new ErrorEventClass("error", { error: end.error, message: end.error.message }));
    });
    setImmediate(() => {
      this.dispatchEvent(new CloseEventClass("close", { ...end, wasClean: end.wasClean && !failed }));
    });
  }

  /** A transport that ends while a Close of either side is under way has not failed, as little as in browsers. */
  #failed({ violation }: Ending): boolean {
    return this.#readyState !== CLOSING || violation !== undefined || this.#full || this.#giveUp.signal.aborted;
  }

  // bufferedAmount

  /** Keeps `bufferedAmount` from falling until this task is over. */
  #hold(): void {
    if (this.#held) return;
    this.#settle();
    this.#held = true;
    if (WebSocket.#heldInTurn.push(this) === 1) setImmediate(WebSocket.#releaseHeld);
  }

  /** One task for all of them: a program that answers each message would pay for one a message. */
  static #releaseHeld(): void {
    for (const socket of WebSocket.#heldInTurn.splice(0)) socket.#held = false;
  }

  #settle(): void {
    if (this.#queued > 0 && this.#connection) this.#queued = Math.min(this.#queued, this.#connection.bufferedAmount);
  }

  /** The limit on the outbox, which exists only where the options set it, was reached: what waits is thrown away. */
  #overflow(): void {
    this.#full = true;
    this.#unsent += this.#queued;
    this.#queued = 0;
    this.#readyState = CLOSING;
  }
}

defineInterface(WebSocket, constants);

/** An object in second place that cannot be iterated is the options. */
function readArguments(
  second: string | Iterable<string> | WebSocketInit,
  third: WebSocketOptions,
): { readonly protocols?: string | Iterable<string> | undefined; readonly options: WebSocketOptions } {
  if (!isObject(second) || isSequence(second)) return { protocols: second, options: third };
  if (isObject(third) && Object.keys(third).length > 0)
    throw new TypeError("Cannot connect: the options are given twice");
  const { protocols, ...options } = second as WebSocketInit;
  return { protocols, options };
}

function isSequence(value: unknown): value is Iterable<unknown> {
  const method = isObject(value) ? (value as { [Symbol.iterator]?: unknown })[Symbol.iterator] : undefined;
  return method !== undefined && method !== null;
}

/** The conversion to `(BufferSource or Blob or USVString)`. */
function toMessage(data: unknown): string | Uint8Array | Blob {
  if (typeof data === "string") return data;
  if (ArrayBuffer.isView(data) || types.isArrayBuffer(data)) return bytesOf(data);
  if (isBlob(data)) return data;
  return toUSVString(data);
}

function sizeOf(message: string | Uint8Array | Blob): number {
  if (typeof message === "string") return Buffer.byteLength(message);
  return message instanceof Blob ? message.size : message.length;
}

function toBinary(data: Uint8Array, type: "blob" | "arraybuffer"): Blob | ArrayBuffer {
  if (type === "blob") return new Blob([data]);
  if (data.byteLength === data.buffer.byteLength) return data.buffer as ArrayBuffer;
  // Measured: half the time of `slice`.
  const own = new ArrayBuffer(data.byteLength);
  new Uint8Array(own).set(data);
  return own;
}
