/**
 * Receiving: bytes of the transport are parsed, and what comes of them is delivered, a turn of the event loop at a
 * time.
 *
 * Only delivery waits. While a handler's promise or a reader is behind, parsing goes on into the inbox up to a mark, so
 * that Pings, a Close and the end of the stream are seen meanwhile. Nothing is lost before there is a handler or a
 * reader.
 */

import type { Buffer } from "node:buffer";
import { copyUnlessAlone } from "../../protocol/bytes.ts";
import type { InflatedText } from "../../protocol/deflate/short-messages.ts";
import type { EndpointEvent, MessageEvent, PartEvent } from "../../protocol/endpoint/endpoint-events.ts";
import { illegal } from "../../protocol/state-table.ts";
import type { Clock } from "../../transport/clock.ts";
import { setImmediate } from "../../transport/scheduling.ts";
import type { InflateOutcome, MessageDeflate } from "../compression/message-deflate.ts";
import { thisTurn } from "../event-loop/this-turn.ts";
import type { HeartbeatSettings } from "../options/heartbeat.ts";
import type { ConnectionLimits } from "../options/limits.ts";
import type { RateLimit } from "../options/rate-limit.ts";
import { type Counters, channels } from "../process-wide/diagnostics.ts";
import { type Holder, MemoryBudget } from "../process-wide/memory-budget.ts";
import { Beats, type BeatsOwner } from "./beats.ts";
import { copyOf, Delivery, type DeliveryOwner } from "./delivery.ts";
import { type PumpState, pumpStates } from "./delivery-state.ts";
import { messageCame } from "./gc-hints.ts";
import type { MessageReader } from "./inbox.ts";
import { MessageInflater } from "./message-inflater.ts";
import { RateLimiter } from "./rate-limiter.ts";
import { ReadPace } from "./read-pace.ts";

/** The connection of a message pump: what it is asked and told. */
export interface MessagePumpOwner extends DeliveryOwner, Pick<BeatsOwner, "sending"> {
  readonly limits: ConnectionLimits;
  readonly counters: Counters;
  readonly deflate: MessageDeflate | undefined;
  readonly settings: { readonly rateLimit?: RateLimit; readonly heartbeat?: HeartbeatSettings };
  readonly clock: Clock;
  /** Output that arises while the pump works leaves at its end, in one write. */
  readonly outbox: { insideChunk: boolean; flush(): void };
  /** A message is complete. */
  messageEnded(): void;
  /** Whether no Close was sent or asked for. */
  isOpen(): boolean;
  /** Whether the `close` handler was called. */
  isTold(): boolean;
  readonly transport: { pause(): void; resume(): void };
  receivedPing(payload: Uint8Array): void;
  receivedPong(payload: Uint8Array): void;
  /** The peer broke a rule. */
  failedByPeer(): void;
  /** The process holds too much of what was received, and this connection the most: it has to fail. */
  tooMuchHeld(): void;
  /** The peer sends more than its rate: the connection has to be closed. */
  tooFast(): void;
}

/**
 * Bytes that all connections have received and that are not taken yet: unparsed, unfinished, inflating, queued, or held
 * by streams.
 */
export const processAssembly: MemoryBudget = new MemoryBudget();

const { idle, working, holding, held, heldYielded } = pumpStates;
const noBytes = new Uint8Array(0);
/** After this many frames of which no message came the clock is read (fault A07). */
const framesPerLook = 64;
/** Reads from this length on are timed: libuv may hand us 32 in a row before other sockets have their turn. */
const longRead = 64 * 1024;

/** Receives for one connection; made with its first bytes, or with its first reader. */
export class MessagePump implements Holder {
  readonly delivery: Delivery;
  readonly #owner: MessagePumpOwner;
  #state = idle;
  #reading = true;
  readonly #pace = new ReadPace();
  /** Undefined where messages may come at any rate. */
  readonly #rate: RateLimiter | undefined;
  /** Whether nothing is parsed until there is room for the next message; what was taken before is delivered. */
  #waitsForRate = false;
  /** Undefined where no message is a heartbeat. */
  readonly #beats: Beats | undefined;
  /** Made for the first compressed message. */
  #inflater: MessageInflater | undefined;
  /** Bytes received and not taken, as the process's cap knows them. */
  #held = 0;

  constructor(owner: MessagePumpOwner) {
    this.#owner = owner;
    this.delivery = new Delivery(owner, this);
    const { rateLimit, heartbeat } = owner.settings;
    this.#rate = rateLimit && new RateLimiter(rateLimit, owner.clock);
    this.#beats = heartbeat && new Beats(heartbeat, owner);
  }

  /** When it works, see `pumpTransitions`. */
  get state(): PumpState {
    return this.#state.name;
  }

  // For the transport

  /** The first `length` bytes of the chunk came; a borrowed chunk is overwritten later. */
  received(chunk: Buffer, borrowed: boolean, length: number): void {
    const began = length < longRead ? 0 : performance.now();
    // Long reads of one turn are one piece of work, with all that is done between them.
    if (began === 0 || thisTurn().longReads === 0) this.#pace.restart();
    this.#owner.endpoint.receive(chunk, borrowed, length);
    this.run();
    if (began !== 0) this.#worked(performance.now() - began);
  }

  /** Fragments and control frames are no messages that `#pump` would count, and cost time all the same (fault A07). */
  #worked(time: number): void {
    const turn = thisTurn();
    turn.longReads += Math.max(time, Number.MIN_VALUE);
    if (turn.longReads < this.#owner.limits.readBudget || !this.#reading || this.#state !== idle) return;
    this.#goOnInNextTurn();
  }

  /** Whether the connection reads from its transport at present. */
  get isReading(): boolean {
    return this.#reading;
  }

  /** Reads from the transport, or stops. */
  read(on: boolean): void {
    if (this.#reading === on) return;
    this.#reading = on;
    if (on) this.#owner.transport.resume();
    else this.#owner.transport.pause();
  }

  // For sending, streams, topics and the end

  /** The transport takes bytes again: heartbeats that came meanwhile are answered. */
  answerBeats(): void {
    this.#beats?.answer();
  }

  /** The messages for a reader that is the only one; our Close does not end it, `return` does. */
  readToTheEnd(): MessageReader {
    return this.delivery.inbox.reader();
  }

  /** Notes how many bytes wait in a stream that reads ahead. */
  holdInStream(length: number): void {
    this.delivery.inbox.inStream = length;
    this.noteHeld();
  }

  /** Parses and delivers nothing until `release`; false, and nothing done, where it is held already. */
  hold(): boolean {
    if (this.#isHeld()) return false;
    this.#state = this.#state.held ?? illegal(this.#state, "held");
    return true;
  }

  /** Goes on after `hold`; no-op where nothing is held. */
  release(): void {
    if (!this.#isHeld()) return;
    this.#state = this.#state.released ?? illegal(this.#state, "released");
    this.run();
  }

  /** Parses and delivers nothing until `until` has resolved. */
  holdUntil(until: Promise<void>): void {
    if (this.hold()) void until.then(() => this.release());
  }

  #isHeld(): boolean {
    return this.#state === holding || this.#state === held || this.#state === heldYielded;
  }

  /** Our Close was sent: messages that held up parsing may be thrown away now, and the peer's Close be here already. */
  closeSent(): void {
    this.delivery.discardUnread();
    this.#goOnAtRate();
    this.read(true);
    const goesOn = this.#owner.endpoint.unparsedLength > 0 || this.#inflater?.postpones === true;
    if (goesOn && this.#state === idle) this.#runInNextTurn();
  }

  /** Whether a message is being inflated that is to be delivered. */
  get inflates(): boolean {
    return this.#owner.endpoint.inflating && this.#inflater?.postpones !== true;
  }

  /** The transport is gone. */
  transportClosed(): void {
    this.#inflater?.release();
    this.run();
  }

  // Parsing

  /**
   * Parses and delivers what there is; what comes of it leaves in one write. Where it is called by what it calls, the
   * outer call goes on; where it has worked for long enough, the next turn does.
   */
  run(): void {
    if (this.#state !== idle && this.#state !== held) return;
    const { outbox } = this.#owner;
    this.#state = this.#state.begun ?? illegal(this.#state, "begun");
    outbox.insideChunk = true;
    let isDone = true;
    try {
      isDone = this.#pump();
    } finally {
      outbox.insideChunk = false;
      if (isDone) this.#state = this.#state.ended ?? illegal(this.#state, "ended");
      else this.#goOnInNextTurn();
    }
    if (this.#beats !== undefined) this.#beats.answer();
    outbox.flush();
    this.noteHeld();
    this.#owner.progress();
  }

  /** Works until there is nothing to do, or until it has to wait; false where the next turn has to go on. */
  #pump(): boolean {
    const { delivery } = this;
    const { endpoint, limits } = this.#owner;
    while (this.#state !== holding) {
      let look = false;
      if (!delivery.deliverNext()) {
        if (this.#inflater?.postpones && !delivery.isPostponing() && !this.#waitsForRate) {
          this.#inflate(this.#inflater.takePostponed());
          look = true;
        } else {
          if (this.#isFull()) break;
          const event = endpoint.nextEvent(framesPerLook);
          if (event !== undefined) this.#handle(event);
          else if (endpoint.unparsedLength === 0 || endpoint.inflating) break;
          // To inflate one may take as long as all of these (fault B07).
          look = event === undefined || event.type === "inflate";
        }
      }
      if (this.#pace.isOver(limits.readBudget, look) && this.#state === working) return false;
    }
    this.read(this.#state === working && !endpoint.inflating && !this.#isFull());
    return true;
  }

  /**
   * Whether parsing has to wait for the application, or for the rate. Where there is no reader at all, the limit is for
   * what is unfinished, too: a longer message is not assembled before.
   */
  #isFull(): boolean {
    if (this.#waitsForRate) return true;
    const { queued } = this.delivery;
    const { inboundHighWaterMark } = this.#owner.limits;
    if (queued >= inboundHighWaterMark) return true;
    return queued + this.#owner.endpoint.unfinishedLength >= inboundHighWaterMark && this.delivery.isPostponing();
  }

  /** Reads no more in this turn, so that one busy connection does not starve the others (fault A04). */
  #goOnInNextTurn(): void {
    this.read(false);
    this.#runInNextTurn();
  }

  #runInNextTurn(): void {
    this.#state = this.#state.yielded ?? illegal(this.#state, "yielded");
    setImmediate(() => {
      this.#state = this.#state.turned ?? illegal(this.#state, "turned");
      this.#pace.restart();
      this.run();
    });
  }

  #handle(event: EndpointEvent): void {
    switch (event.type) {
      case "message":
        this.#countMessage();
        if (channels.message.hasSubscribers) {
          // What a listener does to the memory must not reach the application's own.
          const { data } = copyOf(event);
          channels.message.publish({ connection: this.#owner.connection, data, text: event.text });
        }
        if (this.#beats?.takes(event)) return;
        messageCame(event.data);
        return this.#admit(event, 1);
      case "part":
        if (event.last) this.#countMessage();
        messageCame(event.data);
        return this.#admit(event, event.last ? 1 : 0);
      case "close":
        return this.delivery.admitClose(event);
      case "ping":
        return this.#owner.receivedPing(event.payload);
      case "pong":
        return this.#owner.receivedPong(event.payload);
      case "inflate":
        return this.#inflate(event.payload);
      case "failed":
        this.#owner.failedByPeer();
    }
  }

  #countMessage(): void {
    this.#owner.counters.messagesReceived++;
    this.#owner.messageEnded();
  }

  #admit(came: MessageEvent | PartEvent, messages: number): void {
    const { layer } = this.#owner;
    const event = layer === undefined ? came : layer.arrived(came);
    if (event === undefined) return;
    if (this.#rate === undefined || !this.#owner.isOpen()) return this.delivery.admit(event);
    if (this.#rate.limit.closes && this.#rate.wait > 0) {
      this.delivery.discard();
      return this.#owner.tooFast();
    }
    this.#rate.take(messages, event.data.length);
    this.delivery.admit(event);
    const { wait } = this.#rate;
    if (wait === 0 || this.#rate.limit.closes || this.#waitsForRate) return;
    this.#waitsForRate = true;
    this.#owner.clock.after(wait, () => this.#goOnAtRate(), true);
  }

  #goOnAtRate(): void {
    if (!this.#waitsForRate) return;
    this.#waitsForRate = false;
    this.run();
  }

  // Inflating

  #inflate(payload: Uint8Array): void {
    const { deflate, limits, endpoint } = this.#owner;
    if (this.delivery.discards) return this.#handle(endpoint.inflated(noBytes));
    this.#inflater ??= new MessageInflater(deflate!, limits.maxMessageSize, this);
    if (this.delivery.isPostponing()) this.#inflater.postpone(copyUnlessAlone(payload));
    else this.#inflater.inflate(payload);
  }

  /** See `MessageInflaterOwner`. */
  inflatesText(): boolean {
    return this.#owner.endpoint.inflatesText;
  }

  /** See `MessageInflaterOwner`. */
  inflatesElsewhere(): void {
    this.read(false);
  }

  /** See `MessageInflaterOwner`. */
  inflated(outcome: InflateOutcome | InflatedText, elsewhere: boolean): void {
    this.#handle(this.#owner.endpoint.inflated(this.delivery.discards ? noBytes : outcome));
    if (elsewhere) this.run();
  }

  /** See `DeliveryPump`. */
  cancelInflating(): void {
    this.#inflater?.cancel();
  }

  // Memory

  /** Counts bytes that are received and not taken for the process's cap, wherever they wait (fault A02). */
  noteHeld(): void {
    const held = this.#heldNow();
    if (held === this.#held) return;
    this.#held = held;
    const { limits, endpoint } = this.#owner;
    processAssembly.note(this, held, limits.maxProcessAssemblySize, held === 0 ? 0 : held + endpoint.allottedAhead);
  }

  #heldNow(): number {
    // Unread messages of a connection that is over live only as long as the application holds on to it.
    if (this.#owner.isTold()) return 0;
    const { unparsedLength, unfinishedLength } = this.#owner.endpoint;
    const inflated = this.#inflater === undefined ? 0 : this.#inflater.length;
    return unparsedLength + unfinishedLength + inflated + this.delivery.held;
  }

  /** See `Holder`. */
  letGo(): void {
    this.delivery.discard();
    this.#owner.tooMuchHeld();
    this.noteHeld();
  }
}
