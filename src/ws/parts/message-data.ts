/**
 * Messages in the forms in which `ws` hands them over, and in those that it takes.
 */

import { Buffer } from "node:buffer";
import { messageCame } from "../../connection/receiving/gc-hints.ts";
import { readBuffer } from "../../protocol/frames/mask-wasm.ts";
import { asBuffer, emptyBuffer, toPayload } from "./buffers.ts";

/** A message as it is received; text as well, see `isBinary`. */
export type RawData = Buffer | ArrayBuffer | Buffer[];

/** A message as events tell it: text as a string. */
export type Data = string | RawData;

/** The form in which binary messages are handed over. */
export type BinaryType = "nodebuffer" | "arraybuffer" | "fragments" | "blob";

/** The names of all forms. */
export const binaryTypes: readonly BinaryType[] = ["nodebuffer", "arraybuffer", "fragments", "blob"];

/** Up to this length a copy costs less than a view: V8 would first have to make an ArrayBuffer for the bytes. */
const shortCopy = 64;

/**
 * Copies of these lengths lie beside each other, in pieces of memory that are as long as what `ws` reads at once, of
 * which its messages are views: memory of its own for each would cost as much as the copy (measured at 16 KiB).
 */
const shortestInSlab = 4 * 1024;
const longestInSlab = 32 * 1024;
const slabSize = 64 * 1024;
let slab = emptyBuffer;
let slabUsed = 0;

/**
 * Returns a received message as a Buffer that stays as it is. Bytes that are only lent are copied, small ones into
 * memory that they share with other small ones, as Node does it itself.
 */
export function ownBuffer(data: Uint8Array): Buffer {
  const { length } = data;
  if (length === 0) return emptyBuffer;
  if (length > shortCopy && data.buffer !== readBuffer.buffer) return asBuffer(data);
  const own = length > shortestInSlab && length <= longestInSlab ? allocateInSlab(length) : Buffer.allocUnsafe(length);
  own.set(data);
  messageCame(own);
  return own;
}

function allocateInSlab(length: number): Buffer {
  if (slabUsed + length > slab.length) {
    slab = Buffer.allocUnsafeSlow(slabSize);
    slabUsed = 0;
  }
  slabUsed += length;
  return slab.subarray(slabUsed - length, slabUsed);
}

/** Returns a binary message in a form. */
export function inForm(data: Uint8Array, form: BinaryType): RawData | Blob {
  switch (form) {
    case "arraybuffer":
      return exactMemory(data);
    case "fragments":
      return data.length === 0 ? [] : [ownBuffer(data)];
    case "blob":
      return new Blob([ownBuffer(data)]);
    default:
      return ownBuffer(data);
  }
}

function exactMemory(data: Uint8Array): ArrayBuffer {
  const { buffer, byteOffset, length } = data;
  if (buffer !== readBuffer.buffer && byteOffset === 0 && length === buffer.byteLength) return buffer as ArrayBuffer;
  return buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer;
}

/**
 * Returns what is to be sent as text, bytes or a Blob: a number as its digits, what is empty or missing as no bytes, and
 * everything else as `Buffer.from` has it. Throws a TypeError for what that does not take.
 */
export function outgoing(data: unknown): string | Buffer | Blob {
  if (typeof data === "string") return data;
  if (data instanceof Uint8Array) return asBuffer(data);
  if (typeof data === "number") return String(data);
  return data ? toPayload(data).data : emptyBuffer;
}

/** Returns how many bytes data takes. */
export function lengthOf(data: string | Buffer | Blob): number {
  if (typeof data === "string") return Buffer.byteLength(data);
  return data instanceof Blob ? data.size : data.length;
}
