/**
 * Bytes from the runtime's cryptographic source, as RFC 6455 section 10.3 asks for masking keys.
 */

import { nodeCrypto } from "./natives.ts";

/** Fills an array of at most 64 KiB with random bytes. */
export const fillRandom: (target: Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>) => unknown =
  nodeCrypto?.randomFillSync ?? ((target) => crypto.getRandomValues(target));
