/**
 * What a connection has to send, on its way from the endpoint to the socket.
 *
 * Everything that one chunk causes leaves in one write at its end; everything sent in one turn outside of a chunk
 * leaves in one write when the turn is over. While the socket is full, output waits in the endpoint.
 */

import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Endpoint } from "../protocol/endpoint.ts";
import { type Deferred, deferred } from "./deferred.ts";
import type { Counters } from "./diagnostics.ts";
import { canWriteDirectly, waitingBelow, waitingIn, writeDirectly } from "./direct-writes.ts";
import type { ConnectionLimits } from "./limits.ts";
import { type Holder, ProcessCap } from "./process-cap.ts";

/** What an outbox asks and tells the connection it belongs to. */
export interface OutboxOwner {
  readonly limits: ConnectionLimits;
  readonly counters: Counters;
  /** Less than the high-water mark is queued again, after `high` was true. */
  outboxLow(): void;
  /** The socket takes nothing for now: `drained` must be called when it does again. */
  outboxStalled(): void;
  /** All outboxes together hold too much, and this one the most. */
  outboxTooLarge(): void;
}

/** What all stalled connections have queued; bytes that several of them share count once. */
export const processOutbox: ProcessCap = new ProcessCap();

const waiting: Outbox[] = [];

/** Flushes all that was sent in this turn. */
function flushWaiting(): void {
  for (const outbox of waiting.splice(0)) outbox.flushTurn();
}

/** The way out of one connection. */
export class Outbox implements Holder {
  readonly #endpoint: Endpoint;
  readonly #socket: Duplex;
  readonly #owner: OutboxOwner;
  /** The socket, if it is written to past its stream. */
  #direct: Socket | undefined;
  /** Bytes of a direct write that the socket had not taken when it was last looked at. */
  #behind = 0;
  /** Bytes that the socket held when it stalled, or when it was last asked whether they move. */
  #held = 0;
  #inTurn = false;
  /** What it shares with others and the stalled socket has not taken, as the process's cap knows it. */
  #shared: Uint8Array[] | undefined;
  #high = false;
  /** What waits for room; undefined while nothing does. */
  #room: Deferred<void> | undefined;
  /** Payload bytes that wait for a compressor or a Blob and are in no output yet. */
  waiting = 0;
  /** Set while a chunk is worked on: its end flushes. */
  insideChunk = false;

  constructor(endpoint: Endpoint, socket: Duplex, owner: OutboxOwner) {
    this.#endpoint = endpoint;
    this.#socket = socket;
    this.#owner = owner;
  }

  /** Writes past the stream of the socket from now on, where that is possible; it must be nobody else's. */
  writeDirectly(): void {
    if (this.#socket instanceof Socket && canWriteDirectly(this.#socket)) this.#direct = this.#socket;
  }

  /** Bytes that have not left the process, framing included. */
  get size(): number {
    const direct = this.#behind === 0 ? 0 : (waitingIn(this.#direct!) ?? this.#behind);
    return this.waiting + this.#endpoint.outputLength + this.#socket.writableLength + direct;
  }

  /** Whether `reachesHigh` has said so, and `outboxLow` was not called since. */
  get high(): boolean {
    return this.#high;
  }

  /** Whether the size is at the high-water mark or above; if so, `outboxLow` is called when it is below again. */
  reachesHigh(): boolean {
    const high = this.size >= this.#owner.limits.outboxHighWaterMark;
    if (high) this.#high = true;
    return high;
  }

  /**
   * Undefined while less than the high-water mark is on its way, else resolves when it is. What waits behind the one who
   * asks does not count: that waits for it.
   */
  room(): Promise<void> | undefined {
    if (this.size - this.waiting < this.#owner.limits.outboxHighWaterMark) return undefined;
    this.#high = true;
    this.#room ??= deferred<void>();
    return this.#room.promise;
  }

  /** The endpoint has new output: flush at the end of the chunk or of the turn. */
  changed(): void {
    if (this.#endpoint.stalled) return this.#note();
    if (this.insideChunk || this.#inTurn) return;
    this.#inTurn = true;
    if (waiting.push(this) === 1) setImmediate(flushWaiting);
  }

  /** The endpoint has new output that others share: leaves at once unless a chunk is worked on. */
  changedShared(frames: Uint8Array): void {
    if (!this.#endpoint.stalled) {
      if (!this.insideChunk) this.flush();
      return;
    }
    this.#shared ??= [];
    this.#shared.push(frames);
    processOutbox.share(frames);
    this.#note();
  }

  /** Writes whole frames as they are; false, and nothing done, unless there is nothing that they would have to wait for. */
  writeShared(frames: Uint8Array): boolean {
    const endpoint = this.#endpoint;
    const socket = this.#socket;
    if (endpoint.role === "client" || this.insideChunk || this.#high) return false;
    if (endpoint.stalled || endpoint.outputLength > 0 || !socket.writable || socket.writableLength > 0) return false;
    this.#owner.counters.bytesSent += frames.length;
    if (this.#writeDirectly(frames)) return true;
    if (!socket.write(frames) && socket.writableNeedDrain) this.#stall();
    return true;
  }

  /** The turn is over. */
  flushTurn(): void {
    this.#inTurn = false;
    this.flush();
  }

  /** Writes what there is, in one write. */
  flush(): void {
    const endpoint = this.#endpoint;
    const socket = this.#socket;
    if (endpoint.stalled || socket.destroyed || !socket.writable) return;
    this.#owner.counters.bytesSent += endpoint.outputLength;
    const pieces = endpoint.takeOutput();
    if (pieces.length === 0) return;
    if (this.#writeDirectly(pieces.length === 1 ? pieces[0]! : pieces)) {
      endpoint.outputTaken(!endpoint.stalled);
      if (this.#high) this.#reportLow();
      return;
    }
    if (pieces.length === 1) {
      this.#write(pieces[0]!);
    } else {
      socket.cork();
      for (const piece of pieces) this.#write(piece);
      socket.uncork();
    }
    const left = socket.writableLength === 0;
    // Any other stream may have handed the memory on to somebody.
    endpoint.outputTaken(left && socket instanceof Socket);
    if (!left && socket.writableNeedDrain) this.#stall();
    if (this.#high) this.#reportLow();
  }

  /** False, and nothing done, where the stream has to write. */
  #writeDirectly(bytes: Uint8Array | Uint8Array[]): boolean {
    const waiting = this.#direct && writeDirectly(this.#direct, bytes);
    if (waiting === undefined) return false;
    this.#behind = waiting;
    if (waiting > 0) this.#stall();
    return true;
  }

  #write(piece: Uint8Array): void {
    if (!this.#high) {
      this.#socket.write(piece);
      return;
    }
    // Below the socket's own mark no `drain` will come.
    this.#socket.write(piece, (error) => {
      if (!error && this.#high) this.#reportLow();
    });
  }

  /** The socket takes bytes again. */
  drained(): void {
    if (this.#endpoint.stalled) this.release();
    this.flush();
    if (this.#high) this.#reportLow();
  }

  /** Holds nothing for the peer any more: the socket takes bytes again, or is gone. */
  release(): void {
    this.#endpoint.stalled = false;
    this.#behind = 0;
    processOutbox.note(this, 0, Number.POSITIVE_INFINITY);
    this.#unshare();
    (this.#socket as Partial<Socket>).setTimeout?.(0);
  }

  /**
   * Whether bytes have left since the socket stalled, or since this was asked last; if so, it has the write timeout again
   * to move on. Within one large write a socket does not see that by itself when it is written to directly, or over TLS.
   */
  moves(): boolean {
    const held = this.#heldBySocket();
    if (!this.#endpoint.stalled || held === this.#held) return false;
    this.#held = held;
    (this.#socket as Socket).setTimeout(this.#owner.limits.writeTimeout);
    return true;
  }

  #heldBySocket(): number {
    return this.#socket.writableLength + waitingBelow(this.#socket as Socket);
  }

  /** See `Holder`. */
  letGo(): void {
    this.#unshare();
    this.#owner.outboxTooLarge();
  }

  /** The socket is full: from now on it must move within the write timeout, or it emits `timeout`. */
  #stall(): void {
    this.#endpoint.stalled = true;
    this.#held = this.#heldBySocket();
    this.#owner.outboxStalled();
    (this.#socket as Partial<Socket>).setTimeout?.(this.#owner.limits.writeTimeout);
    this.#note();
  }

  #note(): void {
    const most = this.#owner.limits.maxProcessOutboxSize;
    if (most === Number.POSITIVE_INFINITY) return;
    const { size } = this;
    processOutbox.note(this, size - this.#endpoint.sharedOutputLength, most, size);
  }

  #unshare(): void {
    for (const frames of this.#shared ?? []) processOutbox.unshare(frames);
    this.#shared = undefined;
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
