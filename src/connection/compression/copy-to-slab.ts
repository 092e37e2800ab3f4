/**
 * Memory for what is compressed, so that a short payload does not keep a large buffer alive until its frame is written.
 *
 * Short copies of all connections lie in one `ArrayBuffer`: nothing that an application is handed may come from here
 * (fault D21).
 */

const slabSize = 16 * 1024;
const longestShared = slabSize / 8;
let slab = new ArrayBuffer(0);
let slabUsed = 0;

/** Returns memory for a compressed payload; up to 2 KiB beside that of others. */
export function allocateInSlab(length: number): Uint8Array {
  if (length > longestShared) return new Uint8Array(length);
  if (slabUsed + length > slab.byteLength) {
    slab = new ArrayBuffer(slabSize);
    slabUsed = 0;
  }
  slabUsed += length;
  return new Uint8Array(slab, slabUsed - length, length);
}

/** Copies the bytes of a compressed payload; up to 2 KiB beside those of others. */
export function copyToSlab(bytes: Uint8Array): Uint8Array {
  const copy = allocateInSlab(bytes.length);
  copy.set(bytes);
  return copy;
}
