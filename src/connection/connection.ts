/**
 * An established WebSocket connection: one endpoint meets one byte stream.
 *
 * Only delivery waits: while a handler's promise or an iterator is behind, parsing goes on into a bounded queue, so that
 * Pings, Close and the end of the stream are seen meanwhile. Nothing is lost before a handler or an iterator is there.
 */

import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { CloseCode, encodeClosePayload } from "../protocol/close-code.ts";
import type { CloseEvent, Endpoint, EndpointEvent, MessageEvent } from "../protocol/endpoint.ts";
import type { Violation } from "../protocol/errors.ts";
import type { Role } from "../protocol/frame.ts";
import { longestCopied } from "../protocol/frame-encoder.ts";
import { type CloseReport, reportClose } from "./close-report.ts";
import { type Deferred, deferred } from "./deferred.ts";
import type { ConnectionSettings, MessageData, SendOptions } from "./handlers.ts";
import { drainSize, drainTime, longestEchoDelay } from "./limits.ts";
import type { MessageDeflate } from "./message-deflate.ts";
import { Outbox } from "./outbox.ts";
import { nextPingPayload, Pings } from "./pings.ts";
import { PreparedMessage } from "./prepared-message.ts";
import { SendLine } from "./send-line.ts";
import { currentTick, tickLength, unwatch, type Watched, watchAfter } from "./timer-wheel.ts";

/** What can be sent: text, bytes in any form, or a message prepared for many. */
export type Sendable = string | ArrayBuffer | ArrayBufferView | Blob | PreparedMessage;

/** What a connection is made of. */
export interface ConnectionParts<Self> {
  readonly endpoint: Endpoint;
  readonly socket: Duplex;
  readonly settings: ConnectionSettings<Self>;
  readonly deflate?: MessageDeflate | undefined;
  readonly subprotocol?: string | undefined;
  readonly extensions?: string | undefined;
}

type OwnedSocket = Duplex & { [owner]?: Connection };
type Waiter = (result: IteratorResult<MessageData, undefined>) => void;

const owner = Symbol("connection");
const done: IteratorResult<MessageData, undefined> = { done: true, value: undefined };
/** After this many messages in one go the clock is read (the read budget). */
const messagesPerLook = 64;
/** How often a Pong says that we live while we do not read. */
const unsolicitedPongInterval = 20_000;
const reported = new WeakSet<object>();

/** See the head of this file. */
export class Connection implements Watched {
  /** The agreed subprotocol; empty when none was. */
  readonly subprotocol: string;
  /** The agreed extensions as in `Sec-WebSocket-Extensions`; empty when none were. */
  readonly extensions: string;
  /** The last round trip that a Ping measured, in milliseconds; undefined before the first. */
  latency: number | undefined;
  /** @internal The timer wheel's own. */
  slot = -1;

  readonly #endpoint: Endpoint;
  readonly #socket: OwnedSocket;
  readonly #settings: ConnectionSettings<this>;
  readonly #deflate: MessageDeflate | undefined;
  readonly #outbox: Outbox;
  #line: SendLine | undefined;
  #pings: Pings | undefined;

  readonly #queue: (MessageEvent | CloseEvent)[] = [];
  #queuedSize = 0;
  /** A handler's promise is awaited. */
  #busy = false;
  #waiters: Waiter[] | undefined;
  #reading = true;
  #lastReceived: number = currentTick();
  #lastPing = -1;

  #initiator: CloseReport["initiator"] | undefined;
  #error: Error | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  #drained = 0;
  #report: CloseReport | undefined;
  #reportDelivered = false;
  #closed: Deferred<CloseReport> | undefined;
  #ready: Deferred<void> | undefined;

  /** @internal For `accept` and `connect`; nothing is read before `start`. */
  constructor(parts: ConnectionParts<Connection>) {
    this.#endpoint = parts.endpoint;
    this.#socket = parts.socket;
    this.#settings = parts.settings as ConnectionSettings<this>;
    this.#deflate = parts.deflate;
    this.subprotocol = parts.subprotocol ?? "";
    this.extensions = parts.extensions ?? "";
    this.#outbox = new Outbox(parts.endpoint, parts.socket, parts.settings.limits.outboxHighWaterMark, () =>
      this.#outboxLow(),
    );
  }

  /** The WHATWG number of the state: 1 open, 2 closing, 3 closed; a Close counts when it is reached in the queue. */
  get readyState(): 1 | 2 | 3 {
    return this.#endpoint.state === "peerClosing" ? 1 : this.#endpoint.readyState;
  }

  /** Whether this side is the client or the server of the connection. */
  get role(): Role {
    return this.#endpoint.role;
  }

  /** Bytes that were sent and have not left the process, framing included. */
  get bufferedAmount(): number {
    return this.#outbox.size + (this.#line?.length ?? 0);
  }

  /** Resolves with the report when the connection is over; never rejects. */
  get closed(): Promise<CloseReport> {
    this.#closed ??= deferred<CloseReport>();
    if (this.#reportDelivered) this.#closed.resolve(this.#report!);
    return this.#closed.promise;
  }

  /** Resolves when less than the high-water mark is queued, or the connection is over. */
  get ready(): Promise<void> {
    if (this.bufferedAmount < this.#settings.limits.outboxHighWaterMark || this.#report) return Promise.resolve();
    this.#ready ??= deferred<void>();
    return this.#ready.promise;
  }

  /**
   * Sends one message: a string as text, everything else as binary.
   *
   * Returns true while the outbox is below its high-water mark (1 MiB by default), else false, also when the connection
   * is closing or closed, where nothing is sent. Throws a TypeError for any other kind of data, and nothing else.
   */
  send(data: Sendable, options?: SendOptions): boolean {
    const message = typeof data === "string" ? data : checkSendable(data);
    if (!this.#open) return false;
    if (this.#outbox.size >= this.#settings.limits.maxOutboxSize) {
      this.#overflow();
      return false;
    }
    if (this.#line?.busy) {
      const kept = message instanceof Uint8Array ? new Uint8Array(message) : message;
      this.#line.push(sizeOf(kept), () => this.#sendNow(kept, options));
    } else {
      this.#sendNow(message, options);
    }
    return !this.#outbox.high;
  }

  /**
   * Sends a Ping; resolves with the round trip in milliseconds when its Pong, or that of a later Ping, has come.
   *
   * Throws a RangeError when the payload is over 125 bytes; rejects when the connection is closed before.
   */
  ping(payload: Uint8Array = nextPingPayload()): Promise<number> {
    this.#pings ??= new Pings();
    if (!this.#endpoint.ping(payload)) {
      return Promise.reject(new Error("Cannot ping: the connection is closing or closed"));
    }
    this.#outbox.changed();
    return this.#pings.add(payload);
  }

  /** Sends a Pong that nobody asked for; a RangeError when the payload is over 125 bytes. */
  pong(payload: Uint8Array = new Uint8Array(0)): void {
    if (this.#endpoint.pong(payload)) this.#outbox.changed();
  }

  /**
   * Starts the closing handshake after all that was sent, or answers the peer's Close; no-op when it has begun.
   *
   * `code` is 1000 by default; throws a RangeError for a code that a Close frame cannot carry (RFC 6455 section 7.4) or
   * a reason of more than 123 bytes of UTF-8. Messages that still arrive go to the handler, if there is one.
   */
  close(code: number = CloseCode.NormalClosure, reason = ""): void {
    encodeClosePayload(code, reason);
    if (!this.#open) return;
    if (this.#line?.busy) this.#line.push(0, () => this.#closeNow(code, reason));
    else this.#closeNow(code, reason);
  }

  /** Destroys the socket at once; what was not sent is lost. */
  terminate(): void {
    this.#initiator ??= "local";
    this.#socket.destroy();
  }

  /** Lets the process end although this connection is open. */
  unref(): void {
    (this.#socket as { unref?: () => void }).unref?.();
  }

  /** Closes with 1000 and waits until the connection is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  /**
   * Messages in order, until the connection is over; a message counts as handled when the next one is asked for.
   *
   * Leaving the loop does not close the connection: another loop goes on where it ended.
   */
  [Symbol.asyncIterator](): AsyncIterator<MessageData, undefined, undefined> {
    if (this.#settings.handlers.message) {
      throw new Error("Cannot iterate: the messages go to the message handler");
    }
    return { next: () => this.#nextMessage() };
  }

  /** @internal For `accept` and `connect`: begins to read; `head` are bytes that came with the handshake. */
  start(head?: Uint8Array): void {
    const socket = this.#socket;
    socket[owner] = this;
    socket.on("data", Connection.#onData);
    socket.on("end", Connection.#onEnd);
    socket.on("drain", Connection.#onDrain);
    socket.on("error", Connection.#onError);
    socket.on("close", Connection.#onClose);
    if (this.#settings.keepalive) watchAfter(this, this.#settings.keepalive.interval / tickLength);
    this.#call("open");
    if (head && head.length > 0) this.#receive(Buffer.from(head));
    if (socket.destroyed) this.#transportClosed();
    else if (this.#reading) socket.resume();
  }

  /** @internal The timer wheel's call: asks a silent peer, gives up a dead one (faults D02, D05). */
  watch(): number {
    const { keepalive, limits } = this.#settings;
    if (!keepalive || this.#report) return 0;
    const idle = (currentTick() - this.#lastReceived) * tickLength;
    if (!this.#reading) {
      this.pong();
      this.#lastPing = -1;
      return unsolicitedPongInterval / tickLength;
    }
    if (this.#endpoint.stalled && idle >= limits.writeTimeout) {
      this.#giveUp(`no byte left or arrived for ${limits.writeTimeout} ms`);
      return 0;
    }
    if (this.#endpoint.insideMessage && idle >= limits.messageIdleTimeout) {
      this.#fail("message-too-slow");
      return 0;
    }
    if (idle < keepalive.interval) {
      this.#lastPing = -1;
      return (keepalive.interval - idle) / tickLength;
    }
    if (this.#lastPing < 0) {
      this.#lastPing = currentTick();
      void this.ping().then(noop, noop);
      return keepalive.timeout / tickLength;
    }
    const waited = (currentTick() - this.#lastPing) * tickLength;
    if (waited < keepalive.timeout) return (keepalive.timeout - waited) / tickLength;
    this.#giveUp(`the peer was silent for ${idle} ms, a Ping of ours included`);
    return 0;
  }

  static #onData(this: OwnedSocket, chunk: Buffer): void {
    this[owner]!.#receive(chunk);
  }

  static #onEnd(this: OwnedSocket): void {
    this[owner]!.#receiveEnd();
  }

  static #onDrain(this: OwnedSocket): void {
    this[owner]!.#outbox.drained();
    this[owner]!.#progress();
  }

  static #onError(this: OwnedSocket, error: Error): void {
    this[owner]!.#error ??= error;
  }

  static #onClose(this: OwnedSocket): void {
    this[owner]!.#transportClosed();
  }

  get #open(): boolean {
    return this.#endpoint.state === "open" || this.#endpoint.state === "peerClosing";
  }

  // Receiving

  #receive(chunk: Buffer): void {
    this.#lastReceived = currentTick();
    if (this.#endpoint.state === "discarding") {
      this.#drained += chunk.length;
      if (this.#drained > drainSize) this.#socket.destroy();
      return;
    }
    this.#endpoint.receive(chunk);
    this.#run();
  }

  #receiveEnd(): void {
    const { state } = this.#endpoint;
    if (state === "discarding" || state === "closed") {
      this.#socket.end();
    } else if (state !== "peerClosing") {
      this.#initiator ??= "transport";
      this.#socket.end();
      this.#armCloseTimer(this.#settings.limits.closeTimeout);
    }
  }

  /** Parses and delivers what there is; what comes of it leaves in one write. */
  #run(): void {
    this.#outbox.insideChunk = true;
    this.#pump();
    this.#outbox.insideChunk = false;
    this.#outbox.flush();
    this.#progress();
  }

  #pump(): void {
    const queue = this.#queue;
    let began = 0;
    for (let handled = 1; ; handled++) {
      if (queue.length > 0 && this.#delivers) {
        const event = queue.shift()!;
        if (event.type === "message") this.#queuedSize -= event.data.length;
        this.#deliver(event);
      } else {
        if (this.#queuedSize >= this.#settings.limits.inboundHighWaterMark) return this.#read(false);
        const event = this.#endpoint.nextEvent();
        if (event === undefined) break;
        this.#handle(event);
      }
      if (handled % messagesPerLook === 0) {
        const now = performance.now();
        if (began === 0) began = now;
        else if (now - began >= this.#settings.limits.readBudget) return this.#yield();
      }
    }
    this.#read(!this.#endpoint.inflating);
  }

  /** Goes on in the next turn, so that one busy connection does not starve the others (fault A04). */
  #yield(): void {
    this.#read(false);
    setImmediate(() => this.#run());
  }

  #read(on: boolean): void {
    if (this.#reading === on) return;
    this.#reading = on;
    if (on) this.#socket.resume();
    else this.#socket.pause();
  }

  #handle(event: EndpointEvent): void {
    switch (event.type) {
      case "message":
        if (this.#queue.length === 0 && this.#delivers) return this.#deliver(event);
        if (this.#endpoint.state !== "open" && !this.#settings.handlers.message) return;
        this.#queue.push(event);
        this.#queuedSize += event.data.length;
        return;
      case "close":
        this.#initiator ??= "peer";
        if (this.#queue.length === 0 && (this.#delivers || this.#unused)) return this.#peerClosed();
        this.#queue.push(event);
        this.#closeTimer ??= setTimeout(() => this.#peerClosed(), longestEchoDelay);
        return;
      case "ping":
        return this.#call("ping", event.payload);
      case "pong": {
        const roundTrip = this.#pings?.settle(event.payload);
        if (roundTrip !== undefined) this.latency = roundTrip;
        return this.#call("pong", event.payload);
      }
      case "inflate":
        return this.#inflate(event.payload);
      case "failed":
        return this.#failed();
    }
  }

  /** Whether the next message or Close in the queue has somebody to go to. */
  get #delivers(): boolean {
    if (this.#busy) return false;
    if (this.#settings.handlers.message) return true;
    return this.#waiters !== undefined && this.#waiters.length > 0;
  }

  /** Whether nobody has asked for messages yet, in either way. */
  get #unused(): boolean {
    return !this.#settings.handlers.message && this.#waiters === undefined;
  }

  #deliver(event: MessageEvent | CloseEvent): void {
    if (event.type === "close") return this.#peerClosed();
    const { handlers } = this.#settings;
    if (!handlers.message) {
      this.#waiters!.shift()!({ done: false, value: event.data });
      return;
    }
    try {
      const result = handlers.message(this, event.data, event);
      if (isThenable(result)) this.#await(result);
    } catch (error) {
      this.#handlerThrew(error);
    }
  }

  #nextMessage(): Promise<IteratorResult<MessageData, undefined>> {
    const { promise, resolve } = deferred<IteratorResult<MessageData, undefined>>();
    this.#waiters ??= [];
    this.#waiters.push(resolve);
    this.#run();
    if (this.#report) this.#endIteration();
    return promise;
  }

  #inflate(payload: Uint8Array): void {
    const outcome = this.#deflate!.inflate(payload, this.#settings.limits.maxMessageSize);
    if (outcome instanceof Promise) {
      this.#read(false);
      void outcome.then((inflated) => {
        if (this.#report) return;
        this.#handle(this.#endpoint.inflated(inflated));
        this.#run();
      });
    } else {
      this.#handle(this.#endpoint.inflated(outcome));
    }
  }

  // Handlers

  #call(name: "open" | "drain"): void;
  #call(name: "ping" | "pong", payload: Uint8Array): void;
  #call(name: "close", report: CloseReport): void;
  #call(name: "open" | "drain" | "ping" | "pong" | "close", argument?: Uint8Array | CloseReport): void {
    const handler = this.#settings.handlers[name] as ((connection: this, argument: unknown) => unknown) | undefined;
    if (!handler) return;
    try {
      const result = handler.call(this.#settings.handlers, this, argument);
      if (!isThenable(result)) return;
      if (name === "open") this.#await(result);
      else result.then(noop, (error) => this.#handlerThrew(error));
    } catch (error) {
      this.#handlerThrew(error);
    }
  }

  /** No message is delivered before `result` has settled. */
  #await(result: PromiseLike<unknown>): void {
    this.#busy = true;
    const resume = () => {
      this.#busy = false;
      this.#run();
    };
    result.then(resume, (error) => {
      this.#handlerThrew(error);
      resume();
    });
  }

  /** An exception in a handler ends its own connection and no other (fault D09). */
  #handlerThrew(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown : new Error(`A handler threw ${String(thrown)}`, { cause: thrown });
    this.#error ??= error;
    this.#queue.length = 0;
    this.#queuedSize = 0;
    this.close(CloseCode.InternalError);
    const { handlers } = this.#settings;
    if (handlers.error) {
      try {
        handlers.error(this, error);
        return;
      } catch (second) {
        console.error("A connection's error handler threw:", second);
      }
    }
    if (reported.has(handlers)) return;
    reported.add(handlers);
    console.error("A connection's handler threw; it was closed with 1011:", error);
  }

  // Sending

  #sendNow(data: string | Uint8Array | Blob | PreparedMessage, options: SendOptions | undefined): void {
    if (data instanceof Blob) {
      this.#hold(data.arrayBuffer().then((bytes) => this.#encode(new Uint8Array(bytes), options)));
      return;
    }
    const sending = this.#encode(data, options);
    if (sending) this.#hold(sending);
  }

  /** Puts a message into the output; a promise when it has to be compressed elsewhere first. */
  #encode(data: string | Uint8Array | PreparedMessage, options: SendOptions | undefined): Promise<void> | undefined {
    const deflate = this.#deflate;
    if (deflate && options?.compress !== false && (options?.compress || sizeOf(data) >= deflate.threshold)) {
      return this.#encodeCompressed(deflate, data);
    }
    if (data instanceof PreparedMessage) {
      if (this.role === "server") this.#endpoint.sendEncoded(data.frame);
      else this.#endpoint.sendMessage(data.text ? Buffer.from(data.payload).toString() : data.payload);
    } else {
      const copy = options?.copy === true && typeof data !== "string";
      this.#endpoint.sendMessage(copy ? new Uint8Array(data) : data);
    }
    this.#outbox.changed();
    return undefined;
  }

  #encodeCompressed(deflate: MessageDeflate, data: string | Uint8Array | PreparedMessage): Promise<void> | undefined {
    const prepared = data instanceof PreparedMessage;
    const text = prepared ? data.text : typeof data === "string";
    const bytes = prepared ? data.payload : typeof data === "string" ? Buffer.from(data) : this.#ownCopy(data);
    const sendDeflated = (payload: Uint8Array) => {
      this.#endpoint.sendCompressed(text, payload);
      this.#outbox.changed();
    };
    const deflated = deflate.deflate(bytes);
    if (deflated instanceof Promise) return deflated.then(sendDeflated);
    sendDeflated(deflated);
    return undefined;
  }

  /** Bytes that stay as they are while a compressor works: only a server may refer to the caller's, if they are many. */
  #ownCopy(data: Uint8Array): Uint8Array {
    return this.role === "server" && data.length > longestCopied ? data : new Uint8Array(data);
  }

  #hold(sending: Promise<void>): void {
    this.#line ??= new SendLine();
    this.#line.hold(sending.catch((error) => this.#handlerThrew(error)));
  }

  #outboxLow(): void {
    this.#ready?.resolve();
    this.#ready = undefined;
    this.#call("drain");
  }

  /** The peer does not read what it is sent (fault D04). */
  #overflow(): void {
    this.#error ??= new Error(`Cannot send: ${this.#outbox.size} bytes wait for a peer that does not read`);
    this.#endpoint.discardOutput();
    this.#closeNow(CloseCode.TryAgainLater, "Too much output is waiting");
  }

  // Closing

  #closeNow(code: number, reason: string): void {
    this.#initiator ??= "local";
    this.#endpoint.close(code, reason);
    if (this.#endpoint.state === "discarding") this.#outbox.flush();
    else this.#outbox.changed();
    if (!this.#settings.handlers.message) {
      this.#queue.length = 0;
      this.#queuedSize = 0;
    }
    this.#read(true);
    this.#armCloseTimer(this.#settings.limits.closeTimeout);
    this.#progress();
  }

  /** The application has reached the peer's Close, or its time is up. */
  #peerClosed(): void {
    this.#endpoint.echoClose();
    this.#outbox.flush();
    this.#progress();
  }

  #fail(violation: Violation): void {
    this.#endpoint.fail(violation);
    this.#failed();
    this.#outbox.flush();
    this.#progress();
  }

  #failed(): void {
    this.#initiator ??= "local";
    this.#queue.length = 0;
    this.#queuedSize = 0;
  }

  /** Takes the next step towards the end, where it is time for it. */
  #progress(): void {
    if (this.#report) this.#deliverReport();
    else if (this.#endpoint.state === "discarding") this.#endTransport();
  }

  /** When both sides are done with the connection, ends the transport: the server at once, the client after it. */
  #endTransport(): void {
    if (this.#socket.writableEnded || this.#endpoint.outputLength > 0) return;
    const failed = this.#endpoint.violation !== undefined;
    this.#read(true);
    if (failed || this.role === "server" || this.#socket.readableEnded) this.#socket.end();
    this.#armCloseTimer(failed ? drainTime : this.#settings.limits.closeTimeout);
  }

  #armCloseTimer(after: number): void {
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => this.#socket.destroy(), after);
  }

  #giveUp(because: string): void {
    this.#initiator ??= "transport";
    this.#error ??= new Error(`The connection was given up: ${because}`);
    this.#socket.destroy();
  }

  #transportClosed(): void {
    if (this.#report) return;
    clearTimeout(this.#closeTimer);
    unwatch(this);
    this.#report = reportClose(this.#endpoint, {
      initiator: this.#initiator ?? "transport",
      error: this.#error,
      lastReceivedAgo: (currentTick() - this.#lastReceived) * tickLength,
      bufferedAmount: this.bufferedAmount,
    });
    this.#endpoint.receiveEnd();
    this.#pings?.rejectAll();
    this.#ready?.resolve();
    this.#deflate?.release();
    this.#settings.ended?.(this);
    this.#run();
  }

  /** What was received before the end is handled first, where a handler does it. */
  #deliverReport(): void {
    if (this.#reportDelivered || (this.#settings.handlers.message && (this.#busy || this.#queue.length > 0))) return;
    this.#reportDelivered = true;
    this.#closed?.resolve(this.#report!);
    this.#endIteration();
    this.#call("close", this.#report!);
  }

  #endIteration(): void {
    for (const waiter of this.#waiters?.splice(0) ?? []) waiter(done);
  }
}

/** The data in a form that can be sent; a TypeError for what has none (fault D10). */
function checkSendable(data: unknown): Uint8Array | Blob | PreparedMessage {
  if (data instanceof Uint8Array || data instanceof PreparedMessage || data instanceof Blob) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  const kind = data === null ? "null" : typeof data;
  throw new TypeError(`Cannot send: data must be a string, an ArrayBuffer, a view of one, or a Blob, not ${kind}`);
}

function sizeOf(data: string | Uint8Array | Blob | PreparedMessage): number {
  if (typeof data === "string") return Buffer.byteLength(data);
  if (data instanceof PreparedMessage) return data.payload.length;
  return data instanceof Blob ? data.size : data.length;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

function noop(): void {}
