/**
 * Sending: what the application sends becomes frames in the order of its calls, within the limits on what may wait.
 *
 * Most messages go to the endpoint at once. A Blob, a compressor in the thread pool and an iterable take time: all that
 * is sent meanwhile stands in line behind them.
 */

import { lengthOf } from "../../protocol/bytes.ts";
import { CloseCode } from "../../protocol/close-code.ts";
import type { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import type { FragmentPosition } from "../../protocol/endpoint/sending.ts";
import type { Violation } from "../../protocol/protocol-error.ts";
import type { Clock } from "../../transport/clock.ts";
import type { Transport } from "../../transport/transport.ts";
import type { MessageDeflate } from "../compression/message-deflate.ts";
import { type Deferred, deferred } from "../event-loop/deferred.ts";
import { makeKnown } from "../handlers/handler-errors.ts";
import type { MessageLayer } from "../handlers/message-layer.ts";
import type { ConnectionLimits } from "../options/limits.ts";
import type { Counters } from "../process-wide/diagnostics.ts";
import { CutOff, FragmentSender, type Fragments, type SendFragmentsOptions } from "./fragment-sender.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import { checkPingPayload, ignorable, nextPingPayload, Pings } from "./pings.ts";
import { PreparedMessage, type SharedCompression } from "./prepared-message.ts";
import { checkSendOptions, type SendOptions } from "./send-options.ts";
import { type Load, SendQueue, type SendQueueOwner } from "./send-queue.ts";
import { checkSendable, type Outgoing, type Sendable } from "./sendable.ts";
import type { SendOutcome } from "./written-marks.ts";

/** The connection of a sender: what it is asked and told. */
export interface MessageSenderOwner {
  readonly endpoint: Endpoint;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly deflate: MessageDeflate | undefined;
  /** Undefined where messages are sent as the application gives them. */
  readonly layer: MessageLayer | undefined;
  readonly limits: ConnectionLimits;
  readonly counters: Counters;
  readonly closing: OutputCloser;
  /** Whether messages may still be sent. */
  isOpen(): boolean;
  /** Whether the transport is gone. */
  isOver(): boolean;
  /** Something that stands before our Close has moved on. */
  sendingMoved(): void;
  /** The transport is full, and no byte left or arrived for the write timeout. */
  outboxStuck(): void;
  /** A message has not left within the time that it was given. */
  outboxLate(timeout: number): void;
  /** Less than the high-water mark is queued again, after `send` returned false. */
  outboxLow(): void;
  handlerThrew(thrown: unknown): void;
  /** Fails the connection. */
  fail(violation: Violation): void;
}

/** How the end of sending begins that the application did not ask for. */
export interface OutputCloser {
  /** Closes with the code at once, in place of what stands in line. */
  closeInstead(code: number, reason: string): void;
  /** Closes with the code at once, in place of what stands in line and of what waits in the output. */
  closeInsteadOfOutput(code: number, reason: string, error?: Error): void;
}

/** What became of frames that others share: all has left, some waits, or they were not taken. */
export type FramesOutcome = "left" | "waits" | "refused";

const noBytes = new Uint8Array(0);

/** Sends for one connection. */
export class MessageSender implements OutboxOwner, SendQueueOwner {
  readonly outbox: Outbox;
  /** See `Connection`. */
  compress = true;
  readonly #owner: MessageSenderOwner;
  /** Created by the first send with options, a Blob, compression or fragments; later sends follow. */
  #queue: SendQueue | undefined;
  /** Created by the first Ping. */
  #pings: Pings | undefined;
  /** The promise of `ready`; undefined while none is waited for. */
  #ready: Deferred<void> | undefined;

  constructor(owner: MessageSenderOwner) {
    this.#owner = owner;
    this.outbox = new Outbox(owner.endpoint, owner.transport, this);
  }

  // For the application

  /** See `Connection`. */
  send(data: Sendable, options: SendOptions | undefined): boolean {
    const owner = this.#owner;
    const message = owner.layer === undefined ? checkSendable(data) : throughLayer(owner.layer, checkSendable(data));
    if (options !== undefined) return this.#sendWith(options, message);
    if (!owner.isOpen() || this.#refusesMore()) return false;
    owner.counters.messagesSent++;
    // Nearly all that is sent needs nothing of what a queue holds.
    const plain = typeof message === "string" || message instanceof Uint8Array;
    if (plain && this.#queue === undefined && owner.deflate === undefined) {
      owner.endpoint.sendMessage(message);
      this.outbox.changed();
    } else {
      this.#makeQueue().send(message, undefined);
    }
    return !this.outbox.reachesHigh();
  }

  #sendWith(options: SendOptions, message: Outgoing): boolean {
    const timeout = checkSendOptions(options);
    if (!this.#owner.isOpen() || this.#refusesMore()) return false;
    this.#owner.counters.messagesSent++;
    this.#makeQueue().send(message, options);
    if (timeout !== undefined) this.afterwards(this.outbox.leaveWithin(timeout));
    return !this.outbox.reachesHigh();
  }

  /** See `Connection`. */
  sendFragments(fragments: Fragments, options: SendFragmentsOptions): Promise<void> {
    const owner = this.#owner;
    const stream = new FragmentSender(fragments, options, {
      endpoint: owner.endpoint,
      layer: owner.layer,
      sent: () => {
        owner.sendingMoved();
        this.outbox.changed();
        return this.outbox.room();
      },
      failed: (error) => {
        this.sendingFailed(error);
        makeKnown(error);
      },
    });
    const refused = owner.isOpen() ? this.#refusesMore() : new CutOff();
    if (refused) {
      stream.abandon();
      return ignorable(Promise.reject(refused));
    }
    owner.counters.messagesSent++;
    const sending = ignorable(this.#makeQueue().sendLong(stream));
    this.outbox.sentMore();
    return sending;
  }

  /** See `Connection`. */
  ping(payload: Uint8Array): Promise<number> {
    checkPingPayload(payload);
    const tooLarge = this.#refusesMore();
    // The endpoint throws for a payload that is too long, in every state.
    const mayLeave = this.#owner.isOpen() || lengthOf(payload) > 125;
    if (tooLarge || !mayLeave || !this.sendControl("ping", payload)) {
      return ignorable(Promise.reject(tooLarge ?? new Error("Cannot ping: the connection is closing or closed")));
    }
    this.outbox.sentMore();
    this.#pings ??= new Pings(this.clock);
    return this.#pings.add(payload);
  }

  /** See `Connection`. */
  pong(payload: Uint8Array): void {
    checkPingPayload(payload);
    if (this.#refusesMore()) return;
    this.sendControl("pong", payload);
    this.outbox.sentMore();
  }

  /** See `Connection`. */
  get ready(): Promise<void> {
    if (!this.outbox.high || this.#owner.isOver()) return Promise.resolve();
    this.#ready ??= deferred<void>();
    return this.#ready.promise;
  }

  // For drop-ins

  /**
   * Sends bytes or a Blob as a message of either type: text is taken for UTF-8. Otherwise as `send`, with nothing left
   * to check.
   */
  sendAs(text: boolean, data: Uint8Array | Blob, compress: boolean | undefined): boolean {
    const owner = this.#owner;
    if (!owner.isOpen() || this.#refusesMore()) return false;
    owner.counters.messagesSent++;
    if (data instanceof Uint8Array && this.#queue === undefined && owner.deflate === undefined) {
      owner.endpoint.sendMessage(data, false, text);
      this.outbox.changed();
    } else {
      this.#makeQueue().send(data, compress === undefined ? undefined : { compress }, { text });
    }
    return !this.outbox.reachesHigh();
  }

  /**
   * Sends one fragment, compressed or not as all of its message: the first one's type is that of the message, and the
   * last ends it. Nothing else but control frames may be sent between them.
   */
  sendFragment(text: boolean, data: Uint8Array | Blob, fragment: FragmentPosition): void {
    const owner = this.#owner;
    if (!owner.isOpen() || this.#refusesMore()) return;
    if (fragment.last) owner.counters.messagesSent++;
    this.#makeQueue().send(data, { compress: fragment.compressed ?? false }, { text, fragment });
    this.outbox.sentMore();
  }

  /**
   * Sends a Ping or a Pong that nothing waits for, and says whether it was sent. Without memory for it the connection has
   * failed: a timer of keepalive could only throw.
   */
  sendControl(opcode: "ping" | "pong", payload: Uint8Array): boolean {
    const { endpoint } = this.#owner;
    const sent = endpoint[opcode](payload);
    if (sent) this.outbox.changed();
    else if (endpoint.violation === "no-memory") this.#owner.fail("no-memory");
    return sent;
  }

  /** Whether all that was sent has left, and everybody who waited for that was told. */
  get hasLeft(): boolean {
    return !this.isBusy && this.outbox.hasLeft;
  }

  /** Calls back when what was just sent has left, or cannot any more; in the order of the calls. */
  afterWritten(settled: (outcome: SendOutcome) => void): void {
    this.afterwards(this.outbox.markSent(settled));
  }

  // For topics

  /** Sends whole frames that other connections share, and writes them at once. */
  sendFrames(frames: Uint8Array, messageCount: number): FramesOutcome {
    const { counters } = this.#owner;
    if (!this.#owner.isOpen()) return "refused";
    const written = this.isBusy ? undefined : this.outbox.writeShared(frames);
    if (written === undefined) return this.#sendFramesLater(frames, messageCount);
    counters.messagesSent += messageCount;
    return written;
  }

  /** A function of its own, since one that makes a closure takes memory for it in every call. */
  #sendFramesLater(frames: Uint8Array, messageCount: number): FramesOutcome {
    if (this.#refusesMore()) return "refused";
    const { counters, endpoint } = this.#owner;
    counters.messagesSent += messageCount;
    const step = () => {
      const { sharedOutputLength } = endpoint;
      if (!endpoint.sendEncoded(frames, messageCount)) return false;
      this.outbox.changedShared(frames, endpoint.sharedOutputLength > sharedOutputLength);
      return true;
    };
    this.afterwards(step, { size: frames.length, messages: messageCount });
    this.outbox.sentMore();
    return "waits";
  }

  /** Whether what is published now will be sent. */
  takesFrames(): boolean {
    return this.#owner.isOpen() && !this.outbox.isFull();
  }

  /** Bytes that wait, once they have reached the high-water mark, else 0. */
  lag(): number {
    const { size } = this.outbox;
    return size >= this.limits.outboxHighWaterMark ? size : 0;
  }

  /** How frames are compressed that this connection shares with others; undefined where it takes them uncompressed. */
  get sharedCompression(): SharedCompression | undefined {
    const { deflate } = this.#owner;
    return deflate?.sharedKey === undefined || !this.compress ? undefined : deflate;
  }

  // For keepalive and heartbeats

  /** Sends a Ping whose Pong no caller waits for. */
  probe(): void {
    const payload = nextPingPayload();
    if (!this.sendControl("ping", payload)) return;
    this.#pings ??= new Pings(this.clock);
    this.#pings.note(payload);
  }

  /** Sends a short text that no caller sent, whatever waits, not within a long send. Without memory it fails. */
  sendReply(text: string): void {
    const { endpoint, counters } = this.#owner;
    try {
      if (!endpoint.sendMessage(text)) return;
    } catch {
      return this.#owner.fail("no-memory");
    }
    counters.messagesSent++;
    this.outbox.changed();
  }

  /** Rejects the pings that have waited for longer than `olderThan` milliseconds: no Pong can be read. */
  giveUpPings(olderThan: number): void {
    this.#pings?.rejectUnread(olderThan);
  }

  /** Sends a Pong that the peer did not ask for, whatever waits. */
  sendPong(): void {
    this.sendControl("pong", noBytes);
  }

  /** A Pong came; returns the round trip of its Ping in milliseconds, undefined when there was none. */
  receivedPong(payload: Uint8Array): number | undefined {
    return this.#pings?.settle(payload);
  }

  // For the end

  /** Whether a send is under way that our Close has to wait for. */
  get isBusy(): boolean {
    return this.#queue?.busy === true;
  }

  /** Bytes that wait for the transport, without those that stand in line. */
  get leavingAmount(): number {
    return this.outbox.size - this.outbox.waiting;
  }

  /** Messages that stand in line, or came too late for the endpoint to take them. */
  get unsentMessages(): number {
    return this.#queue === undefined ? 0 : this.#queue.unsentMessages;
  }

  /** Does something when all that was sent before is in the output; see `SendQueue`. */
  afterwards(step: () => unknown, load?: Load): void {
    if (this.#queue === undefined) step();
    else this.#queue.afterwards(step, load);
  }

  /** Nothing that stands in line is sent any more. */
  stop(): void {
    this.#queue?.stop();
  }

  /** The transport is gone: nothing waits for it any more. */
  transportClosed(): void {
    this.outbox.release();
    this.stop();
    this.#pings?.rejectAll();
    this.#ready?.resolve();
  }

  // For the queue and the outbox

  /** A message cannot be sent, or not finished: of what was to come behind it, only a Close does. */
  sendingFailed(error: unknown): void {
    this.#owner.closing.closeInstead(CloseCode.InternalError, "");
    this.#owner.handlerThrew(error);
  }

  /** See `OutboxOwner`. */
  get limits(): ConnectionLimits {
    return this.#owner.limits;
  }

  /** See `OutboxOwner`. */
  get clock(): Clock {
    return this.#owner.clock;
  }

  /** See `OutboxOwner`. */
  get counters(): Counters {
    return this.#owner.counters;
  }

  /** See `OutboxOwner`. */
  outboxLow(): void {
    this.#ready?.resolve();
    this.#ready = undefined;
    this.#owner.outboxLow();
  }

  /** See `OutboxOwner`. */
  outboxStuck(): void {
    this.#owner.outboxStuck();
  }

  /** See `OutboxOwner`. */
  outboxLate(timeout: number): void {
    this.#owner.outboxLate(timeout);
  }

  /** The peer does not read what it is sent (fault D04). */
  outboxTooLarge(error: Error): void {
    this.#owner.closing.closeInsteadOfOutput(CloseCode.TryAgainLater, "Too much output is waiting", error);
  }

  /** Output cannot leave as it was sent. */
  outboxSpoiled(error: unknown): void {
    this.#owner.closing.closeInsteadOfOutput(CloseCode.InternalError, "");
    this.#owner.handlerThrew(error);
  }

  #makeQueue(): SendQueue {
    this.#queue ??= new SendQueue(this.#owner.endpoint, this.outbox, this.#owner.deflate, this);
    return this.#queue;
  }

  /** The error for which the connection is closed, where what it is sent waits up to the limit (fault D04). */
  #refusesMore(): Error | undefined {
    if (!this.outbox.isFull() || !this.#owner.isOpen()) return undefined;
    const error = this.outbox.tooLarge("maxOutboxSize");
    this.outboxTooLarge(error);
    return error;
  }
}

/** What is sent for a message of the application's. */
function throughLayer(layer: MessageLayer, message: Outgoing): Outgoing {
  const data = message instanceof PreparedMessage ? message.data : message;
  if (typeof data !== "string") return message;
  const sent = layer.sent(data);
  return sent === data ? message : sent;
}
