/**
 * A socket that is the connection's alone: it reads into a buffer that many share and, without TLS, is written to past its
 * stream. Where the runtime has not what that takes, and after `becomeStream`, it is an ordinary stream.
 */

import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Written } from "../transport.ts";
import {
  canWriteDirectly,
  type DirectWriter,
  directWriteError,
  hasHandle,
  waitingIn,
  writeDirectly,
} from "./direct-writes.ts";
import { shareReads, unshareReads } from "./shared-reads.ts";
import { StreamSocket } from "./stream-socket.ts";
import { transportOf } from "./stream-transport.ts";

/** See the head of this file. */
export class NetSocket extends StreamSocket implements DirectWriter {
  /** Whether writes go past the stream; undefined until `listen` finds out. */
  #direct: boolean | undefined;
  /**
   * Whether all that was written went past the stream, which the peer's end does not end either: its handle alone then says
   * whether more can be written. Each other object that is asked is cold where there are many (a tenth of a delivery of 64
   * bytes to each of 1000, measured).
   */
  #alone = false;
  /** Bytes that a direct write left waiting; the handle knows them no more once the socket is closed. */
  #behind = 0;

  override hearBytes(): void {
    const mayBypass = this.#direct === undefined;
    this.#direct = mayBypass && canWriteDirectly(this.stream);
    if (!mayBypass || !shareReads(this.stream, onSharedRead)) super.hearBytes();
  }

  /** A socket that is destroyed is not writable, and has no handle. */
  override get writable(): boolean {
    return this.#alone ? hasHandle(this.stream) : this.stream.writable;
  }

  override write(bytes: Uint8Array | Uint8Array[], tell: boolean): Written {
    const { stream } = this;
    const bypasses = this.#direct && (this.#alone || stream.writableLength === 0);
    const outcome = bypasses ? writeDirectly(stream, bytes, this) : "refused";
    this.#alone = outcome !== "refused" && stream.allowHalfOpen;
    if (outcome === "left") return "left";
    if (outcome === "refused") {
      // Somebody else has ended the stream while its handle was asked in its place: nothing leaves any more.
      if (bypasses && !stream.writable) return "full";
      // What fails is left to the stream to report.
      return super.write(bytes, tell);
    }
    this.#behind = waitingIn(stream)!;
    return "full";
  }

  writeCompleted(status: number): void {
    if (this.stream.destroyed) return;
    this.#behind = 0;
    if (status === 0) this.listener.transportDrained();
    else this.stream.destroy(directWriteError(status));
  }

  override get waiting(): number {
    const direct = this.#behind === 0 ? 0 : (waitingIn(this.stream) ?? this.#behind);
    return this.#alone ? direct : this.stream.writableLength + direct;
  }

  override get keepsPieces(): boolean {
    return this.#direct === true;
  }

  override end(): void {
    this.#alone = false;
    super.end();
  }

  override becomeStream(): Socket {
    this.#direct = this.#alone = false;
    if (unshareReads(this.stream)) super.hearBytes();
    return this.stream;
  }
}

function onSharedRead(this: Socket, length: number, buffer: Buffer): boolean {
  transportOf(this).listener.received(buffer, true, length);
  return true;
}
