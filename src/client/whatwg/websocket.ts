/**
 * `WebSocket` as WHATWG WebSockets section 3 specifies it, for Node: the same constructor, members, events and errors.
 *
 * Every event is fired in a task of its own (`setImmediate`), so microtasks run between two events. The tasks keep the
 * order of their causes, and a task that comes too late for the state does nothing. Browsers have no options of
 * `connect`; here they are the third argument, or the second one together with `protocols`. The `error` event has the
 * error.
 */

import type { CloseReport } from "../../connection/closing/close-report.ts";
import { type Connection, coreOf } from "../../connection/connection.ts";
import type { MessageData } from "../../connection/options/delivery-options.ts";
import { CloseCode } from "../../protocol/close-code.ts";
import { setImmediate } from "../../transport/scheduling.ts";
import { EventHandlers } from "./event-handlers.ts";
import {
  type CloseEvent,
  CloseEvent as CloseEventClass,
  type ErrorEvent,
  ErrorEvent as ErrorEventClass,
} from "./events.ts";
import { sizeOf, toBinary, toMessage } from "./message-data.ts";
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
  checkProtocols,
  closedCleanly,
  closeStatus,
  openConnection,
  parseUrl,
  reasonOf,
  toConnectOptions,
  type WebSocketOptions,
} from "./websocket-arguments.ts";

/** The events of a `WebSocket` by their type. */
export interface WebSocketEventMap {
  /** The connection is open. */
  readonly open: Event;
  /** A message has come. */
  readonly message: MessageEvent;
  /** The connection has failed; a `close` event follows. */
  readonly error: ErrorEvent;
  /** The connection is closed. */
  readonly close: CloseEvent;
}

/** The value of an event handler attribute, such as `onmessage`. */
export type WebSocketEventHandler<Type extends keyof WebSocketEventMap> =
  | ((this: WebSocket, event: WebSocketEventMap[Type]) => unknown)
  | null;

/**
 * The value of an event handler attribute as it is read. It says less than the type that the attribute takes, so that the
 * class may be assigned to the global name `WebSocket`, whose attributes have other types in each of its declarations.
 */
export type ReadEventHandler = ((event: Event) => unknown) | null;

/** The second argument of the constructor in its form of an object: the options, with `protocols` among them. */
export interface WebSocketInit extends WebSocketOptions {
  /** The subprotocols to offer, in order of preference. Default: none. */
  readonly protocols?: string | Iterable<string>;
}

/** The data that `send` takes: a string is sent as text, everything else as binary. */
export type WebSocketData = string | ArrayBuffer | ArrayBufferView | Blob;

type Listener<Type extends keyof WebSocketEventMap> =
  | ((this: WebSocket, event: WebSocketEventMap[Type]) => unknown)
  | { handleEvent(event: WebSocketEventMap[Type]): unknown };

/** The end of a connection, or of an attempt to open one. */
interface Ending extends Pick<CloseReport, "code" | "reason" | "wasClean" | "violation"> {
  readonly error: Error;
}

const constants = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;
const { CONNECTING, OPEN, CLOSING, CLOSED } = constants;

/** The constants, which `defineInterface` defines, and the inherited methods with the types of their listeners. */
export interface WebSocket {
  /** The `readyState` before `open`. */
  readonly CONNECTING: 0;
  /** The `readyState` of an open connection. */
  readonly OPEN: 1;
  /** The `readyState` from `close` or the server's Close on. */
  readonly CLOSING: 2;
  /** The `readyState` of a closed connection. */
  readonly CLOSED: 3;
  /** Adds a listener of the events of a type. */
  addEventListener<Type extends keyof WebSocketEventMap>(
    type: Type,
    listener: Listener<Type>,
    options?: Parameters<EventTarget["addEventListener"]>[2],
  ): void;
  /** Adds a listener of the events of any type. */
  addEventListener(...listener: Parameters<EventTarget["addEventListener"]>): void;
  /** Removes a listener of the events of a type. */
  removeEventListener<Type extends keyof WebSocketEventMap>(
    type: Type,
    listener: Listener<Type>,
    options?: Parameters<EventTarget["removeEventListener"]>[2],
  ): void;
  /** Removes a listener of the events of any type. */
  removeEventListener(...listener: Parameters<EventTarget["removeEventListener"]>): void;
}

/**
 * A connection to a WebSocket server, as in a browser.
 *
 * The constructor throws a SyntaxError for a URL that is not ws, wss, http or https or has a fragment, and for
 * subprotocols that are no tokens or are given twice. It throws a TypeError or a RangeError for options that cannot be.
 * Every other failure is an `error` event, whose `error` tells the reason, and a `close` event.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the class defines all members of the interface
export class WebSocket extends EventTarget {
  /** The `readyState` before `open`. */
  declare static readonly CONNECTING: 0;
  /** The `readyState` of an open connection. */
  declare static readonly OPEN: 1;
  /** The `readyState` from `close` or the server's Close on. */
  declare static readonly CLOSING: 2;
  /** The `readyState` of a closed connection. */
  declare static readonly CLOSED: 3;

  /** The objects whose `bufferedAmount` must not fall in this turn of the event loop. */
  static readonly #heldInTurn: WebSocket[] = [];
  readonly #url: string;
  /** The origin of the URL, for `MessageEvent`. */
  readonly #origin: string;
  readonly #handlers = new EventHandlers();
  /** Aborts when the object is closed before the connection is open. */
  readonly #giveUp = new AbortController();
  #readyState: 0 | 1 | 2 | 3 = CONNECTING;
  /** Undefined while the opening handshake is under way. */
  #connection: Connection | undefined;
  #binaryType: "blob" | "arraybuffer" = "blob";
  /** Payload bytes that the connection has taken and that may not have left. */
  #queued = 0;
  /** Payload bytes that will never be sent. */
  #unsent = 0;
  /** Whether something was sent or closed in this task, so that `bufferedAmount` must not fall. */
  #held = false;
  /** Whether a send has found the connection's outbox full. */
  #full = false;

  /** Connects to a URL. `protocols` are offered in order of preference; browsers have no `options`. */
  constructor(url: string | URL, protocols?: string | Iterable<string>, options?: WebSocketOptions);
  /** Connects to a URL. `init` has the options with `protocols` among them, as in Node's own class. */
  constructor(url: string | URL, init?: string | Iterable<string> | WebSocketInit);
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
    openConnection(
      target,
      {
        ...connectOptions,
        subprotocols,
        open: (connection) => this.#established(connection),
        message: (_, data) => void setImmediate(WebSocket.#deliver, this, data),
        closing: (connection) => this.#closingByPeer(connection),
        close: (_, report) => this.#ended(report),
      },
      { entry: WebSocket, giveUp: this.#giveUp.signal },
    ).catch((error: Error) => this.#end({ error, wasClean: false, code: CloseCode.AbnormalClosure, reason: "" }));
  }

  /** The serialised URL; its scheme is ws or wss. */
  get url(): string {
    return this.#url;
  }

  /** The state: 0 connecting, 1 open, 2 closing, 3 closed. */
  get readyState(): 0 | 1 | 2 | 3 {
    return this.#readyState;
  }

  /**
   * The payload bytes (UTF-8 for text) that were sent and have not left. Never falls within a task, nor at the close.
   */
  get bufferedAmount(): number {
    if (!this.#held) this.#settle();
    return this.#queued + this.#unsent;
  }

  /** The handler of `open` events; null for none. */
  get onopen(): ReadEventHandler {
    return this.#handlers.get("open");
  }

  set onopen(handler: WebSocketEventHandler<"open">) {
    this.#handlers.set(this, "open", handler);
  }

  /** The handler of `error` events; null for none. */
  get onerror(): ReadEventHandler {
    return this.#handlers.get("error");
  }

  set onerror(handler: WebSocketEventHandler<"error">) {
    this.#handlers.set(this, "error", handler);
  }

  /** The handler of `close` events; null for none. */
  get onclose(): ReadEventHandler {
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

  /** The handler of `message` events; null for none. */
  get onmessage(): ReadEventHandler {
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
    // The object is checked before the value, in the order of Web IDL.
    const current = this.#binaryType;
    const name = toDOMString(type);
    this.#binaryType = name === "blob" || name === "arraybuffer" ? name : current;
  }

  /**
   * Starts the closing handshake behind the messages that were sent. Gives up a connection that is not open yet.
   *
   * Throws an InvalidAccessError for a code that is neither 1000 nor from 3000 to 4999, and a SyntaxError for a reason
   * of more than 123 bytes of UTF-8.
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
   * Sends a string as text, a Blob or bytes as binary; any other value is converted to a string.
   *
   * Throws an InvalidStateError before `open`, and a TypeError for shared or resizable memory. After `close` it does
   * nothing but raise `bufferedAmount`.
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
    // The connection may have ended while the events of its last messages are still to come.
    if (state !== OPEN || connection.readyState !== OPEN) {
      this.#unsent += size;
      return;
    }
    this.#hold();
    this.#queued += size;
    if (!connection.send(message) && connection.readyState !== OPEN) this.#overflow();
  }

  // Events of the connection, each fired in a task of its own

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

  /**
   * Changes the state when the server closes. The answer to its Close waits until the messages before it are delivered.
   */
  #closingByPeer(connection: Connection): Promise<void> | undefined {
    // In the state 0 the task that opens is still to come, and the answer waits for it, too.
    if (this.#readyState === CLOSING) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        if (this.#readyState === OPEN && coreOf(connection).endpoint.closeReceived) this.#readyState = CLOSING;
        resolve();
      });
    });
  }

  #ended(report: CloseReport): void {
    this.#unsent += Math.min(this.#queued, report.bufferedAmount);
    this.#queued = 0;
    this.#end({ ...report, wasClean: closedCleanly(report), error: reasonOf(report) });
  }

  /** Fires `error` and `close` in two tasks, so that microtasks run between the two events. */
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

  /** Whether the connection has failed. As in browsers, a transport that ends while a side closes is no failure. */
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

  /** Releases all held objects in one task; a task for each would cost one per message in a program that echoes. */
  static #releaseHeld(): void {
    for (const socket of WebSocket.#heldInTurn.splice(0)) socket.#held = false;
  }

  /** Takes the bytes that have left out of the count. */
  #settle(): void {
    if (this.#queued > 0 && this.#connection) this.#queued = Math.min(this.#queued, this.#connection.bufferedAmount);
  }

  /**
   * Ends the sending when the outbox is full, which only a limit in the options makes possible; queued bytes are lost.
   */
  #overflow(): void {
    this.#full = true;
    this.#unsent += this.#queued;
    this.#queued = 0;
    this.#readyState = CLOSING;
  }
}

defineInterface(WebSocket, constants);

/** The arguments of either form: a second argument that is an object and no sequence holds the options. */
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
