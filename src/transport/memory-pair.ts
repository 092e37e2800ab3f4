/**
 * Two streams joined in memory, which behave as the two ends of one TCP connection, for tests without a port.
 *
 * What is written is copied and delivered in a later turn, in parts of at most `highWaterMark` bytes, until the reader has as
 * many; the rest waits with the writer. Each side ends alone. A side that is destroyed ends the other's reading, or resets it where bytes were
 * unread, as a system does; writing to it fails. While a side is held nothing reaches it, as behind a cable that is pulled.
 */

import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { setImmediate } from "./scheduling.ts";

/** The options of `memoryPair`. */
export interface MemoryPairOptions {
  /** How many bytes may be on their way in each direction before a writer has to wait. Default 64 KiB. */
  readonly highWaterMark?: number;
  /** Called after each delivery, of bytes, of an end or of a reset. */
  delivered?(): void;
}

/** Makes both streams; nothing is lost that is written before the other is read. */
export function memoryPair(options: MemoryPairOptions = {}): [MemoryStream, MemoryStream] {
  const pair: [MemoryStream, MemoryStream] = [new MemoryStream(options), new MemoryStream(options)];
  pair[0].join(pair[1]);
  pair[1].join(pair[0]);
  return pair;
}

/** One end of a pair. */
export class MemoryStream extends Duplex {
  readonly #highWaterMark: number;
  readonly #delivered: () => void;
  #peer!: MemoryStream;
  /** Chunks on their way to this side. */
  #incoming: Buffer[] = [];
  #incomingLength = 0;
  /** Set when the peer's end follows the incoming chunks. */
  #incomingEnd = false;
  /** Whether the reader has asked for more than it was given. */
  #wanted = false;
  #scheduled = false;
  /** Completes the write that waits for the peer to read; undefined while none waits. */
  #writeDone: ((error?: Error) => void) | undefined;
  /** Whether `destroy` says to the peer that the connection was reset. */
  #resets = false;
  #isHeld = false;
  /** Whether the peer has reset this side, which is held. */
  #isResetLater = false;

  constructor({ highWaterMark = 64 * 1024, delivered = () => {} }: MemoryPairOptions) {
    super({ highWaterMark, allowHalfOpen: true });
    this.#highWaterMark = highWaterMark;
    this.#delivered = delivered;
  }

  /** Sets the other end, once. */
  join(peer: MemoryStream): void {
    this.#peer = peer;
  }

  /** Whether nothing reaches this side, neither bytes nor an end nor a reset, until it is called with false. */
  hold(held: boolean): void {
    this.#isHeld = held;
    if (held) return;
    if (this.#isResetLater) this.#reset();
    else this.#schedule();
  }

  /** Destroys the stream, and resets the peer: what is on its way to it is lost. */
  resetAndDestroy(): this {
    this.#resets = true;
    return this.destroy();
  }

  override _read(): void {
    this.#wanted = true;
    this.#schedule();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.#send([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error) => void): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: () => void): void {
    this.#peer.#endIncoming();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const peer = this.#peer;
    // A write that waits for this side to read can never be done.
    if (this.#resets || this.#incomingLength > 0 || peer.#writeDone !== undefined) {
      peer.#dropIncoming();
      setImmediate(() => peer.#reset());
    } else {
      peer.#endIncoming();
    }
    this.#dropIncoming();
    done(error);
  }

  #send(chunks: Buffer[], done: (error?: Error) => void): void {
    const peer = this.#peer;
    if (peer.destroyed) {
      if (!this.#isHeld) return done(systemError("write", "EPIPE"));
      this.#isResetLater = true;
      return done();
    }
    // The bytes are the writer's again when the write is done.
    const bytes = Buffer.concat(chunks);
    if (bytes.length > 0) peer.#incoming.push(bytes);
    peer.#incomingLength += bytes.length;
    peer.#schedule();
    if (peer.#incomingLength > this.#highWaterMark) this.#writeDone = done;
    else done();
  }

  #endIncoming(): void {
    this.#incomingEnd = true;
    this.#schedule();
  }

  #dropIncoming(): void {
    this.#incoming = [];
    this.#incomingLength = 0;
  }

  #reset(): void {
    this.#isResetLater = this.#isHeld;
    if (this.destroyed || this.#isHeld) return;
    this.destroy(systemError("read", "ECONNRESET"));
    this.#delivered();
  }

  #schedule(): void {
    if (this.#scheduled || this.#isHeld || !this.#wanted || (this.#incoming.length === 0 && !this.#incomingEnd)) return;
    this.#scheduled = true;
    setImmediate(() => this.#deliver());
  }

  #deliver(): void {
    this.#scheduled = false;
    if (this.destroyed || this.readableEnded || this.#isHeld) return;
    while (this.#wanted && this.#incoming.length > 0) {
      const part = this.#takePart();
      this.#incomingLength -= part.length;
      this.#wanted = this.push(part);
    }
    if (this.#incomingEnd && this.#incoming.length === 0) {
      this.#wanted = false;
      this.push(null);
    }
    this.#peer.#goOn();
    this.#delivered();
  }

  /** Takes the first bytes on their way, in memory of their own, as if a system had read them. */
  #takePart(): Buffer {
    const [chunk] = this.#incoming as [Buffer];
    if (chunk.length <= this.#highWaterMark) return this.#incoming.shift()!;
    this.#incoming[0] = chunk.subarray(this.#highWaterMark);
    return Buffer.from(chunk.subarray(0, this.#highWaterMark));
  }

  /** Some of what was written has been read. */
  #goOn(): void {
    if (this.#writeDone === undefined || this.#peer.#incomingLength > this.#highWaterMark) return;
    const done = this.#writeDone;
    this.#writeDone = undefined;
    done();
  }
}

function systemError(syscall: string, code: string): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { syscall, code });
}
