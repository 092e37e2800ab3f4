/**
 * What a connection has to send, on its way from the endpoint to the transport.
 *
 * Everything that one chunk causes leaves in one write at its end; everything sent in one turn outside of a chunk
 * leaves in one write when the turn is over, when 32 others have been sent to since, or with the first payload that is
 * not copied. While the transport is full,
 * output waits in the endpoint, where nothing of it is a caller's.
 */

import type { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import type { Clock } from "../../transport/clock.ts";
import { setImmediate } from "../../transport/scheduling.ts";
import type { Transport } from "../../transport/transport.ts";
import { cleanContext } from "../event-loop/async-context.ts";
import { type Deferred, deferred } from "../event-loop/deferred.ts";
import { type Turn, thisTurn } from "../event-loop/this-turn.ts";
import type { ConnectionLimits } from "../options/limits.ts";
import type { Counters } from "../process-wide/diagnostics.ts";
import { type Holder, MemoryBudget } from "../process-wide/memory-budget.ts";
import { outputWaits } from "../receiving/gc-hints.ts";
import { SendDeadlines } from "./send-deadlines.ts";
import { WriteTimeout } from "./write-timeout.ts";
import { type SendOutcome, WrittenMarks } from "./written-marks.ts";

/** The connection of an outbox: what it is asked and told. */
export interface OutboxOwner {
  readonly limits: ConnectionLimits;
  readonly counters: Counters;
  readonly clock: Clock;
  /** Less than the high-water mark is queued again, after `high` was true. */
  outboxLow(): void;
  /** The transport is full, and no byte left or arrived for the write timeout. */
  outboxStuck(): void;
  /** A message has not left within the time that it was given. */
  outboxLate(timeout: number): void;
  /** All outboxes together hold too much, and this one the most. */
  outboxTooLarge(error: Error): void;
  /** Output cannot leave: its memory is gone, or there is none to copy it. */
  outboxSpoiled(error: unknown): void;
}

/** Bytes queued by all stalled connections; bytes that several of them share count once. */
export const processOutbox: MemoryBudget = new MemoryBudget();

const waiting: Outbox[] = [];
/**
 * As many as there are slabs kept: each that waits holds one. A loop over more of them writes to the first while it is
 * at the last.
 */
const mostWaiting = 32;
/** Shorter output that waits is a copy; its memory is not used again. */
const leastLent = 4096;

/** Flushes all that was sent in this turn. */
function flushWaiting(): void {
  for (const outbox of waiting.splice(0)) outbox.flushTurn();
}

/** Whether the process exits: no turn comes after this one. */
let exiting = false;
let awaitsExit = false;
/** What is sent to inside a chunk that is not over. */
let changedInChunk: Outbox | undefined;

/** Where a process has what each copy of this module does at its exit: test runners load it once for each file. */
const atExit: unique symbol = Symbol.for("openline.atExit");

/** No turn comes any more: what was sent leaves now, as far as the system takes it at once. */
function leaveNow(): void {
  exiting = true;
  changedInChunk?.flush();
  flushWaiting();
}

/** Has what was sent leave also where the process exits in the same turn. */
function awaitExit(): void {
  awaitsExit = true;
  const shared = process as typeof process & { [atExit]?: WeakRef<() => void>[] };
  if (shared[atExit] === undefined) {
    const all: WeakRef<() => void>[] = [];
    shared[atExit] = all;
    process.once("exit", () => {
      for (const one of all) one.deref()?.();
    });
  }
  shared[atExit].push(new WeakRef(leaveNow));
}

function unshare(frames: Uint8Array | readonly Uint8Array[]): void {
  for (const one of [frames].flat() as readonly Uint8Array[]) processOutbox.unshare(one);
}

/** The way out of one connection. */
export class Outbox implements Holder {
  readonly #endpoint: Endpoint;
  readonly #transport: Transport;
  readonly #owner: OutboxOwner;
  /** Runs while the transport is full. */
  #writeTimeout: WriteTimeout | undefined;
  /** Created by the first message that has a time of its own to leave. */
  #deadlines: SendDeadlines | undefined;
  /** Created by the first callback that waits for what was sent to leave. */
  #marks: WrittenMarks | undefined;
  #inTurn = false;
  /** The turn in which what was sent came to `maxOutboxSize`. */
  #filledIn: Turn | undefined;
  /** Whether the process's cap knows of output, though nothing is stalled. */
  #noted = false;
  /** Frames in the output that others send as well, as the process's cap knows them. */
  #queued: Uint8Array[] | undefined;
  /** Such frames that were written last, while some of that write waits in the transport, and their length. */
  #leaving: Uint8Array | readonly Uint8Array[] | undefined;
  #leavingLength = 0;
  #high = false;
  /** Resolves when there is room; undefined while nothing waits for that. */
  #room: Deferred<void> | undefined;
  /** Payload bytes that wait for a compressor, a Blob or an iterable and are in no output yet. */
  waiting = 0;
  /** The cost of the line itself, in bytes: held against the limits, but never sent. */
  lineCost = 0;
  /** Set while a chunk is worked on: its end flushes. */
  insideChunk = false;

  constructor(endpoint: Endpoint, transport: Transport, owner: OutboxOwner) {
    this.#endpoint = endpoint;
    this.#transport = transport;
    this.#owner = owner;
    if (!awaitsExit) awaitExit();
  }

  /** Bytes that have not left the process, framing included. */
  get size(): number {
    return this.waiting + this.#endpoint.outputLength + this.#transport.waiting;
  }

  /** Whether nothing waits, and no callback of `markSent`. */
  get hasLeft(): boolean {
    return this.size === 0 && this.#marks?.waits !== true;
  }

  /** The size, and the cost of the line. */
  get #load(): number {
    return this.size + this.lineCost;
  }

  /** Whether `reachesHigh` has said so, and `outboxLow` was not called since. */
  get high(): boolean {
    return this.#high;
  }

  /**
   * Whether `maxOutboxSize` stood already when this turn began. What is sent in one turn is not held against a peer
   * that had no time to take any of it; it counts from the next turn on.
   */
  isFull(): boolean {
    return this.#load >= this.#owner.limits.maxOutboxSize && this.#filledIn !== thisTurn();
  }

  /** Something was sent, when it was not full, and the sender does not ask for `reachesHigh`. */
  sentMore(): void {
    if (this.#load >= this.#owner.limits.maxOutboxSize) this.#filledIn = thisTurn();
  }

  /** More stands in line. */
  lineGrew(): void {
    if (!this.#endpoint.stalled) {
      if (this.#load < this.#owner.limits.outboxHighWaterMark) return;
      this.#noted = true;
    }
    this.#note();
  }

  /**
   * Something was sent, when it was not full: whether the size is at the high-water mark or above now; if so,
   * `outboxLow` is called when it is below again.
   */
  reachesHigh(): boolean {
    const { size } = this;
    const { outboxHighWaterMark, maxOutboxSize } = this.#owner.limits;
    if (size + this.lineCost >= maxOutboxSize) this.#filledIn = thisTurn();
    if (size < outboxHighWaterMark) return false;
    this.#high = true;
    if (!this.#endpoint.stalled) {
      this.#noted = true;
      this.#note();
    }
    return true;
  }

  /** Says how much waits and for how long none of it was taken, and what limit that is beyond. */
  tooLarge(limit: "maxOutboxSize" | "maxProcessOutboxSize"): Error {
    const of = limit === "maxOutboxSize" ? "" : " for all connections of the process";
    return new Error(
      `Cannot send: ${this.#load} bytes wait ${this.#whyWaiting()} (${limit} is ${this.#owner.limits[limit]}${of})`,
    );
  }

  #whyWaiting(): string {
    if (this.#writeTimeout === undefined)
      return "for this turn of the event loop to end, or for a compressor, a Blob or an iterable";
    const { silence } = this.#writeTimeout;
    if (silence === undefined) return "for a peer that reads more slowly than it is sent to";
    return `for a peer that does not read: it has taken none for ${Math.round(silence)} ms`;
  }

  /**
   * Undefined while less than the high-water mark is on its way, else resolves when it is. Sends
   * queued behind the caller are not counted: they wait for the caller.
   */
  room(): Promise<void> | undefined {
    if (this.size - this.waiting < this.#owner.limits.outboxHighWaterMark) return undefined;
    this.#high = true;
    this.#room ??= deferred<void>();
    return this.#room.promise;
  }

  /**
   * Gives what was just sent so many milliseconds to leave; the owner is told when it has not. What is returned is to
   * be called when all of it is in the output.
   */
  leaveWithin(timeout: number): () => void {
    const { clock } = this.#owner;
    this.#deadlines ??= new SendDeadlines(this.#transport, clock, (late) => this.#owner.outboxLate(late));
    const deadlines = this.#deadlines;
    const deadline = deadlines.add(timeout);
    return () => {
      deadline.end = deadlines.written + this.#endpoint.outputLength;
    };
  }

  /**
   * Calls back when what was just sent has left, or cannot any more, in a tick of its own or with the end. What is
   * returned is to be called when all of it is in the output.
   */
  markSent(settled: (outcome: SendOutcome) => void): () => void {
    this.#marks ??= new WrittenMarks(this.#transport);
    const reached = this.#marks.add(settled);
    return () => reached(this.#endpoint.outputLength);
  }

  /**
   * The endpoint has new output: flush at the end of the chunk or of the turn, or now if it lies in a caller's memory.
   */
  changed(): void {
    if (this.#endpoint.stalled) return this.#note();
    if (this.insideChunk && !exiting) {
      changedInChunk = this;
      return;
    }
    if (this.#endpoint.outputRefers || exiting) this.#flushNow();
    else this.#flushLater();
  }

  #flushLater(): void {
    if (this.#inTurn) return;
    this.#inTurn = true;
    const length = waiting.push(this);
    if (length === 1) cleanContext(() => setImmediate(flushWaiting));
    else if (length > mostWaiting) waiting.shift()!.flushTurn();
  }

  /**
   * The endpoint has new output that others send as well: leaves at once unless a chunk is worked on. Only what it
   * `refers` to is kept count of, since small frames behind others are copied: for each of those it would cost 50 times
   * its bytes.
   */
  changedShared(frames: Uint8Array, refers: boolean): void {
    if (refers) {
      this.#queued ??= [];
      this.#queued.push(frames);
      processOutbox.share(frames);
    }
    if (this.#endpoint.stalled) this.#note();
    else if (!this.insideChunk) this.#flushNow();
  }

  /**
   * Writes whole frames as they are, and says whether they have left; undefined, and nothing done, unless there is nothing
   * that they would have to wait for.
   */
  writeShared(frames: Uint8Array): "left" | "waits" | undefined {
    const endpoint = this.#endpoint;
    const transport = this.#transport;
    if (endpoint.role === "client" || this.insideChunk || this.#high || endpoint.sendingFragments) return undefined;
    if (endpoint.stalled || endpoint.outputLength > 0 || !transport.writable || transport.waiting > 0) return undefined;
    this.#owner.counters.bytesSent += frames.length;
    this.#leaving = frames;
    const left = this.#write(frames, frames.length);
    if (!endpoint.stalled) this.#leaving = undefined;
    return left ? "left" : "waits";
  }

  /** The turn is over. */
  flushTurn(): void {
    this.#inTurn = false;
    this.flush();
  }

  /** Writes what there is, in one write, and says when that made room. */
  flush(): void {
    if (changedInChunk === this) changedInChunk = undefined;
    this.#writeOutput();
    if (this.#high) this.#reportLow();
  }

  /** The same during a send: the application is told of room when the turn is over, since it may send then. */
  #flushNow(): void {
    this.#writeOutput();
    if (this.#high) this.#flushLater();
  }

  #writeOutput(): void {
    const endpoint = this.#endpoint;
    const transport = this.#transport;
    if (endpoint.stalled || !transport.writable) return;
    const { outputLength } = endpoint;
    let pieces: Uint8Array[];
    try {
      const copied = endpoint.outputRefers && !transport.readsAtOnce;
      pieces = endpoint.takeOutput(copied, !transport.mayLeaveAtOnce);
    } catch (error) {
      return this.#owner.outboxSpoiled(error);
    }
    if (pieces.length > 0) {
      this.#owner.counters.bytesSent += outputLength;
      const queued = this.#queued;
      this.#queued = undefined;
      this.#leaving = queued;
      const left = this.#write(pieces.length === 1 ? pieces[0]! : pieces, outputLength);
      if (!endpoint.stalled) this.#leaving = undefined;
      if (queued !== undefined) unshare(queued);
      endpoint.outputTaken(left, transport.givesBack);
      if (!left) outputWaits(outputLength);
    }
    if (this.#noted && !endpoint.stalled) this.#forget();
  }

  /** Whether all has left already, so that its memory can be used again. */
  #write(bytes: Uint8Array | Uint8Array[], length: number): boolean {
    this.#deadlines?.wrote(length);
    const tell = this.#high || this.#marks?.waits === true || (length >= leastLent && this.#transport.givesBack);
    const written = this.#transport.write(bytes, tell);
    this.#marks?.wrote(length);
    if (written === "full") this.#stall();
    return written === "left";
  }

  /** The transport takes bytes again. */
  drained(): void {
    if (this.#endpoint.stalled) this.#moveOn();
    if (this.#transport.waiting === 0) this.#endpoint.outputLeft();
    this.#marks?.lookLater();
    this.flush();
    if (this.#high) this.#reportLow();
  }

  /** The transport is gone, and nothing is held for the peer any more. */
  release(): void {
    this.#deadlines?.stop();
    this.#marks?.drop();
    this.#moveOn();
    this.#dropQueued();
  }

  /** The transport holds nothing any more. */
  #moveOn(): void {
    if (this.#endpoint.stalled && this.#leaving !== undefined) unshare(this.#leaving);
    this.#leaving = undefined;
    this.#leavingLength = 0;
    this.#endpoint.stalled = false;
    this.#writeTimeout?.cancel();
    this.#writeTimeout = undefined;
    this.#forget();
  }

  #dropQueued(): void {
    if (this.#queued !== undefined) unshare(this.#queued);
    this.#queued = undefined;
  }

  /** See `Holder`. */
  letGo(): void {
    const error = this.tooLarge("maxProcessOutboxSize");
    this.#dropQueued();
    this.#owner.outboxTooLarge(error);
  }

  /** The transport is full: from now on it must move within the write timeout. */
  #stall(): void {
    this.#endpoint.stalled = true;
    this.#shareLeaving();
    const { clock, limits } = this.#owner;
    this.#writeTimeout = new WriteTimeout(this.#transport, clock, limits.writeTimeout, () => this.#owner.outboxStuck());
    this.#note();
  }

  #note(): void {
    const most = this.#owner.limits.maxProcessOutboxSize;
    if (most === Number.POSITIVE_INFINITY) return;
    const size = this.#load;
    const leaving = this.#leavingLength === 0 ? 0 : Math.min(this.#leavingLength, this.#transport.backlog);
    processOutbox.note(this, size - this.#endpoint.sharedOutputLength - leaving, most, size);
  }

  /** Bytes that wait in the transport lie where they were written from, or in memory of its own, as with TLS. */
  #shareLeaving(): void {
    if (!this.#transport.keepsPieces) this.#leaving = undefined;
    if (this.#leaving === undefined) return;
    for (const frames of [this.#leaving].flat() as readonly Uint8Array[]) {
      processOutbox.share(frames);
      this.#leavingLength += frames.length;
    }
  }

  /** The process's cap need not know of it any more. */
  #forget(): void {
    this.#noted = false;
    processOutbox.note(this, 0, Number.POSITIVE_INFINITY);
  }

  #reportLow(): void {
    const mark = this.#owner.limits.outboxHighWaterMark;
    const { size } = this;
    if (size - this.waiting < mark) {
      this.#room?.resolve();
      this.#room = undefined;
    }
    if (size >= mark) return;
    this.#high = false;
    this.#owner.outboxLow();
  }
}
