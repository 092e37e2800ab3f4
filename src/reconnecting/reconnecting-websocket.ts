/**
 * A WebSocket that comes back: one object over as many connections as it takes.
 *
 * Each connection fires `open` and later one `close`; the last event of all is a `close` that is `final`. There is at most
 * one socket at a time, and what a left one still tells is not heard. What was given to a connection is not sent again.
 */

import type { Clock } from "./clock.ts";
import { type Heartbeat, type HeartbeatOptions, makeHeartbeat } from "./heartbeat.ts";
import { LazyEventTarget } from "./lazy-event-target.ts";
import {
  type MessageQueue,
  messageQueue,
  type QueueOptions,
  type SocketData,
  type UnsentReason,
} from "./message-queue.ts";
import { parseUrl } from "./parse-url.ts";
import {
  type Attempt,
  type Closed,
  type End,
  endOf,
  nothingCame,
  type Provided,
  provide,
  type Refused,
} from "./policy/attempt.ts";
import { type ReconnectOptions, resolveReconnect } from "./policy/backoff.ts";
import type { Row } from "./policy/close-policy.ts";
import { type RetryState, retryReadyStates } from "./policy/retry-states.ts";
import type { Resume, ResumedSocket } from "./resume.ts";
import { type RetryLoop, retryLoop } from "./retry-loop.ts";
import type { WakeListener } from "./retry-triggers.ts";
import { type Wire, type WireInbox, wireInbox } from "./wire.ts";

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
export interface ReconnectingCloseEvent extends Event, End {
  /** Whether this is the end: it is the last event, and no connection follows. */
  readonly final: boolean;
}

/** A message that `send` had taken was not sent. */
export interface UnsentEvent extends Event {
  readonly data: SocketData;
  /** The queue was `full` with `drop-oldest`, the message `expired`, or all was `closed` before it could be sent. */
  readonly reason: UnsentReason;
}

/** The events of a `ReconnectingWebSocket` by their type. */
export interface ReconnectingWebSocketEventMap {
  open: ReconnectingOpenEvent;
  message: MessageEvent;
  error: ReconnectingErrorEvent;
  close: ReconnectingCloseEvent;
  statechange: Event;
  unsent: UnsentEvent;
}

/** An event handler attribute. */
export type ReconnectingHandler<Type extends keyof ReconnectingWebSocketEventMap> =
  | ((this: ReconnectingWebSocket, event: ReconnectingWebSocketEventMap[Type]) => unknown)
  | null;

type Listener<Type extends keyof ReconnectingWebSocketEventMap> =
  | ((this: ReconnectingWebSocket, event: ReconnectingWebSocketEventMap[Type]) => unknown)
  | { handleEvent(event: ReconnectingWebSocketEventMap[Type]): unknown };

type Handler = (this: ReconnectingWebSocket, event: Event) => unknown;

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

/**
 * A WebSocket that comes back: one object, with the events and properties of a `WebSocket`, over as many connections as it
 * takes. Each fires `open` and later one `close`; the last event of all is a `close` that is `final`. What was given to a
 * connection is not sent again.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: both halves are kept to, see above
export class ReconnectingWebSocket extends LazyEventTarget {
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSING: 2;
  declare static readonly CLOSED: 3;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;
  declare onopen: ReconnectingHandler<"open">;
  declare onmessage: ReconnectingHandler<"message">;
  declare onerror: ReconnectingHandler<"error">;
  declare onclose: ReconnectingHandler<"close">;
  declare onstatechange: ReconnectingHandler<"statechange">;
  declare onunsent: ReconnectingHandler<"unsent">;

  static {
    const constants = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
    Object.assign(Object.assign(ReconnectingWebSocket, constants).prototype, constants);
    // Written out, accessors and constants are 32 bytes more of a page.
    for (const type of ["open", "message", "error", "close", "statechange", "unsent"] as const) {
      Object.defineProperty(ReconnectingWebSocket.prototype, `on${type}`, {
        configurable: true,
        enumerable: true,
        get(this: ReconnectingWebSocket) {
          return this.#handlers[type] ?? null;
        },
        set(this: ReconnectingWebSocket, handler: unknown) {
          if (!(type in this.#handlers))
            this.addEventListener(type, (event) => this.#handlers[type]?.call(this, event));
          this.#handlers[type] = typeof handler === "function" ? (handler as Handler) : undefined;
        },
      });
    }
  }

  readonly #surroundings: SocketSurroundings;
  readonly #options: ReconnectingWebSocketOptions;
  readonly #url: Provided<string | URL>;
  readonly #protocols: Provided<string | readonly string[]>;
  /** The event handler attributes by type; each has a listener from its first value on, and so its place among them. */
  readonly #handlers: { [Type in keyof ReconnectingWebSocketEventMap]?: Handler | undefined } = {};
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
    this.#protocols = protocols;
    this.#options = options;
    this.#surroundings = surroundings;
    const { clock } = surroundings;
    const { heartbeat, signal, resume } = options;
    this.#queue = messageQueue(options.queue, clock, (data, reason) => this.#fire("unsent", { data, reason }));
    this.#loop = retryLoop(
      {
        dial: (attempt) => void this.#dial(attempt),
        changed: () => this.#fire("statechange"),
        failed: (error) => this.#failed(error),
        woken: () => this.#heartbeat?.beat(),
        complained: (error) => this.#complain(error),
        lost: (end) => {
          if (!end.opened) this.#complain(end.error);
          else if (this.readyState < 3) this.#fire("close", { ...end, final: false });
        },
        gaveUp: (end) => this.#finish(end),
      },
      {
        ...surroundings,
        settings: resolveReconnect(options.reconnect),
        provides: [url, protocols].some((provided) => typeof provided === "function") || !!surroundings.provides,
        resume,
      },
    );
    this.#heartbeat =
      heartbeat &&
      makeHeartbeat(heartbeat, {
        clock,
        send: (message) => this.#socket!.send(message),
        silent: () => this.#failed(new Error("Cannot read: the connection is silent"), true),
        slept: this.#loop.slept,
      });
    const abort = () => this.close();
    signal?.addEventListener("abort", abort);
    this.#unfollow = () => signal?.removeEventListener("abort", abort);
    if (signal?.aborted) abort();
    // React's StrictMode makes an object, closes it and makes another: that costs one handshake, not two.
    void Promise.resolve().then(this.#loop.start);
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

  /**
   * Sends a message, or keeps it until there is a connection.
   *
   * Returns false when it was not taken: there is no room in the queue, or `close` was called. While open it is always
   * taken, and false says that more than 1 MiB is waiting. What is no bytes and no Blob is sent as a string.
   */
  send(data: SocketData): boolean {
    const socket = this.#socket;
    if (this.readyState > 1) return false;
    // The connection may have ended, with its close event still to come.
    if (this.readyState < 1 || socket?.readyState !== 1) return this.#queue.add(data);
    socket.send(data);
    return socket.bufferedAmount <= 1024 * 1024;
  }

  /**
   * Ends for good: closes the connection, or gives up the attempt or the wait. The last `close` event follows.
   *
   * While open it throws what `close` of a WebSocket throws: an InvalidAccessError for a code that is neither 1000 nor from
   * 3000 to 4999, and a SyntaxError for a reason of more than 123 bytes of UTF-8.
   */
  close(code?: number, reason?: string): void {
    if (this.readyState > 1) return;
    if (this.readyState) {
      this.#socket!.close(code, reason);
      this.#heartbeat?.stop();
      this.#loop.leave();
    } else {
      this.#leave();
      this.#loop.close();
      void Promise.resolve().then(() => this.#finish(nothingCame));
    }
  }

  /** Leaves the connection, attempt or wait, tries at once, and forgets failures and hints; nothing once closed. */
  reconnect(): void {
    if (this.readyState > 1) return;
    // While there is an inbox, no listener has heard of the connection.
    this.#loop.reconnect({
      ...nothingCame,
      opened: this.readyState > 0 && !this.#inbox,
      bufferedAmount: this.#leave(),
    });
  }

  // From an attempt to a connection

  async #dial(attempt: Attempt): Promise<void> {
    const { signal } = attempt;
    const { prepare, resume, WebSocket } = this.#options;
    try {
      const url = await provide(this.#url, attempt);
      const protocols = await provide(this.#protocols, attempt);
      if (signal.aborted) return;
      const socket = await this.#surroundings.dial(
        WebSocket,
        url,
        resume ? resume.offer(listOf(protocols)) : listOf(protocols),
        attempt,
      );
      if (signal.aborted) return socket.close();
      const inbox = wireInbox(resume, socket as ResumedSocket);
      const wire: Wire = { send: (data) => socket.send(data), next: inbox.next };
      await this.#connect(socket, inbox);
      resume?.first(socket as ResumedSocket);
      const prepared = await prepare?.(wire, attempt);
      // A socket that is closing already tells its end as that of a failed attempt.
      if (signal.aborted || socket.readyState !== 1) return;
      this.#heartbeat?.received();
      this.#loop.opened();
      this.#inbox = undefined;
      inbox.end();
      const isOpen = () => this.#socket === socket && socket.readyState === 1;
      if (isOpen()) this.#fire("open", { prepared });
      this.#queue.flush((data) => {
        const open = isOpen();
        if (open) socket.send(data);
        return open;
      });
      for (const data of inbox.messages) if (isOpen()) this.#deliver(data);
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    }
  }

  /** Listens to the socket; resolves when it is open. */
  #connect(socket: SocketLike, inbox: WireInbox): Promise<void> {
    let told: Partial<End> = {};
    this.#socket = socket;
    this.#inbox = inbox;
    socket.binaryType = this.#binaryType;
    socket.onmessage = ({ data, origin }: MessageEvent) => {
      this.#origin = origin;
      if (this.#inbox) this.#inbox.add(data);
      else if (this.readyState < 2) this.#deliver(data);
    };
    socket.onerror = ({ error }: { readonly error?: unknown }) => {
      told = { error, ...this.#surroundings.refusalOf?.(error) };
    };
    socket.onclose = (closed: Closed) => {
      this.#ended(endOf(closed, { ...told, opened: this.readyState > 0 }));
    };
    return new Promise((resolve) => {
      socket.onopen = resolve;
    });
  }

  #deliver(data: unknown): void {
    if (this.#heartbeat?.received(data)) return;
    const { resume } = this.#options;
    const socket = this.#socket;
    let given = data;
    try {
      if (resume) given = resume.receive(data, socket as ResumedSocket);
    } catch (error) {
      // It may have left the connection before.
      if (this.#socket === socket) this.#failed(error, true);
      return;
    }
    if (given !== undefined) this.dispatchEvent(new MessageEvent("message", { data: given, origin: this.#origin }));
  }

  // From a connection to its end

  /** The socket has told its end, or is left. */
  #ended(end: End): void {
    this.#loop.ended({ ...end, bufferedAmount: this.#leave() });
  }

  #failed(error: unknown, opened = false): void {
    this.#ended({ ...nothingCame, opened, error });
  }

  /**
   * Leaves the socket to itself, if there is one, and hears no more of it; does not wait for its closing handshake. Returns
   * the bytes that have not left.
   */
  #leave(): number {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#heartbeat?.stop();
    this.#inbox?.end();
    this.#inbox = undefined;
    if (!socket) return 0;
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
    socket.close();
    return socket.bufferedAmount;
  }

  /** The last events. */
  #finish(end: End): void {
    this.#unfollow();
    this.#queue.close();
    this.#fire("close", { ...end, final: true });
  }

  #complain(error: unknown): void {
    this.#fire("error", { error, message: (error as Partial<Error> | undefined)?.message ?? "" });
  }

  #fire(type: keyof ReconnectingWebSocketEventMap, details?: object): void {
    this.dispatchEvent(Object.assign(new Event(type), details));
  }
}

function listOf(protocols: string | readonly string[] | undefined): string[] {
  return [protocols ?? []].flat() as string[];
}
