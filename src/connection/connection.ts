/**
 * An established WebSocket connection: one endpoint meets one byte stream.
 *
 * Only delivery waits: while a handler's promise or an iterator is behind, parsing goes on into a bounded queue, so that
 * Pings, Close and the end of the stream are seen meanwhile. Nothing is lost before a handler or an iterator is there.
 */

import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import { CloseCode, encodeClosePayload } from "../protocol/close-code.ts";
import type { Endpoint } from "../protocol/endpoint.ts";
import type { CloseEvent, EndpointEvent, MessageEvent, PartEvent } from "../protocol/endpoint-events.ts";
import type { Role } from "../protocol/frames/frame.ts";
import type { Violation } from "../protocol/protocol-error.ts";
import { type Clock, realTime } from "../transport/clock.ts";
import { queueMicrotask, setImmediate } from "../transport/scheduling.ts";
import type { Transport, TransportListener } from "../transport/transport.ts";
import { cleanContext } from "./async-context.ts";
import type { CloseReport } from "./closing/close-report.ts";
import { CloseSequence } from "./closing/close-sequence.ts";
import type { MessageDeflate } from "./compression/message-deflate.ts";
import { Inflation } from "./compression/zlib-one-shot.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { type Counters, channels, newCounters } from "./diagnostics.ts";
import { errorOf, makeKnown, tellOf } from "./handler-errors.ts";
import {
  type ConnectionSettings,
  checkSendOptions,
  isThenable,
  type KeepaliveOptions,
  type MessageData,
  type SendOptions,
  whenSettled,
} from "./handlers.ts";
import { Keepalive } from "./keepalive.ts";
import type { ConnectionLimits } from "./limits.ts";
import { MemoryBudget } from "./memory-budget.ts";
import { checkPingPayload, ignorable, nextPingPayload, Pings } from "./pings.ts";
import { messageCame } from "./receiving/gc-hints.ts";
import { Inbox, type MessageReader } from "./receiving/inbox.ts";
import type { MessageStream } from "./receiving/message-stream.ts";
import { ReadPace } from "./receiving/read-pace.ts";
import { CutOff, FragmentSender, type Fragments, type SendFragmentsOptions } from "./sending/fragment-sender.ts";
import { Outbox } from "./sending/outbox.ts";
import type { SharedCompression } from "./sending/prepared-message.ts";
import { checkSendable, type Load, type Sendable, SendQueue } from "./sending/send-queue.ts";
import { duplexOf } from "./streams/node-duplex.ts";
import { WebStreams } from "./streams/web-streams.ts";

/** What a connection is made of. */
export interface ConnectionParts<Self> {
  readonly endpoint: Endpoint;
  readonly transport: Transport;
  readonly settings: ConnectionSettings<Self>;
  readonly deflate?: MessageDeflate | undefined;
  readonly subprotocol?: string | undefined;
  readonly extensions?: string | undefined;
}

/**
 * What all connections have received and nobody has taken yet: unparsed, unfinished, inflating, queued, held by
 * streams.
 */
export const processAssembly: MemoryBudget = new MemoryBudget();

const uncounted = newCounters();
/** What the system means by EFAULT: a long payload in flight is read from where it was sent (fault D22). */
const memoryLost = "Cannot send: the memory of a message was given away or made shorter while it was being written";
/** After this many frames of which no message came the clock is read (fault A07). */
const framesPerLook = 64;
const noBytes = new Uint8Array(0);
/** Reads from this length on are timed: libuv may hand us 32 in a row before anybody else has a turn. */
const longRead = 64 * 1024;
/** Milliseconds that long reads took in this turn of the event loop, in all connections. */
let turnWork = 0;

/** See the head of this file. */
export class Connection implements TransportListener {
  /** The agreed subprotocol; empty when none was. */
  readonly subprotocol: string;
  /** The agreed extensions as in `Sec-WebSocket-Extensions`; empty when none were. */
  readonly extensions: string;
  /** The last round trip that a Ping measured, in milliseconds; undefined before the first. */
  latency: number | undefined;
  /** @internal */
  readonly endpoint: Endpoint;

  readonly #transport: Transport;
  readonly #settings: ConnectionSettings<this>;
  readonly #deflate: MessageDeflate | undefined;
  readonly #outbox: Outbox;
  readonly #keepalive: Keepalive;
  /** There from the first send that has to wait, or that others could wait for. */
  #sender: SendQueue | undefined;
  /** There from the first message that has to wait, or reader. */
  #inbox: Inbox | undefined;
  /** There from the first sign of the end, or the first who asks to be told of it. */
  #ending: CloseSequence | undefined;
  #pings: Pings | undefined;
  /** A handler's promise is awaited. */
  #busy = false;
  #reading = true;
  /** The rest of what was read is worked on in the next turn. */
  #yielding = false;
  /** Made with the first bytes. */
  #pace: ReadPace | undefined;
  /** Nothing is read or delivered until what the connection has published is delivered. */
  #holding = false;
  #webStreams: WebStreams | undefined;
  /** Bytes received and not taken, as the process's cap knows them. */
  #held = 0;
  /** Set while a message is being inflated in the thread pool. */
  #inflation: Inflation | undefined;
  /** A compressed message that nobody reads yet, which is not inflated before. */
  #postponed: Uint8Array | undefined;
  /** Bytes that a stream made of this connection has taken and its reader has not. */
  #inStream = 0;
  #ready: Deferred<void> | undefined;

  /** @internal For `accept` and `connect`; nothing is read before `start`. */
  constructor(parts: ConnectionParts<Connection>) {
    this.endpoint = parts.endpoint;
    this.#transport = parts.transport;
    this.#settings = parts.settings as ConnectionSettings<this>;
    this.#deflate = parts.deflate;
    this.subprotocol = parts.subprotocol ?? "";
    this.extensions = parts.extensions ?? "";
    this.#outbox = new Outbox(parts.endpoint, parts.transport, this);
    this.#keepalive = new Keepalive(this);
  }

  /** The WHATWG number of the state: 1 open, 2 closing, 3 closed; a Close counts when it is reached in the queue. */
  get readyState(): 1 | 2 | 3 {
    return this.#isOpen() ? 1 : this.endpoint.readyState === 3 ? 3 : 2;
  }

  /** Whether this side is the client or the server of the connection. */
  get role(): Role {
    return this.endpoint.role;
  }

  /**
   * The IP address of the other end of the transport; undefined when that is not TCP, or was closed before anybody
   * asked.
   */
  get remoteAddress(): string | undefined {
    return this.#transport.remoteAddress;
  }

  /** The port of the other end of the transport; undefined as `remoteAddress` is. */
  get remotePort(): number | undefined {
    return this.#transport.remotePort;
  }

  /** The IP address of this end of the transport; undefined as `remoteAddress` is. */
  get localAddress(): string | undefined {
    return this.#transport.localAddress;
  }

  /** The port of this end of the transport; undefined as `remoteAddress` is. */
  get localPort(): number | undefined {
    return this.#transport.localPort;
  }

  /** Bytes that were sent and have not left the process, framing included. */
  get bufferedAmount(): number {
    return this.#outbox.size;
  }

  /** Resolves with the report when the transport is gone, also while handlers are still at work; never rejects. */
  get closed(): Promise<CloseReport> {
    return this.#end.closed;
  }

  /** @internal For the server: resolves when the `close` handler is done, its promise included. */
  get handled(): Promise<void> {
    return this.#end.handled;
  }

  /** Resolves when less than the high-water mark is queued after `send` returned false, or the connection is over. */
  get ready(): Promise<void> {
    if (!this.#outbox.high || this.#report) return Promise.resolve();
    this.#ready ??= deferred<void>();
    return this.#ready.promise;
  }

  /**
   * Sends one message: a string as text, everything else as binary.
   *
   * Returns true while the outbox is below its high-water mark (1 MiB by default), else false, also when the connection
   * is closing or closed, where nothing is sent. Bytes are copied, but see `SendOptions.copy` for more than 64 KiB on a
   * server. Throws a TypeError for any other kind of data and for what are no options of it, and a
   * RangeError where there is no memory for a copy.
   */
  send(data: Sendable, options?: SendOptions): boolean {
    const message = checkSendable(data);
    if (options !== undefined) checkSendOptions(options);
    if (!this.#isOpen()) return false;
    if (this.#refusesMore()) return false;
    this.counters.messagesSent++;
    // Nearly all that is sent needs nothing of what a sender holds.
    const plain = typeof message === "string" || message instanceof Uint8Array;
    if (plain && options === undefined && this.#sender === undefined && this.#deflate === undefined) {
      this.endpoint.sendMessage(message);
      this.#outbox.changed();
    } else {
      this.#makeSender().send(message, options);
    }
    return !this.#outbox.reachesHigh();
  }

  /**
   * Sends the fragments that an iterable gives as one message, each as it comes; later sends stand in line behind it.
   *
   * Waits while the outbox is above its high-water mark; what stands in line counts for `maxOutboxSize` as in `send`,
   * 16 KiB for each. When the iterable throws, or gives what is no string or bytes or no UTF-8 in a text message, or
   * when its iterator gives no result, the connection fails with 1011 and the error goes to the `error` handler and
   * rejects the promise; it also rejects when the connection ends first. Either may be left unhandled. Fragments are
   * not compressed. Each is copied before the next is asked for, but not at the call: give it no message that is only
   * borrowed. Throws a TypeError for what is not iterable.
   */
  sendFragments(fragments: Fragments, options: SendFragmentsOptions = {}): Promise<void> {
    const stream = new FragmentSender(fragments, options, {
      endpoint: this.endpoint,
      sent: () => {
        this.#ending?.moved();
        this.#outbox.changed();
        return this.#outbox.room();
      },
      failed: (error) => this.#fragmentsThrew(error),
    });
    if (!this.#isOpen()) {
      stream.abandon();
      return ignorable(Promise.reject(new CutOff()));
    }
    const tooLarge = this.#refusesMore();
    if (tooLarge) {
      stream.abandon();
      return ignorable(Promise.reject(tooLarge));
    }
    this.counters.messagesSent++;
    const sending = ignorable(this.#makeSender().sendLong(stream));
    this.#outbox.sentMore();
    return sending;
  }

  /**
   * Sends a Ping; resolves with the round trip in milliseconds when its Pong, or that of a later Ping, has come.
   *
   * Throws a TypeError when the payload is not a Uint8Array and a RangeError when it is over 125 bytes. Is held against
   * `maxOutboxSize` as `send` is. Rejects when the connection is closed before, or when nothing has been read for 20 s
   * because messages wait for their handler, as for one that awaits the Pong itself; either may be left unhandled.
   */
  ping(payload: Uint8Array = nextPingPayload()): Promise<number> {
    checkPingPayload(payload);
    const tooLarge = this.#refusesMore();
    if (tooLarge || !this.#sendControl("ping", payload)) {
      return ignorable(Promise.reject(tooLarge ?? new Error("Cannot ping: the connection is closing or closed")));
    }
    this.#outbox.sentMore();
    this.#pings ??= new Pings();
    return this.#pings.add(payload);
  }

  /** Sends a Pong that nobody asked for; throws, and is held against the limit, as `ping` is. */
  pong(payload: Uint8Array = new Uint8Array(0)): void {
    checkPingPayload(payload);
    if (this.#refusesMore()) return;
    this.#sendControl("pong", payload);
    this.#outbox.sentMore();
  }

  /** @internal For keepalive: whatever waits, and though nobody asked for it. */
  sendPong(): void {
    this.#sendControl("pong", noBytes);
  }

  /** The error for which the connection is closed, where what it is sent waits up to the limit (fault D04). */
  #refusesMore(): Error | undefined {
    if (!this.#isOpen() || !this.#outbox.isFull()) return undefined;
    const error = this.#outbox.tooLarge("maxOutboxSize");
    this.outboxTooLarge(error);
    return error;
  }

  /** Whether it was sent. Without memory for it the connection has failed: the timers of keepalive can throw to nobody. */
  #sendControl(opcode: "ping" | "pong", payload: Uint8Array): boolean {
    const sent = this.endpoint[opcode](payload);
    if (sent) this.#outbox.changed();
    else if (this.endpoint.violation === "no-memory") this.#fail("no-memory");
    return sent;
  }

  /**
   * Starts the closing handshake after all that was sent, or answers the peer's Close; no-op when it has begun.
   *
   * `code` is 1000 by default, and 1005 sends an empty Close; throws a TypeError for other types, a RangeError for a
   * code that a Close frame cannot carry (RFC 6455 section 7.4) or a reason of more than 123 bytes of UTF-8. Messages
   * that still arrive go to the handler, if there is one.
   */
  close(code: number = CloseCode.NormalClosure, reason = ""): void {
    encodeClosePayload(code, reason);
    if (!this.#isOpen()) return;
    this.#end.leaving = true;
    if (this.#sender?.busy) this.#end.limitPeer(this.limits.closeTimeout);
    this.#afterwards(() => this.#closeNow(code, reason));
  }

  /** Destroys the transport at once; what was not sent or not delivered is lost. */
  terminate(): void {
    this.ignoreMessages();
    this.#end.giveUp("local", "The connection was terminated on this side");
  }

  /** Lets the process end although this connection is open. */
  unref(): void {
    this.#transport.unref();
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
    return this.#makeInbox().loop();
  }

  /**
   * Messages in order as streams, each from its first part on, until the connection is over; for messages larger than
   * memory, which `maxMessageSize` does not bound. Compressed ones come in one part, within that limit.
   *
   * A message that has begun to arrive comes in one part, too. From then on all messages are taken in this way; throws
   * when they go to a handler or another reader.
   */
  messages(): AsyncIterable<MessageStream> {
    return this.#makeInbox().streams();
  }

  /**
   * The messages as a web stream that takes one only when it is asked to; throws when they go to another reader.
   *
   * Ends when the connection is over, with an error unless it closed cleanly with 1000, 1001, no code or a code of the
   * application's (3000 on). Canceling it closes with 1000.
   */
  get readable(): ReadableStream<MessageData> {
    this.#webStreams ??= new WebStreams(this);
    return this.#webStreams.readable;
  }

  /**
   * A web stream of messages to send, whose writes are done when the outbox is below its high-water mark.
   *
   * Closing it closes with 1000 and waits for the end, aborting it closes with 1011; it fails when the connection is over.
   */
  get writable(): WritableStream<Sendable> {
    this.#webStreams ??= new WebStreams(this);
    return this.#webStreams.writable;
  }

  /**
   * A Node stream of bytes: reads what the messages hold, text as UTF-8, and sends each write as a binary message.
   *
   * Ending it closes with 1000 and it finishes when the connection is over; it fails unless that closed cleanly with 1000
   * or no code. Destroying it destroys the socket. Throws when the messages go to another reader.
   */
  toDuplex(): Duplex {
    return duplexOf(this);
  }

  /** @internal For streams that read ahead: how many bytes wait in them now. */
  holdInStream(length: number): void {
    this.#inStream = length;
    this.#noteHeld();
  }

  /** @internal For streams, which alone read it then; our Close does not end them, `return` does. */
  readToTheEnd(): MessageReader {
    return this.#makeInbox().reader();
  }

  /**
   * @internal For `accept` and `connect`: begins to read; `head` are bytes that came with the handshake.
   */
  start(head?: Uint8Array): void {
    const transport = this.#transport;
    transport.listen(this);
    this.#settings.began?.(this);
    if (channels.open.hasSubscribers) channels.open.publish({ connection: this });
    this.#call("open");
    if (head && head.length > 0) this.received(Buffer.from(head), false, head.length);
    if (transport.destroyed) this.transportClosed();
    else if (transport.peerEnded) this.receivedEnd();
    else if (this.#reading) transport.resume();
  }

  /** @internal For topics: sends whole frames that other connections share, and writes them at once. */
  sendFrames(frames: Uint8Array, messageCount: number): void {
    if (!this.#isOpen()) return;
    if (!this.#sender?.busy && this.#outbox.writeShared(frames)) {
      this.counters.messagesSent += messageCount;
      return;
    }
    if (this.#refusesMore()) return;
    this.counters.messagesSent += messageCount;
    const step = () => {
      const { sharedOutputLength } = this.endpoint;
      if (!this.endpoint.sendEncoded(frames, messageCount)) return false;
      this.#outbox.changedShared(frames, this.endpoint.sharedOutputLength > sharedOutputLength);
      return true;
    };
    this.#afterwards(step, { size: frames.length, messages: messageCount });
    this.#outbox.sentMore();
  }

  /** @internal For topics: whether what is published now will be sent. */
  takesFrames(): boolean {
    return this.#isOpen() && !this.#outbox.isFull();
  }

  /** @internal For topics: bytes that wait, once they have reached the high-water mark, else 0. */
  lag(): number {
    const { bufferedAmount } = this;
    return bufferedAmount >= this.limits.outboxHighWaterMark ? bufferedAmount : 0;
  }

  /** @internal For topics: reads and delivers nothing until `until` has resolved. */
  hold(until: Promise<void>): void {
    if (this.#holding) return;
    this.#holding = true;
    void until.then(() => {
      this.#holding = false;
      this.run();
    });
  }

  /** @internal For topics. */
  get sharedCompression(): SharedCompression | undefined {
    return this.#deflate?.sharedKey === undefined ? undefined : this.#deflate;
  }

  /** @internal For the end: whether a send is under way that our Close has to wait for. */
  get sending(): boolean {
    return this.#sender?.busy === true;
  }

  /** @internal For the end: bytes that wait for the transport, without those that stand in line. */
  get leavingAmount(): number {
    return this.#outbox.size - this.#outbox.waiting;
  }

  /** @internal For the outbox and keepalive. */
  get limits(): ConnectionLimits {
    return this.#settings.limits;
  }

  /** @internal For the outbox, keepalive and the end. */
  get clock(): Clock {
    return this.#settings.clock ?? realTime;
  }

  /** @internal For the outbox. */
  get counters(): Counters {
    return this.#settings.counters ?? uncounted;
  }

  /** @internal For keepalive. */
  get keepalive(): Required<KeepaliveOptions> | undefined {
    return this.#settings.keepalive;
  }

  #isOpen(): boolean {
    return !this.#ending?.leaving && (this.endpoint.state === "open" || this.endpoint.state === "peerClosing");
  }

  get #end(): CloseSequence {
    this.#ending ??= new CloseSequence(this, this.#transport);
    return this.#ending;
  }

  get #report(): CloseReport | undefined {
    return this.#ending?.report;
  }

  #makeSender(): SendQueue {
    this.#sender ??= new SendQueue(this.endpoint, this.#outbox, this.#deflate, this);
    return this.#sender;
  }

  #makeInbox(): Inbox {
    this.#inbox ??= new Inbox(this);
    return this.#inbox;
  }

  /** Does something when all that was sent before is in the output; see `SendQueue`. */
  #afterwards(step: () => unknown, load?: Load): void {
    if (this.#sender === undefined) step();
    else this.#sender.afterwards(step, load);
  }

  // Receiving

  /** @internal For the transport. */
  received(chunk: Buffer, borrowed: boolean, length: number): void {
    this.#keepalive.received();
    if (this.endpoint.state === "discarding") return this.#end.drain(length);
    this.counters.bytesReceived += length;
    const began = length < longRead ? 0 : performance.now();
    // Long reads of one turn are one piece of work, with all that is done between them.
    if (began === 0 || turnWork === 0) this.#pace?.restart();
    this.endpoint.receive(chunk, borrowed, length);
    this.run();
    if (began !== 0) this.#worked(performance.now() - began);
    if (borrowed) this.endpoint.releaseChunk();
  }

  /** Fragments and control frames are no messages that `#pump` would count, and cost time all the same (fault A07). */
  #worked(time: number): void {
    if (turnWork === 0) setImmediate(forgetTurn);
    turnWork += Math.max(time, Number.MIN_VALUE);
    if (turnWork >= this.limits.readBudget && this.#reading) this.#yield();
  }

  /** What was received and is not taken counts for the process's cap, wherever it waits (fault A02). */
  #noteHeld(): void {
    const held = this.#heldNow();
    if (held === this.#held) return;
    this.#held = held;
    processAssembly.note(this, held, this.limits.maxProcessAssemblySize);
  }

  #heldNow(): number {
    // What nobody has read of a connection that is over lives only as long as the application holds on to it.
    if (this.#ending?.told) return 0;
    const { unparsedLength, unfinishedLength } = this.endpoint;
    const queued = this.#inbox === undefined ? 0 : this.#inbox.held;
    const inflated = this.#inflation === undefined ? 0 : this.#inflation.length;
    return unparsedLength + unfinishedLength + inflated + queued + this.#inStream;
  }

  /**
   * @internal For the inbox, too: parses and delivers what there is; what comes of it leaves in one write. Where it is
   * called by what it calls, the outer call goes on; where it has worked for long enough, the next turn does.
   */
  run(): void {
    if (this.#outbox.insideChunk || this.#yielding) return;
    this.#outbox.insideChunk = true;
    try {
      this.#pump();
    } finally {
      this.#outbox.insideChunk = false;
    }
    this.#outbox.flush();
    this.#noteHeld();
    this.#progress();
  }

  #pump(): void {
    this.#pace ??= new ReadPace();
    for (;;) {
      if (this.#holding) return this.read(false);
      const inbox = this.#inbox;
      let look = false;
      if (inbox !== undefined && !inbox.empty && this.#delivers()) {
        this.#deliver(inbox.shift());
      } else if (this.#postponed !== undefined && !this.#isPostponing()) {
        this.#inflatePostponed();
        look = true;
      } else {
        if (this.#isFull()) return this.read(false);
        const event = this.endpoint.nextEvent(framesPerLook);
        if (event !== undefined) this.#handle(event);
        else if (this.endpoint.unparsedLength === 0 || this.endpoint.inflating) break;
        // To inflate one may take as long as all of these (fault B07).
        look = event === undefined || event.type === "inflate";
      }
      if (this.#pace.isOver(this.limits.readBudget, look)) return this.#yield();
    }
    this.read(!this.endpoint.inflating && !this.#isFull());
  }

  /**
   * Whether parsing has to wait for the application. Where nobody reads at all, the limit is for what is unfinished, too: a
   * longer message is not assembled before.
   */
  #isFull(): boolean {
    const queued = this.#inbox === undefined ? 0 : this.#inbox.size;
    const { inboundHighWaterMark } = this.limits;
    if (queued >= inboundHighWaterMark) return true;
    return queued + this.endpoint.unfinishedLength >= inboundHighWaterMark && this.#isPostponing();
  }

  /** Whether messages wait for somebody to read them, which nobody does yet. */
  #isPostponing(): boolean {
    return this.#isUnused() && !this.#ending?.deaf;
  }

  /** Goes on in the next turn, so that one busy connection does not starve the others (fault A04). */
  #yield(): void {
    this.read(false);
    this.#runSoon();
  }

  #runSoon(): void {
    if (this.#yielding) return;
    this.#yielding = true;
    setImmediate(() => {
      this.#yielding = false;
      this.#pace?.restart();
      this.run();
    });
  }

  /** @internal For the end, too. */
  read(on: boolean): void {
    if (this.#reading === on) return;
    this.#reading = on;
    if (on) this.#transport.resume();
    else this.#transport.pause();
  }

  /** @internal For keepalive. */
  isReading(): boolean {
    return this.#reading;
  }

  #handle(event: EndpointEvent): void {
    switch (event.type) {
      case "message":
        this.counters.messagesReceived++;
        this.#keepalive.messageEnded();
        if (channels.message.hasSubscribers) {
          // What a listener does to the memory must not reach the application's own.
          const { data } = copyOf(event);
          channels.message.publish({ connection: this, data, text: event.text });
        }
        return this.#admit(event);
      case "part":
        if (event.last) {
          this.counters.messagesReceived++;
          this.#keepalive.messageEnded();
        }
        return this.#admit(event);
      case "close":
        return this.#admitClose(event);
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
        this.#end.initiator ??= "local";
    }
  }

  #admit(event: MessageEvent | PartEvent): void {
    messageCame(event.data);
    if (this.#caughtUp() && this.#delivers()) return this.#deliver(event);
    if (!this.#ending?.deaf) this.#makeInbox().push(this.endpoint.lendsBytes ? copyOf(event) : event);
  }

  #admitClose(event: CloseEvent): void {
    const end = this.#end;
    end.initiator ??= "peer";
    this.#call("closing");
    if (this.#isReached()) return this.#peerClosed();
    end.limitAnswer(() => this.#answerPeer());
    this.#makeInbox().push(event);
  }

  /** Whether the application has handled all that was parsed, or nobody asked for any of it. */
  #isReached(): boolean {
    const ready = this.#ending?.deaf || this.#delivers() || (!this.#busy && this.#isUnused());
    return ready && this.#caughtUp();
  }

  /** Whether all that was parsed is delivered. */
  #caughtUp(): boolean {
    return this.#inbox === undefined || this.#inbox.empty;
  }

  /** @internal For the inbox. */
  get handlesMessages(): boolean {
    return this.#settings.handlers.message !== undefined;
  }

  /** Whether the next message or Close in the inbox has somebody to go to. */
  #delivers(): boolean {
    if (this.#busy || this.#ending?.deaf) return false;
    return this.handlesMessages || this.#inbox?.awaited === true;
  }

  /** Whether nobody has asked for messages yet, in either way. */
  #isUnused(): boolean {
    return !this.handlesMessages && !this.#inbox?.iterated;
  }

  #deliver(event: MessageEvent | PartEvent | CloseEvent): void {
    if (event.type === "close") return this.#peerClosed();
    const { handlers } = this.#settings;
    if (!handlers.message) return this.#inbox!.give(event);
    try {
      const result = handlers.message(this, event.data, event);
      if (isThenable(result)) this.#await(result);
    } catch (error) {
      this.#handlerThrew(error);
    }
  }

  #inflate(payload: Uint8Array): void {
    if (this.#isPostponing()) {
      this.#postponed = payload;
      return;
    }
    const inflation = new Inflation(() => this.#noteHeld());
    const outcome = this.#isDeaf() ? noBytes : this.#deflate!.inflate(payload, this.limits.maxMessageSize, inflation);
    if (!(outcome instanceof Promise)) return this.#handle(this.endpoint.inflated(outcome));
    this.#inflation = inflation;
    this.read(false);
    void outcome.then((inflated) => {
      this.#inflation = undefined;
      this.#handle(this.endpoint.inflated(this.#isDeaf() ? noBytes : inflated));
      if (this.#report) this.#deflate!.release();
      this.run();
    });
  }

  #inflatePostponed(): void {
    const payload = this.#postponed!;
    this.#postponed = undefined;
    this.#inflate(payload);
  }

  /** Whether messages are thrown away; what is compressed need not be inflated then. */
  #isDeaf(): boolean {
    return this.#ending?.deaf === true;
  }

  // Handlers

  #call(name: "open" | "closing" | "drain"): void;
  #call(name: "ping" | "pong", payload: Uint8Array): void;
  #call(name: "close", report: CloseReport, done: () => void): void;
  #call(
    name: "open" | "closing" | "drain" | "ping" | "pong" | "close",
    argument?: Uint8Array | CloseReport,
    done: () => void = () => {},
  ): void {
    const handler = this.#settings.handlers[name] as ((connection: this, argument: unknown) => unknown) | undefined;
    if (!handler) return done();
    try {
      const own = argument instanceof Uint8Array ? new Uint8Array(argument) : argument;
      const result = handler.call(this.#settings.handlers, this, own);
      if (!isThenable(result)) return done();
      // Without a message handler `open` may be the one who reads.
      if (name === "closing" || (name === "open" && this.handlesMessages)) this.#await(result);
      else whenSettled(result, done, (error) => this.#handlerThrew(error));
    } catch (error) {
      this.#handlerThrew(error);
      done();
    }
  }

  /** No message is delivered before `result` has settled. */
  #await(result: PromiseLike<unknown>): void {
    this.#busy = true;
    const resume = () => {
      this.#busy = false;
      this.run();
    };
    whenSettled(result, resume, (error) => this.#handlerThrew(error));
  }

  /** An exception in a handler ends its own connection and no other (fault D09). */
  #handlerThrew(thrown: unknown): void {
    const error = errorOf(thrown);
    if (error === undefined) return;
    this.#end.error ??= error;
    this.ignoreMessages();
    this.close(CloseCode.InternalError);
    tellOf(error, this, this.#settings);
  }

  // Sending

  /** @internal A message of ours cannot be sent, or finished: of what was to come behind it, only a Close does. */
  sendingFailed(error: unknown): void {
    this.#closeInstead(CloseCode.InternalError, "");
    this.#handlerThrew(error);
  }

  #fragmentsThrew(error: unknown): void {
    this.sendingFailed(error);
    makeKnown(error);
  }

  /** @internal For the outbox. */
  outboxLow(): void {
    this.#ready?.resolve();
    this.#ready = undefined;
    if (this.#settings.handlers.drain === undefined) return;
    // What writes may be delivering to others, or be called by the application: its handler runs after that.
    cleanContext(() => queueMicrotask(() => this.#report || this.#call("drain")));
  }

  /** @internal For the transport. */
  transportDrained(): void {
    this.#outbox.drained();
    this.#progress();
  }

  /** @internal For the outbox. */
  outboxStuck(): void {
    this.giveUp(`no byte left or arrived for ${this.limits.writeTimeout} ms`);
  }

  /** @internal The peer does not read what it is sent (fault D04); for the outbox, too. */
  outboxTooLarge(error: Error): void {
    this.#end.error ??= error;
    this.#discardOutput(CloseCode.TryAgainLater, "Too much output is waiting");
  }

  /** @internal For the outbox: what was sent cannot leave as it was. */
  outboxSpoiled(error: unknown): void {
    this.#discardOutput(CloseCode.InternalError, "");
    this.#handlerThrew(error);
  }

  /** Closes at once, in place of what waits; what the socket holds already goes with the socket alone. */
  #discardOutput(code: number, reason: string): void {
    if (!this.#isOpen()) return this.#end.destroy();
    this.#end.unsentMessages += this.endpoint.waitingMessages;
    this.endpoint.discardOutput();
    this.#closeInstead(code, reason);
  }

  /** Closes at once, in place of what stands in line. */
  #closeInstead(code: number, reason: string): void {
    this.#end.leaving = true;
    this.#closeNow(code, reason);
    this.#sender?.stop();
  }

  // Closing

  /** @internal For keepalive. */
  tooSlow(): void {
    this.#fail("message-too-slow");
  }

  /** @internal For the process's cap on what was received and not taken. */
  letGo(): void {
    this.ignoreMessages();
    this.#fail("too-much-unfinished");
    this.#noteHeld();
  }

  /** @internal For keepalive. */
  probe(): void {
    const payload = nextPingPayload();
    if (!this.#sendControl("ping", payload)) return;
    this.#pings ??= new Pings();
    this.#pings.note(payload);
  }

  /** @internal For keepalive: no Pong can be read. */
  giveUpPings(olderThan: number): void {
    this.#pings?.rejectUnread(olderThan);
  }

  #fail(violation: Violation): void {
    this.endpoint.fail(violation);
    this.#end.initiator ??= "local";
    this.#outbox.flush();
    this.#progress();
  }

  /** @internal For keepalive. */
  giveUp(because: string): void {
    this.#end.giveUp("transport", `The connection was given up: ${because}`);
  }

  #closeNow(code: number, reason: string): void {
    this.#end.initiator ??= "local";
    this.endpoint.close(code, reason);
    if (this.endpoint.state === "discarding") this.#outbox.flush();
    else this.#outbox.changed();
    if (!this.handlesMessages && !this.#inbox?.readToTheEnd) this.ignoreMessages();
    this.read(true);
    // Where messages that are ignored now held up parsing, the peer's Close may be here already.
    if (this.endpoint.unparsedLength > 0 || this.#postponed !== undefined) this.#runSoon();
    this.#end.limitPeer(this.limits.closeTimeout);
    this.#progress();
  }

  /** @internal For the inbox, too. */
  ignoreMessages(): void {
    this.#end.deaf = true;
    this.#inbox?.clear();
    this.#inflation?.cancel();
  }

  /** @internal For the inbox: where nobody reads any more, nothing holds back the echo of a Close that is next. */
  readerLeft(): void {
    if (!this.#isUnused()) return;
    if (!this.#inbox!.atClose) return this.#progress();
    this.#inbox!.shift();
    this.#peerClosed();
  }

  /** The application has reached the peer's Close, or its end: the answer follows what is being sent. */
  #peerClosed(): void {
    if (this.#sender?.busy) this.#end.limitAnswer(() => this.#answerPeer());
    this.#afterwards(() => this.#answerPeer());
  }

  /** It is time for the echo, or for our end where the peer's came without a Close. */
  #answerPeer(): void {
    const { state } = this.endpoint;
    if (state === "peerClosing") {
      this.endpoint.echoClose();
    } else if (state === "open" || state === "closing") {
      this.#end.endedWithoutClose();
      this.endpoint.receivePeerEnd();
      this.#noteHeld();
    }
    this.#outbox.flush();
    this.#progress();
  }

  /** Takes the next step towards the end, where it is time for it. */
  #progress(): void {
    if (this.#ending?.report) this.#deliverReport();
    else if (this.endpoint.state === "discarding") this.#end.endTransport();
    else if (this.#ending?.peerEnd) this.#admitEnd();
  }

  /** @internal For the transport. */
  receivedEnd(): void {
    const end = this.#end;
    end.peerEnd = "received";
    this.#progress();
    end.limitAnswer(() => this.#answerPeer());
  }

  /** As with a Close, all that came before the peer's end is handled first, and answered unless our Close was sent. */
  #admitEnd(): void {
    const end = this.#end;
    const { state, unparsedLength, inflating } = this.endpoint;
    if (state === "peerClosing" || end.peerEnd === "answering" || unparsedLength > 0 || inflating) return;
    if (end.peerEnd === "received") {
      end.endedWithoutClose();
      if (state === "open") this.#call("closing");
    }
    if (state !== "closing" && !this.#isReached()) return;
    end.peerEnd = "answering";
    this.#peerClosed();
  }

  /** @internal For the transport. */
  transportFailed(error: Error): void {
    const lost = (error as NodeJS.ErrnoException).code === "EFAULT";
    this.#end.transportFailed(lost ? new Error(memoryLost, { cause: error }) : error);
  }

  /** @internal For the transport. */
  transportClosed(): void {
    if (this.#report) return;
    if (this.#sender !== undefined) this.#end.unsentMessages += this.#sender.unsentMessages;
    const report = this.#end.finish(this.#keepalive.idle);
    this.#keepalive.stop();
    this.#outbox.release();
    this.#sender?.stop();
    this.counters.messagesUnsent += report.unsentMessages;
    this.endpoint.receiveEnd();
    this.#pings?.rejectAll();
    this.#ready?.resolve();
    this.#deflate?.release();
    this.#settings.ended?.(this, report);
    if (channels.close.hasSubscribers) channels.close.publish({ connection: this, report });
    this.run();
  }

  /** The `close` handler is called when all that came before the end was handled. */
  #deliverReport(): void {
    const end = this.#end;
    if (this.#caughtUp() || this.#inbox!.atClose) this.#inbox?.end();
    if (end.told || this.#isHandling()) return;
    end.told = true;
    this.#noteHeld();
    this.#call("close", end.report!, () => {
      end.allHandled();
      this.#settings.handled?.(this);
    });
  }

  /** Whether what came before the end is still being handled. */
  #isHandling(): boolean {
    if (this.endpoint.inflating && this.#postponed === undefined) return true;
    if (this.handlesMessages) return this.#busy || !this.#caughtUp();
    return this.#inbox?.reading === true && this.#end.awaitsReader(this.limits.closeTimeout, () => this.#progress());
  }
}

/** The event with a copy of its bytes. */
function copyOf<Event extends MessageEvent | PartEvent>(event: Event): Event {
  return typeof event.data === "string" ? event : { ...event, data: new Uint8Array(event.data) };
}

function forgetTurn(): void {
  turnWork = 0;
}
