/**
 * A connection behind its public object: one endpoint meets one transport, and the parts that receive, send and close
 * meet here.
 *
 * An idle connection holds what sends and what keeps it alive; receiving is made with the first bytes, closing with the
 * first sign of the end.
 */

import { Buffer } from "node:buffer";
import { CloseCode } from "../protocol/close-code.ts";
import type { Endpoint } from "../protocol/endpoint/endpoint.ts";
import type { Violation } from "../protocol/protocol-error.ts";
import { type Clock, realTime } from "../transport/clock.ts";
import { queueMicrotask } from "../transport/scheduling.ts";
import type { Transport, TransportListener } from "../transport/transport.ts";
import type { CloseReport } from "./closing/close-report.ts";
import { CloseSequence, type CloseSequenceOwner } from "./closing/close-sequence.ts";
import type { MessageDeflate } from "./compression/message-deflate.ts";
import { cleanContext } from "./event-loop/async-context.ts";
import { callHandler, type HandlerCaller } from "./handlers/call-handler.ts";
import type { ConnectionSettings } from "./handlers/connection-settings.ts";
import { errorOf, tellOf } from "./handlers/handler-errors.ts";
import type { ConnectionHandlers } from "./handlers/handlers.ts";
import type { MessageLayer } from "./handlers/message-layer.ts";
import { Keepalive, type KeptAlive } from "./keepalive.ts";
import type { KeepaliveOptions } from "./options/keepalive-options.ts";
import type { ConnectionLimits } from "./options/limits.ts";
import { type Counters, channels, newCounters } from "./process-wide/diagnostics.ts";
import { MessagePump, type MessagePumpOwner } from "./receiving/message-pump.ts";
import { MessageSender, type MessageSenderOwner } from "./sending/message-sender.ts";
import type { Outbox } from "./sending/outbox.ts";

/** The parts that a connection is made of. */
export interface ConnectionParts<Self> {
  readonly endpoint: Endpoint;
  readonly transport: Transport;
  readonly settings: ConnectionSettings<Self>;
  readonly deflate?: MessageDeflate | undefined;
  readonly subprotocol?: string | undefined;
  readonly extensions?: string | undefined;
  /** Undefined where messages are the application's as they come. */
  readonly layer?: MessageLayer | undefined;
}

/** The public object, as far as the core changes it or calls it. */
export interface PublicConnection {
  latency: number | undefined;
  close(code: number): void;
}

const uncounted = newCounters();
/** The meaning of the system's EFAULT: a long payload in flight is read from where it was sent (fault D22). */
const memoryLost = "Cannot send: the memory of a message was given away or made shorter while it was being written";

/** The inner object of one connection; nothing is read before `start`. */
export class ConnectionCore
  implements HandlerCaller, TransportListener, KeptAlive, MessagePumpOwner, MessageSenderOwner, CloseSequenceOwner
{
  /** The public object, which handlers get. */
  readonly connection: PublicConnection;
  readonly endpoint: Endpoint;
  readonly transport: Transport;
  readonly settings: ConnectionSettings<PublicConnection>;
  /** Copied from the settings, since each message looks at them several times (40 ns an echo, measured on Node 20). */
  readonly limits: ConnectionLimits;
  readonly counters: Counters;
  readonly deflate: MessageDeflate | undefined;
  readonly layer: MessageLayer | undefined;
  readonly sending: MessageSender;
  readonly #keepalive: Keepalive;
  #receiving: MessagePump | undefined;
  #closing: CloseSequence | undefined;

  constructor(parts: ConnectionParts<PublicConnection>, connection: PublicConnection) {
    this.connection = connection;
    this.endpoint = parts.endpoint;
    this.transport = parts.transport;
    this.settings = parts.settings;
    this.limits = parts.settings.limits;
    this.counters = parts.settings.counters ?? uncounted;
    this.deflate = parts.deflate;
    this.layer = parts.layer;
    this.sending = new MessageSender(this);
    this.#keepalive = new Keepalive(this);
  }

  /** Begins to read; `head` are bytes that came with the handshake. */
  start(head?: Uint8Array): void {
    const { transport } = this;
    transport.listen(this);
    this.settings.began?.(this.connection);
    if (channels.open.hasSubscribers) channels.open.publish({ connection: this.connection });
    callHandler(this, "open");
    if (head && head.length > 0) this.received(Buffer.from(head), false, head.length);
    if (transport.destroyed) this.transportClosed();
    else if (transport.peerEnded) this.receivedEnd();
    else if (this.isReading()) transport.resume();
  }

  // The parts

  /** Made with the first bytes, or with the first reader. */
  get receiving(): MessagePump {
    this.#receiving ??= new MessagePump(this);
    return this.#receiving;
  }

  /** Made with the first sign of the end, or when `closed` is asked for. */
  get closing(): CloseSequence {
    this.#closing ??= new CloseSequence(this);
    return this.#closing;
  }

  get outbox(): Outbox {
    return this.sending.outbox;
  }

  get handlers(): ConnectionHandlers<PublicConnection> {
    return this.settings.handlers;
  }

  get clock(): Clock {
    return this.settings.clock ?? realTime;
  }

  get keepalive(): Required<KeepaliveOptions> | undefined {
    return this.settings.keepalive;
  }

  // Where it stands

  /** Whether messages may still be sent: no Close was sent or asked for, and no answer to the peer's end is due. */
  isOpen(): boolean {
    const { state } = this.endpoint;
    if (state !== "open" && state !== "peerClosing") return false;
    return this.#closing === undefined || this.#closing.state === "open";
  }

  /** Whether the transport is gone. */
  isOver(): boolean {
    return this.#closing?.report !== undefined;
  }

  /** Whether the `close` handler was called. */
  isTold(): boolean {
    const state = this.#closing?.state;
    return state === "told" || state === "handled";
  }

  /**
   * Bytes that were sent and have not left the process, framing included; 0 once the transport is gone, whatever it says
   * of bytes that it will not send.
   */
  get bufferedAmount(): number {
    return this.isOver() ? 0 : this.outbox.size;
  }

  /** Destroys the transport at once; what was not sent or not delivered is lost. */
  terminate(): void {
    this.receiving.delivery.discard();
    this.closing.giveUp("local", "The connection was terminated on this side");
  }

  // For the transport

  received(chunk: Buffer, borrowed: boolean, length: number): void {
    this.#keepalive.received();
    if (this.endpoint.state === "discarding") return this.closing.drain(length);
    this.counters.bytesReceived += length;
    this.receiving.received(chunk, borrowed, length);
    if (borrowed) this.endpoint.releaseChunk();
  }

  receivedEnd(): void {
    this.closing.receivedEnd();
  }

  transportDrained(): void {
    this.outbox.drained();
    this.#receiving?.answerBeats();
    this.progress();
  }

  transportFailed(error: Error): void {
    const lost = (error as NodeJS.ErrnoException).code === "EFAULT";
    this.closing.transportFailed(lost ? new Error(memoryLost, { cause: error }) : error);
  }

  transportClosed(): void {
    if (this.isOver()) return;
    const report = this.closing.transportClosed(this.#keepalive.idle);
    this.#keepalive.stop();
    this.sending.transportClosed();
    this.counters.messagesUnsent += report.unsentMessages;
    this.endpoint.receiveEnd();
    this.deflate?.release();
    this.settings.ended?.(this.connection, report);
    if (channels.close.hasSubscribers) channels.close.publish({ connection: this.connection, report });
    this.receiving.transportClosed();
  }

  // For keepalive

  isReading(): boolean {
    return this.#receiving === undefined || this.#receiving.isReading;
  }

  probe(): void {
    this.sending.probe();
  }

  giveUpPings(olderThan: number): void {
    this.sending.giveUpPings(olderThan);
  }

  sendPong(): void {
    this.sending.sendPong();
  }

  tooSlow(): void {
    this.fail("message-too-slow");
  }

  giveUp(because: string): void {
    this.closing.giveUp("transport", `The connection was given up: ${because}`);
  }

  // For receiving

  messageEnded(): void {
    this.#keepalive.messageEnded();
  }

  receivedPing(payload: Uint8Array): void {
    callHandler(this, "ping", payload);
  }

  receivedPong(payload: Uint8Array): void {
    const roundTrip = this.sending.receivedPong(payload);
    if (roundTrip !== undefined) this.connection.latency = roundTrip;
    callHandler(this, "pong", payload);
  }

  failedByPeer(): void {
    this.closing.failed();
    this.settings.failed?.(this.connection, this.endpoint.violation!);
  }

  tooMuchHeld(): void {
    this.fail("too-much-unfinished");
  }

  tooFast(): void {
    this.closing.close(CloseCode.PolicyViolation, "Messages come faster than they are taken");
  }

  // For sending

  sendingMoved(): void {
    this.#closing?.sendingMoved();
  }

  outboxStuck(): void {
    this.giveUp(`no byte left or arrived for ${this.limits.writeTimeout} ms`);
  }

  outboxLate(timeout: number): void {
    this.giveUp(`a message did not leave within ${timeout} ms`);
  }

  outboxLow(): void {
    if (this.handlers.drain === undefined) return;
    // What writes may be delivering to others, or be called by the application: its handler runs after that.
    cleanContext(() => queueMicrotask(() => this.isOver() || callHandler(this, "drain")));
  }

  fail(violation: Violation): void {
    this.closing.fail(violation);
    this.settings.failed?.(this.connection, violation);
  }

  // For all of them

  /** Takes the next step towards the end, where it is time for it. */
  progress(): void {
    if (this.#closing !== undefined || this.endpoint.state === "discarding") this.closing.progress();
  }

  callClosing(): void {
    callHandler(this, "closing");
  }

  callClose(report: CloseReport, done: () => void): void {
    callHandler(this, "close", report, () => {
      done();
      this.settings.handled?.(this.connection);
    });
  }

  /** No message is delivered before the promise of a handler has settled. */
  awaits(result: PromiseLike<unknown>): void {
    this.receiving.delivery.awaits(result);
  }

  /** An exception in a handler ends its own connection and no other (fault D09). */
  handlerThrew(thrown: unknown): void {
    const error = errorOf(thrown);
    if (error === undefined) return;
    this.closing.noteError(error);
    this.receiving.delivery.discard();
    this.connection.close(CloseCode.InternalError);
    tellOf(error, this.connection, this.settings);
  }
}
