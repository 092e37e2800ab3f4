/**
 * The seam between a connection and whatever carries its bytes: one connection speaks to one transport.
 *
 * Bytes received are the listener's, to change and to keep, from the call of `received` on. A borrowed chunk is the
 * listener's only until that call returns; its memory is overwritten by a later read, perhaps of another transport.
 *
 * Bytes written are the transport's until they have left: `write` says "left" where that is at once, and then their memory
 * is the caller's again. After "full" nothing more may be written until `transportDrained`. Order is kept, `end` included.
 *
 * `listen` comes once and before every other call but the getters, with `resume` or `pause` in the same turn. A transport
 * that has ended or is destroyed by then shows it (`peerEnded`, `destroyed`) and may say so no more. Each method may be
 * called from inside each call of the listener, also `destroy`, and none of them throws. Inside a method the listener may
 * hear `received`, from a transport that answers at once, and nothing else.
 *
 * The last calls come in this order: `received` any number of times, at most one `receivedEnd`, at most one
 * `transportFailed`, and exactly one `transportClosed`, in a turn or tick of its own; after a failure or a `destroy` nothing
 * is received. A transport whose sides have both ended closes by itself; until then each side ends alone, as in TCP.
 */

import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";

/** What a connection hears of its transport. */
export interface TransportListener {
  /** The first `length` bytes of the chunk came. A borrowed chunk is only lent until the call returns. */
  received(chunk: Buffer, borrowed: boolean, length: number): void;
  /** The peer sends nothing more, and all that it sent was received. */
  receivedEnd(): void;
  /** Bytes may be written again after "full", or, where `tell` asked for it, some have left. */
  transportDrained(): void;
  /** The transport broke, with the reason as the system or the stream gave it. */
  transportFailed(error: Error): void;
  /** The transport is gone; the last call. */
  transportClosed(): void;
}

/**
 * What became of bytes that were written. "left": none of them waits. "taken": some wait, and more may follow. "full": some
 * wait, and nothing may follow before `transportDrained`.
 */
export type Written = "left" | "taken" | "full";

/** What a connection may do with its transport; see the head of this file. */
export interface Transport {
  /** Tells `listener` of all that happens from now on. */
  listen(listener: TransportListener): void;

  /** Whether bytes may be written: neither `end` nor `destroy` was called, nor has it broken. */
  readonly writable: boolean;
  /** Whether `end` was called. */
  readonly ended: boolean;
  /** Whether the peer's end was received. */
  readonly peerEnded: boolean;
  /** Whether it was destroyed, or has broken. */
  readonly destroyed: boolean;

  /** Writes one piece, or several as one write; with `tell` the listener hears of room also after "taken". */
  write(bytes: Uint8Array | Uint8Array[], tell: boolean): Written;
  /** Bytes that were written and have not left the process. */
  readonly waiting: number;
  /**
   * A figure that falls whenever a byte leaves any layer of the transport, for deadlines: within one large write `waiting`
   * may stand still. Writing adds to it.
   */
  readonly backlog: number;
  /** Bytes received so far, for deadlines. */
  readonly bytesReceived: number;
  /** Whether a write reads all that does not wait before it returns, so that the bytes may be a caller's. */
  readonly readsAtOnce: boolean;
  /** Whether a write may say "left": not over TLS, where what is encrypted leaves later. */
  readonly mayLeaveAtOnce: boolean;
  /** Whether bytes that wait lie in the memory they were written from, not in a copy. */
  readonly keepsPieces: boolean;
  /** Whether the memory of what was written is the caller's again as soon as nothing waits. */
  readonly givesBack: boolean;

  /** Receives nothing until `resume`; what has arrived stays with the transport and holds back the peer. */
  pause(): void;
  /** Receives what arrives. */
  resume(): void;
  /** Ends this side behind what was written. */
  end(): void;
  /** Gives up both sides; what waits is lost. */
  destroy(): void;
  /** Gives up both sides and says so to the peer, by RST or, where the transport has such, by a code of its own. */
  reset(code?: number): void;
  /** Lets the process end although the transport is open. */
  unref(): void;

  /** The IP address of the other end; undefined where there is none, or it is no longer known. */
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;

  /**
   * Becomes an ordinary stream, while it is open: others may from now on listen and write to it as to any stream, and the
   * listener goes on hearing what comes. What is received is then at most the listener's own copy, never borrowed.
   */
  becomeStream(): Duplex;
}
