/**
 * The bytes that an endpoint wants to send, gathered until they are taken.
 *
 * Small frames are written one behind the other into a slab, so that a burst of them leaves in one write; long
 * payloads are kept as they are, so that they are never copied. Slabs come from a pool that all endpoints share: a
 * connection holds one only while it has output, and gives it back when its bytes have left. No head of a frame is ever
 * taken without its payload, whatever the caller does with the memory of that (fault D22).
 */

import { allocateBytes, copyBytes } from "../runtime/memory.ts";

/** Room for a payload of 64 KiB and many small frames besides. */
export const slabSize: number = 66 * 1024;
const slabsKept = 32;
const pool: Uint8Array[] = [];
const none: Uint8Array = allocateBytes(0);
const buffersKept = 32;
const buffers: OutputBuffer[] = [];

/** One that is as new, whoever had it before. */
export function takeOutput(): OutputBuffer {
  return buffers.pop() ?? new OutputBuffer();
}

/** Takes back one that is as new. */
export function giveOutput(output: OutputBuffer): void {
  if (buffers.length < buffersKept) buffers.push(output);
}

/** Gathers output; `slab` and `position` are for the frame encoder, which writes after `reserve`. */
export class OutputBuffer {
  slab: Uint8Array = none;
  /** Where the next byte of the slab goes. */
  position = 0;
  /** Where the bytes of the slab begin that are in no piece yet. */
  #from = 0;
  #pieces: Uint8Array[] = [];
  #piecesLength = 0;
  /** Bytes gathered that others hold as well. */
  sharedLength = 0;
  /** Whole messages gathered. */
  messages = 0;
  /** The pieces in memory of callers, with their lengths when they were gathered. */
  #referred: { readonly index: number; readonly length: number }[] = [];
  /** Slabs whose bytes are in pieces. */
  #filled: Uint8Array[] = [];
  /** Whether pieces were taken of which nobody has said yet what became of them: their slabs must stay untouched. */
  #inFlight = false;
  /** Whether what was taken last left at once: if not, small output is copied out of its slab. */
  #leavesAtOnce = true;

  /** Bytes gathered and not taken. */
  get length(): number {
    return this.#piecesLength + this.position - this.#from;
  }

  /** Whether it holds nothing, and knows nothing of its transport that a new one would not. */
  get asNew(): boolean {
    return this.length === 0 && this.slab === none && !this.#inFlight && this.#leavesAtOnce;
  }

  /** Whether some of it lies in memory of callers. */
  get refers(): boolean {
    return this.#referred.length > 0;
  }

  /** Makes room for `length` bytes (at most `slabSize`) in one piece, and returns where they go in `slab`. */
  reserve(length: number): number {
    if (this.slab.length - this.position < length) this.#nextSlab();
    return this.position;
  }

  /** Adds bytes of a caller, who may do with them what he likes after the next `take` has left. */
  refer(bytes: Uint8Array): void {
    this.append(bytes);
    this.#referred.push({ index: this.#pieces.length - 1, length: bytes.length });
  }

  /** Adds bytes that nobody changes any more; `shared` when others hold them too. */
  append(bytes: Uint8Array, shared = false): void {
    this.#cutPiece();
    if (shared) this.sharedLength += bytes.length;
    this.#pieces.push(bytes);
    this.#piecesLength += bytes.length;
  }

  /**
   * Everything gathered, in order; the caller says with `taken` what became of it. With `copied`, nothing of it lies in
   * memory of callers.
   *
   * Throws, and takes nothing, when a caller has given such memory away or made it shorter.
   */
  take(copied = false): Uint8Array[] {
    if (this.#referred.length > 0) this.#settleReferred(copied);
    const only = this.#pieces.length === 0 && !this.#leavesAtOnce && this.length < slabSize / 4;
    this.#cutPiece();
    const pieces = this.#pieces;
    this.#forgetPieces();
    if (only && pieces.length === 1) {
      pieces[0] = copyBytes(pieces[0]!);
      this.#recycle();
    } else if (pieces.length > 0) {
      this.#inFlight = true;
    }
    return pieces;
  }

  /**
   * Says whether all that was taken has left already, so that its memory can be used again.
   *
   * What was gathered since the take, by a transport that answers while it is written to, stays.
   */
  taken(left: boolean): void {
    this.#leavesAtOnce = left;
    this.#inFlight = false;
    if (!left) {
      this.#cutPiece();
      this.#dropSlabs();
    } else if (this.length === 0) {
      this.#recycle();
    }
  }

  /** Forgets what was gathered. */
  clear(): void {
    this.#forgetPieces();
    this.#recycle();
  }

  #forgetPieces(): void {
    this.#pieces = [];
    this.#piecesLength = 0;
    this.sharedLength = 0;
    this.messages = 0;
    if (this.#referred.length > 0) this.#referred = [];
  }

  #settleReferred(copied: boolean): void {
    for (const { index, length } of this.#referred) {
      const piece = this.#pieces[index]!;
      if (piece.length !== length) {
        throw new Error("Cannot send: the memory of a message was given away or made shorter before it had left");
      }
      if (copied) this.#pieces[index] = copyBytes(piece);
    }
  }

  #nextSlab(): void {
    this.#cutPiece();
    if (this.slab !== none) this.#filled.push(this.slab);
    this.slab = pool.pop() ?? allocateBytes(slabSize);
    this.position = this.#from = 0;
  }

  #cutPiece(): void {
    if (this.position === this.#from) return;
    this.#pieces.push(this.slab.subarray(this.#from, this.position));
    this.#piecesLength += this.position - this.#from;
    this.#from = this.position;
  }

  #recycle(): void {
    if (!this.#inFlight) {
      if (this.slab !== none && pool.length < slabsKept) pool.push(this.slab);
      if (this.#filled.length > 0) pool.push(...this.#filled.slice(0, slabsKept - pool.length));
    }
    this.#dropSlabs();
  }

  #dropSlabs(): void {
    this.slab = none;
    this.position = this.#from = 0;
    if (this.#filled.length > 0) this.#filled = [];
  }
}
