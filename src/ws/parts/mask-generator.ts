/** Masking keys that users of `ws` make themselves. */

import { Buffer } from "node:buffer";

/** Fills a Buffer of four bytes with the key that masks one frame. */
export type MaskGenerator = (mask: Buffer) => void;

const sharedBytes = Buffer.alloc(4);

/** Returns the key that a function generates, in the Buffer that it is given. */
export function generateKey(generateMask: MaskGenerator, mask: Buffer = sharedBytes): number {
  generateMask(mask);
  return mask.readInt32BE();
}
