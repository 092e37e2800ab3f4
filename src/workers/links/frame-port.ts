/**
 * What carries frames between two workers, in order, as long as both are there: a socket between processes, a
 * `MessagePort` between threads.
 */

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { MessagePort } from "node:worker_threads";

/** See the head of this file. */
export interface FramePort {
  /** Sends one frame, whose pieces are not changed afterwards. */
  send(pieces: readonly Uint8Array[]): void;
  /** `closed` is called once, when nothing comes any more. */
  listen(received: (frame: Buffer) => void, closed: () => void): void;
  close(): void;
}

/** The frames of threads. Neither keeps its thread alive. */
export class ThreadPort implements FramePort {
  readonly #port: MessagePort;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  send(pieces: readonly Uint8Array[]): void {
    const frame = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      frame.set(piece, at);
      at += piece.length;
    }
    this.#port.postMessage(frame, [frame.buffer]);
  }

  listen(received: (frame: Buffer) => void, closed: () => void): void {
    this.#port.on("message", ({ buffer }: Uint8Array<ArrayBuffer>) => received(Buffer.from(buffer)));
    this.#port.once("close", closed);
    this.#port.unref();
  }

  close(): void {
    this.#port.close();
  }
}

/** The length of a frame stands before it. */
const prefixLength = 4;

/** The frames of processes. */
export class SocketPort implements FramePort {
  readonly #socket: Socket;
  /** What was received of the next frames. */
  #chunks: Buffer[] = [];
  #size = 0;
  /** The size at which the next frame is whole. */
  #needed = prefixLength;

  /** The socket may still be connecting; its errors are the caller's. */
  constructor(socket: Socket) {
    this.#socket = socket;
  }

  send(pieces: readonly Uint8Array[]): void {
    const prefix = Buffer.allocUnsafe(prefixLength);
    prefix.writeUInt32BE(pieces.reduce((sum, { length }) => sum + length, 0));
    this.#socket.cork();
    this.#socket.write(prefix);
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }

  listen(received: (frame: Buffer) => void, closed: () => void): void {
    this.#socket.on("data", (chunk: Buffer) => this.#take(chunk, received));
    this.#socket.once("close", closed);
    this.#socket.unref();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer, received: (frame: Buffer) => void): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    while (this.#size >= this.#needed) {
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      const end = prefixLength + all.readUInt32BE();
      if (all.length >= end) {
        this.#keep(all.subarray(end), prefixLength);
        received(all.subarray(prefixLength, end));
      } else {
        this.#keep(all, end);
      }
    }
  }

  #keep(rest: Buffer, needed: number): void {
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#size = rest.length;
    this.#needed = needed;
  }
}
