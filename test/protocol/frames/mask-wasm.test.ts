/** Unmasking in the shared buffer against the formula of RFC 6455 section 5.3, and what is there without WebAssembly. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { maskReadBuffer, readBuffer } from "../../../src/protocol/frames/mask-wasm.ts";

/** The same bytes as a Buffer. */
const reads = Buffer.from(readBuffer.buffer);
const lengths = [0, 1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 95, 96, 97, 130];

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

/** Fills the buffer's first bytes, XORs `[at, at + length)`, and returns what it said. */
function run(fill: (index: number) => number, at: number, length: number, key: readonly number[]): number {
  for (let i = 0; i < 256; i++) readBuffer[i] = fill(i);
  return maskReadBuffer!(at, at + length, Buffer.from(key).readInt32LE());
}

describe("the kernel", () => {
  const key = [0x37, 0xfa, 0x21, 0xbd];

  test("is the formula at every offset and length, and touches nothing beside [R6455-5.3-3]", () => {
    for (let at = 0; at < 5; at++) {
      for (const length of lengths) {
        run((index) => index, at, length, key);
        const wanted = Uint8Array.from({ length: 256 }, (_, i) =>
          i < at || i >= at + length ? i : i ^ key[(i - at) % 4]!,
        );
        expect(reads.subarray(0, 256).equals(wanted)).toBe(true);
      }
    }
  });

  test("reaches the buffer's last byte, and no further [R6455-5.3-3]", () => {
    readBuffer.fill(0x41, readBuffer.length - 40);
    maskReadBuffer!(readBuffer.length - 35, readBuffer.length, 0x01010101);
    expect(reads.toString("latin1", reads.length - 40)).toBe("A".repeat(5) + "@".repeat(35));
    expect(() => maskReadBuffer!(readBuffer.length - 1, readBuffer.length + 1, 1)).toThrow("out of bounds");
  });

  test("returns 0 only when every byte of the result is ASCII [R6455-5.6-1]", () => {
    const ascii = [0x01, 0x02, 0x04, 0x7f];
    for (const length of lengths) {
      expect(run(() => 0x00, 3, length, ascii)).toBe(0);
      for (let at = 3; at < 3 + length; at++) {
        expect(run((index) => (index === at ? 0x80 : 0), 3, length, ascii)).not.toBe(0);
      }
    }
    expect(run((index) => (index === 2 || index === 36 ? 0x80 : 0), 3, 33, ascii)).toBe(0);
  });
});

describe("without WebAssembly", () => {
  test("the buffer is an ordinary one of the same length, and masking is left to JavaScript", async () => {
    vi.stubGlobal("WebAssembly", undefined);
    vi.resetModules();
    const without = await import("../../../src/protocol/frames/mask-wasm.ts");
    expect(without.maskReadBuffer).toBeUndefined();
    expect(without.readBuffer).toHaveLength(readBuffer.length);
    const { mask } = await import("../../../src/protocol/frames/mask.ts");
    without.readBuffer.set([0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    expect(mask(without.readBuffer, 0, 5, 0x37fa213d, 0) & 0x80).toBe(0);
    expect(String.fromCharCode(...without.readBuffer.subarray(0, 5))).toBe("Hello");
  });
});
