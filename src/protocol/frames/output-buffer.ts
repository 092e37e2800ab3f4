/**
 * The output of an endpoint: bytes that are gathered until they are taken.
 *
 * Small frames are written one behind the other into a slab, so that a burst of them leaves in one write. Long payloads
 * are not copied. Slabs come from a pool that all endpoints share: a connection holds one only while it has output, and
 * gives it back when its bytes have left. A header is never taken without its payload, even if the caller has given the
 * payload's memory away (fault D22).
 */

import { allocateBytes, copyBytes } from "../runtime/memory.ts";
import { createMaskingKey } from "./mask.ts";

/** The length of a slab in bytes: room for a payload of 64 KiB and for many small frames. */
export const slabSize: number = 66 * 1024;
/**
 * From this length on a frame has a slab of its own size where output waits: to copy it out of a common one costs as much
 * again. With the memory of the message, that is half of what TLS adds to an echo of 16 KiB.
 */
const leastOfItsOwn = 4096;
/** Slabs of frames of nearly the same length have the same. */
const ownStep = 1024;
const slabsKept = 32;
const pool: Uint8Array[] = [];
/** Slabs of frames' own sizes by their length, and how many bytes they are at most. */
const ownPools = new Map<number, Uint8Array[]>();
const ownKept = 2 * 1024 * 1024;
/** From so many slabs on that one output has lent, those of further writes are not used again. */
const mostLent = 4;
let ownLength = 0;
const none: Uint8Array = allocateBytes(0);
/** The pieces of an output that has none. It is never written to: a list is made for the first piece, of just that length. */
const noPieces: Uint8Array[] = [];
const buffersKept = 32;
const buffers: OutputBuffer[] = [];

/** Returns an empty output, used before or new. */
export function takeOutput(): OutputBuffer {
  return buffers.pop() ?? new OutputBuffer();
}

/** Takes back an output for which `asNew` is true. */
export function giveOutput(output: OutputBuffer): void {
  if (buffers.length < buffersKept) buffers.push(output);
}

/** Gathers the output of one endpoint. The frame encoder writes to `slab` at `position`, after `reserve`. */
export class OutputBuffer {
  slab: Uint8Array = none;
  /** The index in the slab at which the next byte is written. */
  position = 0;
  /** The index in the slab of the first byte that is in no piece yet. */
  #from = 0;
  #pieces: Uint8Array[] = noPieces;
  #piecesLength = 0;
  /** Makes the keys of a client's frames. */
  maskingKey: () => number = createMaskingKey;
  /** The number of gathered bytes that other connections hold as well. */
  sharedLength = 0;
  /** The number of whole messages gathered. */
  messages = 0;
  /** The pieces in memory of callers, with the lengths that they had when they were gathered. */
  #referred: { readonly index: number; readonly length: number }[] = [];
  /** The full slabs, whose bytes are in pieces. */
  #filled: Uint8Array[] = [];
  /** The slabs of what waits in the transport, where it gives their memory back; undefined while there are none. */
  #lent: Uint8Array[] | undefined;
  /** Set between `take` and `taken`: the slabs of the pieces must stay untouched. */
  #inFlight = false;
  /** Whether the output that was taken last left at once. If not, small output is copied out of its slab. */
  #leavesAtOnce = true;

  /** The number of bytes gathered and not taken. */
  get length(): number {
    return this.#piecesLength + this.position - this.#from;
  }

  /**
   * Whether it differs in nothing from a new one: it is empty, nothing is in flight, and its transport takes all at
   * once.
   */
  get asNew(): boolean {
    return this.length === 0 && this.slab === none && !this.#inFlight && this.#leavesAtOnce && !this.lends;
  }

  /** Whether some of the output lies in memory of callers. */
  get refers(): boolean {
    return this.#referred.length > 0;
  }

  /**
   * Makes room for `length` bytes (at most `slabSize`) in one piece, and returns their index in `slab`. With `exact`, nearly
   * all of it will be written to.
   */
  reserve(length: number, exact = false): number {
    if (this.slab.length - this.position < length) this.#nextSlab(length, exact);
    return this.position;
  }

  /** Adds bytes of a caller, which must not change until they have left. */
  refer(bytes: Uint8Array): void {
    this.append(bytes);
    this.#referred.push({ index: this.#pieces.length - 1, length: bytes.length });
  }

  /** Adds bytes that do not change any more; `shared` if other connections hold them as well. */
  append(bytes: Uint8Array, shared = false): void {
    this.#cutPiece();
    if (shared) this.sharedLength += bytes.length;
    this.#addPiece(bytes);
  }

  /**
   * Returns everything gathered, in order; `taken` must follow. With `copied`, none of it lies in memory of callers; with
   * `waits`, it is known beforehand that it will not leave at once.
   *
   * Throws an Error, and takes nothing, if the memory of a caller was transferred or made shorter.
   */
  take(copied = false, waits = false): Uint8Array[] {
    if (this.#referred.length > 0) this.#settleReferred(copied);
    const small = this.slab.length === slabSize && this.length < slabSize / 4;
    const only = small && this.#pieces.length === 0 && (waits || !this.#leavesAtOnce);
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
   * Notes whether all that was taken has left already, so that its memory can be used again. Where it has not but `comesBack`,
   * `left` follows when it has.
   *
   * Output that was gathered since `take` stays: a transport may deliver a Ping while it is written to.
   */
  taken(left: boolean, comesBack = false): void {
    this.#leavesAtOnce = left;
    this.#inFlight = false;
    if (!left) {
      this.#cutPiece();
      if (comesBack && this.slab !== none && this.length === 0) this.#lend();
      this.#dropSlabs();
    } else if (this.length === 0) {
      this.#recycle();
    }
  }

  #lend(): void {
    this.#lent ??= [];
    if (this.#lent.length < mostLent) this.#lent.push(...this.#filled, this.slab);
  }

  /** All that was ever taken has left. */
  left(): void {
    if (this.#lent === undefined) return;
    for (const slab of this.#lent) giveSlab(slab);
    this.#lent = undefined;
  }

  /** Whether `left` is waited for. */
  get lends(): boolean {
    return this.#lent !== undefined;
  }

  /** Drops everything gathered. */
  clear(): void {
    this.#forgetPieces();
    this.#recycle();
  }

  #forgetPieces(): void {
    this.#pieces = noPieces;
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

  #nextSlab(length: number, exact: boolean): void {
    this.#cutPiece();
    if (this.slab !== none) this.#filled.push(this.slab);
    const ofItsOwn = exact && length >= leastOfItsOwn && !this.#leavesAtOnce;
    this.slab = ofItsOwn ? takeOwnSlab(length) : (pool.pop() ?? allocateBytes(slabSize));
    this.position = this.#from = 0;
  }

  #cutPiece(): void {
    if (this.position === this.#from) return;
    this.#addPiece(this.slab.subarray(this.#from, this.position));
    this.#from = this.position;
  }

  /** Most output is one piece: a list that may grow has room for 17, a fifth of what an echo of 64 bytes allocates. */
  #addPiece(bytes: Uint8Array): void {
    if (this.#pieces.length === 0) this.#pieces = [bytes];
    else this.#pieces.push(bytes);
    this.#piecesLength += bytes.length;
  }

  #recycle(): void {
    if (!this.#inFlight && this.slab !== none) {
      giveSlab(this.slab);
      if (this.#filled.length > 0) this.#filled.forEach(giveSlab);
    }
    this.#dropSlabs();
  }

  #dropSlabs(): void {
    this.slab = none;
    this.position = this.#from = 0;
    if (this.#filled.length > 0) this.#filled = [];
  }
}

function takeOwnSlab(length: number): Uint8Array {
  const rounded = Math.ceil(length / ownStep) * ownStep;
  const slab = ownPools.get(rounded)?.pop();
  if (slab === undefined) return allocateBytes(rounded);
  ownLength -= rounded;
  return slab;
}

function giveSlab(slab: Uint8Array): void {
  const { length } = slab;
  if (length === slabSize) {
    if (pool.length < slabsKept) pool.push(slab);
    return;
  }
  // Those of lengths that are sent no more would take the place of others.
  if (ownLength + length > ownKept) forgetOwnSlabs();
  const slabs = ownPools.get(length);
  if (slabs === undefined) ownPools.set(length, [slab]);
  else slabs.push(slab);
  ownLength += length;
}

function forgetOwnSlabs(): void {
  ownPools.clear();
  ownLength = 0;
}
