/**
 * A WebSocket that comes back: one object over as many connections as it takes.
 *
 * Each connection fires `open` and later one `close`; the last event of all is a `close` that is `final`. There is at most
 * one socket at a time, and what a left one still tells is not heard. What was given to a connection is not sent again.
 */

import type { Clock } from "./clock.ts";
import { EventHandlers } from "./event-handlers.ts";
import { type Heartbeat, type HeartbeatOptions, makeHeartbeat } from "./heartbeat.ts";
import { LazyEventTarget } from "./lazy-event-target.ts";
import {
  type MessageQueue,
  messageQueue,
  type QueueOptions,
  type SocketData,
  type UnsentReason,
} from "./message-queue.ts";
import {
  type Attempt,
  type Closed,
  type End,
  endOf,
  noClose,
  type Provided,
  provide,
  type Refused,
} from "./policy/attempt.ts";
import { type ReconnectOptions, resolveReconnect } from "./policy/backoff.ts";
import type { Row } from "./policy/close-policy.ts";
import { type RetryState, retryReadyStates } from "./policy/retry-states.ts";
import { type RetryLoop, retryLoop } from "./retry-loop.ts";
import type { WakeListener } from "./retry-triggers.ts";
import { checkCloseArguments, checkProtocols, parseUrl } from "./socket-arguments.ts";
import { type Resume, type Wire, type WireInbox, wireInbox } from "./wire.ts";

/** What is needed of a WebSocket; that of a browser, of Node, of openline and of other libraries is one. */
export interface SocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  readonly extensions: string;
  readonly protocol: string;
  readonly url: string;
  binaryType: unknown;
  onopen: unknown;
  onmessage: unknown;
  onerror: unknown;
  onclose: unknown;
  send(data: SocketData): void;
  close(code?: number, reason?: string): void;
}

/** A class of WebSockets. */
export type SocketClass = new (url: string | URL, protocols: string[]) => SocketLike;

/** The options of a `ReconnectingWebSocket`. */
export interface ReconnectingWebSocketOptions {
  /** When and how often to come back. */
  readonly reconnect?: ReconnectOptions;
  /** What is sent while there is no connection; false for no queue, so that `send` returns false then. */
  readonly queue?: QueueOptions | false;
  /**
   * Sends and reads before each `open`, such as a login: `wire.send`, `await wire.next()`. What it resolves to is
   * `prepared` of the `open` event; what it throws fails the attempt.
   */
  readonly prepare?: (wire: Wire, attempt: Attempt) => unknown;
  /** Resuming without loss. Default none. */
  readonly resume?: Resume;
  /** Notices a silent connection in words of the application. Default none. */
  readonly heartbeat?: HeartbeatOptions;
  /** Closes when it aborts. */
  readonly signal?: AbortSignal;
  /** The class to connect with. Default the runtime's, in Node that of openline. */
  readonly WebSocket?: SocketClass;
}

/** A connection is open. */
export interface ReconnectingOpenEvent extends Event {
  /** What the option `prepare` resolved to. */
  readonly prepared: unknown;
}

/** An attempt failed, or `shouldReconnect` threw. */
export interface ReconnectingErrorEvent extends Event {
  /** Why, where the runtime tells: in Node a `HandshakeError` or the socket's error, anywhere what a provider threw. */
  readonly error: unknown;
  /** The message of `error`, else empty. */
  readonly message: string;
}

/** A connection is over, or with `final` the whole. */
export interface ReconnectingCloseEvent extends Event, Closed {
  /** Whether this is the end: it is the last event, and no connection follows. */
  readonly final: boolean;
  /** Bytes that were given to this connection and surely never left; of the rest nothing is known. */
  readonly bufferedAmount: number;
}

/** A message that `send` had taken was not sent. */
export interface UnsentEvent extends Event {
  readonly data: SocketData;
  /** The queue was `full` with `drop-oldest`, the message `expired`, or all was `closed` before it could be sent. */
  readonly reason: UnsentReason;
}

/** The events of a `ReconnectingWebSocket` by their type. */
export interface ReconnectingWebSocketEventMap {
  readonly open: ReconnectingOpenEvent;
  readonly message: MessageEvent;
  readonly error: ReconnectingErrorEvent;
  readonly close: ReconnectingCloseEvent;
  readonly statechange: Event;
  readonly unsent: UnsentEvent;
}

/** An event handler attribute. */
export type ReconnectingHandler<Type extends keyof ReconnectingWebSocketEventMap> =
  | ((this: ReconnectingWebSocket, event: ReconnectingWebSocketEventMap[Type]) => unknown)
  | null;

type Listener<Type extends keyof ReconnectingWebSocketEventMap> =
  | ((this: ReconnectingWebSocket, event: ReconnectingWebSocketEventMap[Type]) => unknown)
  | { handleEvent(event: ReconnectingWebSocketEventMap[Type]): unknown };

/** What a runtime has to give. */
export interface SocketSurroundings {
  readonly clock: Clock;
  /** Makes a socket of the class that the program gave, or else of the runtime's own. */
  dial(given: SocketClass | undefined, url: string | URL, protocols: string[], attempt: Attempt): Promise<SocketLike>;
  /** Whether what `dial` adds is provided anew for each attempt. */
  readonly provides?: boolean;
  /** What an error tells of a refused handshake. */
  readonly refusalOf?: (error: unknown) => Refused;
  readonly watchWakes?: (woken: WakeListener) => () => void;
  /** The table of statuses, where the runtime tells any. */
  readonly statusRules?: readonly Row[];
}

/** What `WebSocket.send` and `send` here take as it is; everything else is sent as a string. */
const highWaterMark = 1024 * 1024;

/** The types of the listeners, which are inherited. */
export interface ReconnectingWebSocket {
  addEventListener<Type extends keyof ReconnectingWebSocketEventMap>(
    type: Type,
    listener: Listener<Type>,
    options?: Parameters<EventTarget["addEventListener"]>[2],
  ): void;
  addEventListener(...listener: Parameters<EventTarget["addEventListener"]>): void;
  removeEventListener<Type extends keyof ReconnectingWebSocketEventMap>(
    type: Type,
    listener: Listener<Type>,
    options?: Parameters<EventTarget["removeEventListener"]>[2],
  ): void;
  removeEventListener(...listener: Parameters<EventTarget["removeEventListener"]>): void;
}

/** See the head of this file. */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: both halves are kept to, see above
export class ReconnectingWebSocket extends LazyEventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;

  readonly #surroundings: SocketSurroundings;
  readonly #options: ReconnectingWebSocketOptions;
  readonly #url: Provided<string | URL>;
  readonly #protocols: Provided<string | readonly string[]>;
  readonly #handlers = new EventHandlers();
  readonly #queue: MessageQueue;
  readonly #loop: RetryLoop;
  readonly #heartbeat: Heartbeat | undefined;
  readonly #unfollow: () => void;
  #binaryType: "blob" | "arraybuffer" = "blob";
  /** The one socket; undefined while waiting or providing, and once it is left. */
  #socket: SocketLike | undefined;
  /** Holds messages while `resume` and `prepare` are at work. */
  #inbox: WireInbox | undefined;
  #origin = "";

  /** @internal Programs have the class of their runtime, which knows its surroundings. */
  constructor(
    url: Provided<string | URL>,
    protocols: Provided<string | readonly string[]>,
    options: ReconnectingWebSocketOptions,
    surroundings: SocketSurroundings,
  ) {
    super();
    this.#url = typeof url === "function" ? url : parseUrl(url);
    if (typeof protocols !== "function") checkProtocols(listOf(protocols));
    this.#protocols = protocols;
    this.#options = options;
    this.#surroundings = surroundings;
    const { clock } = surroundings;
    const { heartbeat, signal } = options;
    this.#queue = messageQueue(options.queue ?? {}, clock, (data, reason) => this.#fire("unsent", { data, reason }));
    this.#heartbeat =
      heartbeat &&
      makeHeartbeat(heartbeat, {
        clock,
        send: (message) => this.#socket?.send(message),
        silent: () => this.#silent(),
        slept: () => this.#loop.slept(),
      });
    this.#loop = retryLoop(
      {
        dial: (attempt) => void this.#dial(attempt),
        changed: () => this.#fire("statechange"),
        failed: (error) => this.#failed(error),
        drop: (opened) => this.#drop(opened),
        woken: () => this.#heartbeat?.beat(),
        complained: (error) => this.#complain(error),
        gaveUp: (end) => this.#finish(end),
        lost: (end) => {
          if (!end.opened) this.#complain(end.error);
          else if (this.#loop.state !== "closed") this.#fireClose(end, false);
        },
      },
      {
        settings: resolveReconnect(options.reconnect),
        clock,
        provides: typeof url === "function" || typeof protocols === "function" || surroundings.provides === true,
        resume: options.resume,
        statusRules: surroundings.statusRules,
        watchWakes: surroundings.watchWakes,
      },
    );
    const abort = () => this.close();
    signal?.addEventListener("abort", abort);
    this.#unfollow = () => signal?.removeEventListener("abort", abort);
    if (signal?.aborted) abort();
    // React's StrictMode makes an object, closes it and makes another: that costs one handshake, not two.
    void Promise.resolve().then(() => this.#loop.start());
  }

  /** `connecting`, `open`, `waiting`, `closing` or `closed`; each change fires `statechange`. */
  get state(): RetryState {
    return this.#loop.state;
  }

  /** 0 connecting or waiting, 1 open, 2 closing, 3 closed for good. */
  get readyState(): 0 | 1 | 2 | 3 {
    return retryReadyStates[this.#loop.state];
  }

  /** When the next attempt is due, in milliseconds since the epoch, while waiting; else 0. */
  get retryAt(): number {
    return this.#loop.retryAt;
  }

  /** Failures in a row; 0 again once a connection was open for `reconnect.stableAfter`. */
  get failures(): number {
    return this.#loop.failures;
  }

  /** The URL of the connection, or the one that was given; empty before the first of a provider. */
  get url(): string {
    return this.#socket?.url ?? (typeof this.#url === "string" ? this.#url : "");
  }

  /** The agreed subprotocol; empty unless open, and when there is none. */
  get protocol(): string {
    return this.#socket?.protocol ?? "";
  }

  /** The agreed extensions; empty unless open, and when there are none. */
  get extensions(): string {
    return this.#socket?.extensions ?? "";
  }

  /** Bytes of payload in the queue and given to the connection that have not left. */
  get bufferedAmount(): number {
    return this.#queue.size + (this.#socket?.bufferedAmount ?? 0);
  }

  /** Whether binary messages are delivered as `Blob` (the default) or as `ArrayBuffer`; holds for all connections. */
  get binaryType(): "blob" | "arraybuffer" {
    return this.#binaryType;
  }

  set binaryType(type: "blob" | "arraybuffer") {
    if (type !== "blob" && type !== "arraybuffer") return;
    this.#binaryType = type;
    if (this.#socket) this.#socket.binaryType = type;
  }

  // Written out: defined in a loop, they would stay in every bundle.

  get onopen(): ReconnectingHandler<"open"> {
    return this.#handlers.get("open");
  }

  set onopen(handler: ReconnectingHandler<"open">) {
    this.#handlers.set(this, "open", handler);
  }

  get onmessage(): ReconnectingHandler<"message"> {
    return this.#handlers.get("message");
  }

  set onmessage(handler: ReconnectingHandler<"message">) {
    this.#handlers.set(this, "message", handler);
  }

  get onerror(): ReconnectingHandler<"error"> {
    return this.#handlers.get("error");
  }

  set onerror(handler: ReconnectingHandler<"error">) {
    this.#handlers.set(this, "error", handler);
  }

  get onclose(): ReconnectingHandler<"close"> {
    return this.#handlers.get("close");
  }

  set onclose(handler: ReconnectingHandler<"close">) {
    this.#handlers.set(this, "close", handler);
  }

  get onstatechange(): ReconnectingHandler<"statechange"> {
    return this.#handlers.get("statechange");
  }

  set onstatechange(handler: ReconnectingHandler<"statechange">) {
    this.#handlers.set(this, "statechange", handler);
  }

  get onunsent(): ReconnectingHandler<"unsent"> {
    return this.#handlers.get("unsent");
  }

  set onunsent(handler: ReconnectingHandler<"unsent">) {
    this.#handlers.set(this, "unsent", handler);
  }

  /**
   * Sends a message, or keeps it until there is a connection.
   *
   * Returns false when it was not taken: there is no room in the queue, or `close` was called. While open it is always
   * taken, and false says that more than 1 MiB is waiting. What is no bytes and no Blob is sent as a string.
   */
  send(data: SocketData): boolean {
    const { state } = this.#loop;
    if (state === "closing" || state === "closed") return false;
    const message = toData(data);
    // The connection may have ended, with its close event still to come.
    if (state !== "open" || this.#socket?.readyState !== 1) return this.#queue.add(message);
    this.#socket.send(message);
    return this.#socket.bufferedAmount <= highWaterMark;
  }

  /**
   * Ends for good: closes the connection, or gives up the attempt or the wait. The last `close` event follows.
   *
   * Throws an InvalidAccessError for a code that is neither 1000 nor from 3000 to 4999, and a SyntaxError for a reason of
   * more than 123 bytes of UTF-8.
   */
  close(code?: number, reason?: string): void {
    checkCloseArguments(code, reason);
    const socket = this.#socket;
    if (this.#loop.state === "closing") return;
    if (this.#loop.state === "open" && socket) {
      this.#loop.leave();
      this.#heartbeat?.stop();
      socket.close(code, reason);
    } else if (this.#loop.close()) {
      this.#leave();
      void Promise.resolve().then(() => this.#finish(noClose));
    }
  }

  /** Leaves the connection, attempt or wait, tries at once, and forgets failures and hints; nothing once closed. */
  reconnect(): void {
    this.#loop.reconnect();
  }

  // From an attempt to a connection

  async #dial(attempt: Attempt): Promise<void> {
    try {
      const [url, protocols] = await Promise.all([provide(this.#url, attempt), provide(this.#protocols, attempt)]);
      if (attempt.signal.aborted) return;
      const { WebSocket } = this.#options;
      const socket = await this.#surroundings.dial(WebSocket, url, listOf(protocols), attempt);
      if (attempt.signal.aborted) socket.close();
      else this.#connect(socket, attempt);
    } catch (error) {
      if (!attempt.signal.aborted) this.#failed(error);
    }
  }

  #connect(socket: SocketLike, attempt: Attempt): void {
    let error: unknown;
    this.#socket = socket;
    this.#inbox = wireInbox();
    socket.binaryType = this.#binaryType;
    socket.onopen = () => this.#prepare(socket, attempt);
    socket.onmessage = ({ data, origin }: { readonly data: unknown; readonly origin?: string }) => {
      this.#origin = origin ?? "";
      if (this.#inbox) this.#inbox.add(data);
      else if (this.#loop.state === "open") this.#deliver(data);
    };
    socket.onerror = (event: { readonly error?: unknown }) => {
      error = event.error;
    };
    socket.onclose = (closed: Closed) => {
      const told = error === undefined ? {} : { error, ...this.#surroundings.refusalOf?.(error) };
      this.#ended(closed, told);
    };
  }

  #prepare(socket: SocketLike, attempt: Attempt): void {
    const { prepare, resume } = this.#options;
    if (!prepare && !resume) return this.#opened(socket, undefined);
    const inbox = this.#inbox!;
    const wire: Wire = { send: (data) => socket.send(data), next: () => inbox.next() };
    const work = async () => {
      await resume?.first(wire);
      if (resume) inbox.look = (data) => resume.receive(data);
      return prepare?.(wire, attempt);
    };
    work().then(
      (prepared) => {
        if (!attempt.signal.aborted) this.#opened(socket, prepared);
      },
      (error) => {
        if (!attempt.signal.aborted) this.#failed(error);
      },
    );
  }

  #opened(socket: SocketLike, prepared: unknown): void {
    const inbox = this.#inbox!;
    this.#inbox = undefined;
    inbox.end();
    this.#heartbeat?.received();
    this.#loop.opened();
    const isOpen = () => this.#socket === socket && this.#loop.state === "open" && socket.readyState === 1;
    if (isOpen()) this.#fire("open", { prepared });
    if (!isOpen()) return;
    this.#queue.flush((data) => {
      const open = isOpen();
      if (open) socket.send(data);
      return open;
    });
    for (const data of inbox.messages) if (isOpen()) this.#deliver(data);
  }

  #deliver(data: unknown): void {
    if (this.#heartbeat?.received(data)) return;
    const { resume } = this.#options;
    const given = resume ? resume.receive(data) : data;
    if (given !== undefined) this.dispatchEvent(new MessageEvent("message", { data: given, origin: this.#origin }));
  }

  // From a connection to its end

  /** The socket told its end. */
  #ended(closed: Closed, told: Pick<End, "error" | "status" | "retryAfter">): void {
    const bufferedAmount = this.#socket?.bufferedAmount ?? 0;
    const opened = this.#loop.state !== "connecting";
    this.#release();
    this.#loop.ended(endOf(closed, { opened, bufferedAmount, ...told }));
  }

  #failed(error: unknown): void {
    this.#leave();
    this.#loop.ended({ ...noClose, opened: false, bufferedAmount: 0, error });
  }

  #silent(): void {
    const bufferedAmount = this.#socket?.bufferedAmount ?? 0;
    this.#leave();
    this.#loop.ended({ ...noClose, opened: true, bufferedAmount, error: new Error("The connection was silent") });
  }

  #drop(opened: boolean): void {
    const bufferedAmount = this.#socket?.bufferedAmount ?? 0;
    this.#leave();
    if (opened) this.#fireClose({ ...noClose, bufferedAmount }, false);
  }

  /** Leaves the socket to itself, and does not wait for its closing handshake. */
  #leave(): void {
    const socket = this.#socket;
    this.#release();
    socket?.close();
  }

  /** What the socket still tells is not heard. */
  #release(): void {
    const socket = this.#socket;
    if (socket) socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
    this.#socket = undefined;
    this.#heartbeat?.stop();
    this.#inbox?.end();
    this.#inbox = undefined;
  }

  /** The last events. */
  #finish(end: Closed & { readonly bufferedAmount?: number }): void {
    this.#unfollow();
    this.#queue.close();
    this.#fireClose(end, true);
  }

  #fireClose(
    { code, reason, wasClean, bufferedAmount = 0 }: Closed & { bufferedAmount?: number },
    final: boolean,
  ): void {
    this.#fire("close", { code, reason, wasClean, bufferedAmount, final });
  }

  #complain(error: unknown): void {
    this.#fire("error", { error, message: error instanceof Error ? error.message : "" });
  }

  #fire(type: keyof ReconnectingWebSocketEventMap, details: object = {}): void {
    this.dispatchEvent(Object.assign(new Event(type), details));
  }
}

function listOf(protocols: string | readonly string[] | undefined): string[] {
  return typeof protocols === "string" ? [protocols] : [...(protocols ?? [])];
}

function toData(data: unknown): SocketData {
  const asItIs = ArrayBuffer.isView(data) || data instanceof ArrayBuffer || data instanceof Blob;
  return asItIs ? data : String(data);
}
