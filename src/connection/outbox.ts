/**
 * What a connection has to send, on its way from the endpoint to the socket.
 *
 * Everything that one chunk causes leaves in one write at its end; everything sent in one turn outside of a chunk
 * leaves in one write when the turn is over. While the socket is full, output waits in the endpoint.
 */

import type { Duplex } from "node:stream";
import type { Endpoint } from "../protocol/endpoint.ts";

const waiting: Outbox[] = [];

/** Flushes all that was sent in this turn. */
function flushWaiting(): void {
  for (const outbox of waiting.splice(0)) outbox.flushTurn();
}

/** The way out of one connection. */
export class Outbox {
  readonly #endpoint: Endpoint;
  readonly #socket: Duplex;
  readonly #highWaterMark: number;
  readonly #onLow: () => void;
  #inTurn = false;
  /** Whether `send` has said that the high-water mark was reached. */
  #high = false;
  /** Set while a chunk is worked on: its end flushes. */
  insideChunk = false;

  constructor(endpoint: Endpoint, socket: Duplex, highWaterMark: number, onLow: () => void) {
    this.#endpoint = endpoint;
    this.#socket = socket;
    this.#highWaterMark = highWaterMark;
    this.#onLow = onLow;
  }

  /** Bytes that have not left the process, framing included. */
  get size(): number {
    return this.#endpoint.outputLength + this.#socket.writableLength;
  }

  /** Whether the size is at the high-water mark or above; from then on `onLow` is called when it is below again. */
  get high(): boolean {
    const high = this.size >= this.#highWaterMark;
    if (high) this.#high = true;
    return high;
  }

  /** The endpoint has new output: flush at the end of the chunk or of the turn. */
  changed(): void {
    if (this.insideChunk || this.#inTurn || this.#endpoint.stalled) return;
    this.#inTurn = true;
    if (waiting.push(this) === 1) setImmediate(flushWaiting);
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
    const pieces = endpoint.takeOutput();
    if (pieces.length === 0) return;
    if (pieces.length === 1) {
      socket.write(pieces[0]!);
    } else {
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
    }
    const left = socket.writableLength === 0;
    endpoint.outputTaken(left);
    endpoint.stalled = !left && socket.writableNeedDrain;
    if (this.#high) this.#reportLow();
  }

  /** The socket takes bytes again. */
  drained(): void {
    this.#endpoint.stalled = false;
    this.flush();
    if (this.#high) this.#reportLow();
  }

  #reportLow(): void {
    if (this.size >= this.#highWaterMark) return;
    this.#high = false;
    this.#onLow();
  }
}
