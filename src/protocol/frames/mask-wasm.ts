/**
 * Masking in WebAssembly, RFC 6455 section 5.3, of bytes in the one buffer into which sockets read.
 *
 * 64 KiB take 1.5 µs here and 8 µs in JavaScript; 64 bytes take 11 ns and 35 ns (measured on Node 20). Where the
 * runtime has no WebAssembly with 128-bit SIMD, the buffer is an ordinary one and `maskReadBuffer` is undefined.
 */

import { allocateBytes, bytesOver } from "../runtime/memory.ts";
import { instantiate } from "../runtime/web-assembly.ts";
import { moduleBase64 } from "./mask-module.ts";

/** What the module of `kernels/mask/` exports; its source says what its functions do. */
interface Kernel {
  readonly mask: (at: number, end: number, key: number) => number;
  readonly unmaskPlain: (at: number, limit: number) => number;
  readonly memory: { readonly buffer: ArrayBuffer };
}

const kernel = instantiate<Kernel>(moduleBase64);

/** The buffer that sockets share for their reads. The next read of any of them overwrites its bytes. */
export const readBuffer: Uint8Array<ArrayBuffer> = kernel ? bytesOver(kernel.memory.buffer) : allocateBytes(256 * 1024);

/**
 * XORs a range of `readBuffer` with a key whose lowest byte comes first, and returns 0 if the result is ASCII;
 * undefined in a runtime without WebAssembly or its SIMD.
 */
export const maskReadBuffer: Kernel["mask"] | undefined = kernel?.mask;

/**
 * Unmasks the payloads of the plain frames of `readBuffer` from `at` on: whole text or binary messages, masked, with a
 * length of 7 bits, that end before `limit`. Returns the end of the last one, with bit 31 set if a byte of their text is
 * not ASCII; undefined where `maskReadBuffer` is.
 */
export const unmaskPlain: Kernel["unmaskPlain"] | undefined = kernel?.unmaskPlain;
