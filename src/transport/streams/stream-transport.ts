/**
 * What the transports over a stream of Node have in common: they hear its events, and write to it as to any stream.
 *
 * The same functions listen to all streams and find the transport as a property of the stream, so that a connection that
 * idles holds no closure for any of them.
 */

import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Transport, TransportListener, Written } from "../transport.ts";

/** Where a stream has its transport. */
const transportKey = Symbol("transport");

type HeardStream = Duplex & { [transportKey]?: StreamTransport };

/** The transport that listens to a stream. */
export function transportOf(stream: Duplex): StreamTransport {
  return (stream as HeardStream)[transportKey]!;
}

/** See the head of this file; subclasses say how bytes are heard. */
export abstract class StreamTransport<Stream extends Duplex = Duplex> implements Transport {
  readonly stream: Stream;
  /** Set by `listen`, before anything is heard. */
  listener!: TransportListener;

  constructor(stream: Stream) {
    this.stream = stream;
  }

  listen(listener: TransportListener): void {
    const { stream } = this;
    this.listener = listener;
    (stream as HeardStream)[transportKey] = this;
    this.hearBytes();
    stream.on("end", onEnd);
    stream.on("error", onError);
    stream.on("close", onClose);
  }

  /** Begins to hear bytes, once reading is turned on. */
  abstract hearBytes(): void;

  /** The stream says that it is closed. */
  streamClosed(): void {
    this.listener.transportClosed();
  }

  get writable(): boolean {
    return this.stream.writable && !this.stream.destroyed;
  }

  get ended(): boolean {
    return this.stream.writableEnded;
  }

  get peerEnded(): boolean {
    return this.stream.readableEnded;
  }

  get destroyed(): boolean {
    return this.stream.destroyed;
  }

  write(bytes: Uint8Array | Uint8Array[], tell: boolean): Written {
    const { stream } = this;
    if (Array.isArray(bytes)) {
      stream.cork();
      for (const piece of bytes) this.#writePiece(piece, tell);
      stream.uncork();
    } else {
      this.#writePiece(bytes, tell);
    }
    if (stream.writableLength === 0) return "left";
    if (!stream.writableNeedDrain) return "taken";
    stream.on("drain", onDrain);
    return "full";
  }

  #writePiece(piece: Uint8Array, tell: boolean): void {
    const { stream } = this;
    if (!tell) {
      stream.write(piece);
      return;
    }
    // Below the stream's own mark it emits no `drain`.
    stream.write(piece, (error) => {
      if (!error && !stream.writableNeedDrain) this.listener.transportDrained();
    });
  }

  get waiting(): number {
    return this.stream.writableLength;
  }

  get backlog(): number {
    return this.stream.writableLength;
  }

  abstract get bytesReceived(): number;

  get readsAtOnce(): boolean {
    return false;
  }

  get mayLeaveAtOnce(): boolean {
    return true;
  }

  get keepsPieces(): boolean {
    return false;
  }

  /** Another stream may hand on what was written to it. */
  get givesBack(): boolean {
    return false;
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  end(): void {
    this.stream.end();
  }

  destroy(): void {
    this.stream.destroy();
  }

  reset(): void {
    try {
      socketOf(this.stream).resetAndDestroy!();
    } catch {
      // It is no socket, or one that knows no reset: of TLS, of Unix.
      this.destroy();
    }
  }

  unref(): void {
    socketOf(this.stream).unref?.();
  }

  get remoteAddress(): string | undefined {
    return socketOf(this.stream).remoteAddress;
  }

  get remotePort(): number | undefined {
    return socketOf(this.stream).remotePort;
  }

  get localAddress(): string | undefined {
    return socketOf(this.stream).localAddress;
  }

  get localPort(): number | undefined {
    return socketOf(this.stream).localPort;
  }

  becomeStream(): Duplex {
    return this.stream;
  }
}

/** The stream as the socket that it may be. */
function socketOf(stream: Duplex): Partial<Socket> {
  return stream as unknown as Partial<Socket>;
}

/** Chunks of a socket are the listener's own. */
export function onOwnData(this: Duplex, chunk: Buffer): void {
  transportOf(this).listener.received(chunk, false, chunk.length);
}

function onEnd(this: Duplex): void {
  transportOf(this).listener.receivedEnd();
}

function onDrain(this: Duplex): void {
  this.off("drain", onDrain);
  transportOf(this).listener.transportDrained();
}

/** Most streams destroy themselves then; not one that was made not to, and not one whose user emits the event. */
function onError(this: Duplex, error: Error): void {
  transportOf(this).listener.transportFailed(error);
  this.destroy();
}

function onClose(this: Duplex): void {
  transportOf(this).streamClosed();
}
