/** Masking against the formula of RFC 6455 section 5.3, at every alignment, and the keys. */
import { describe, expect, test } from "vitest";
import { createMaskingKey, mask, maskCopy } from "../../../src/protocol/frames/mask.ts";
import { maskReadBuffer, readBuffer } from "../../../src/protocol/frames/mask-wasm.ts";

const key = 0x37fa213d;
const keyBytes = [0x37, 0xfa, 0x21, 0x3d];
const negativeKey = 0xfedcba98 | 0;

function sample(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 151 + 7) % 256);
}

function expected(
  bytes: Uint8Array,
  start: number,
  end: number,
  phase: number,
  by: readonly number[] = keyBytes,
): Uint8Array {
  return bytes.map((byte, i) => (i < start || i >= end ? byte : byte ^ by[(i - start + phase) % 4]!));
}

describe("mask", () => {
  test("agrees with the standard's own example [R6455-5.3-3 R6455-6.2-2]", () => {
    const bytes = Uint8Array.from([0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    mask(bytes, 0, 5, key, 0);
    expect(String.fromCharCode(...bytes)).toBe("Hello");
  });

  test("is the formula at every offset in memory, length and phase, and touches nothing beside [R6455-5.3-3]", () => {
    const lengths = [0, 1, 2, 3, 4, 5, 7, 8, 16, 125, 126, 127, 128, 129, 130, 131, 132, 143, 144, 145, 146, 147, 300];
    for (let byteOffset = 0; byteOffset < 5; byteOffset++) {
      for (let start = 0; start < 4; start++) {
        for (const length of lengths) {
          for (let phase = 0; phase < 4; phase++) {
            const bytes = new Uint8Array(new ArrayBuffer(byteOffset + 320), byteOffset, start + length + 9);
            bytes.set(sample(bytes.length));
            const wanted = expected(bytes, start, start + length, phase);
            mask(bytes, start, start + length, key, phase);
            if (!wanted.every((byte, i) => bytes[i] === byte)) {
              expect.fail(`offset ${byteOffset}, start ${start}, length ${length}, phase ${phase}`);
            }
          }
        }
      }
    }
  });

  test("takes any phase below 2^53, and a key whose top bit is set [R6455-5.3-3]", () => {
    for (const length of [5, 200]) {
      for (const phase of [2 ** 31 + 1, 2 ** 32 + 3, 2 ** 53 - 2]) {
        const bytes = sample(length);
        mask(bytes, 0, length, negativeKey, phase);
        expect(bytes).toEqual(expected(sample(length), 0, length, phase % 4, [0xfe, 0xdc, 0xba, 0x98]));
      }
    }
  });

  test("bit 7 of the result is clear only when every byte is ASCII, and never from 128 bytes on [R6455-5.6-1]", () => {
    for (let length = 0; length < 128; length++) {
      for (let at = 0; at < length; at += 1 + Math.floor(length / 8)) {
        const bytes = new Uint8Array(length).fill(0x41);
        bytes[at] = 0xc3;
        mask(bytes, 0, length, key, 0);
        expect(mask(bytes, 0, length, key, 0) & 0x80).toBe(0x80);
      }
      const ascii = new Uint8Array(length).fill(0x7f);
      mask(ascii, 0, length, key, 1);
      expect(mask(ascii, 0, length, key, 1) & 0x80).toBe(0);
    }
    const ascii = new Uint8Array(300);
    expect(mask(ascii, 100, 227, 0, 0) & 0x80).toBe(0);
    expect(mask(ascii, 100, 228, 0, 0) & 0x80).toBe(0x80);
  });
});

describe("mask in the buffer that sockets read into", () => {
  test("is the formula at every length and phase, with keys of either sign [R6455-5.3-3]", () => {
    expect(maskReadBuffer).toBeDefined();
    for (const [by, bytes] of [
      [key, keyBytes],
      [negativeKey, [0xfe, 0xdc, 0xba, 0x98]],
    ] as const) {
      for (const length of [0, 1, 2, 3, 4, 5, 31, 32, 33, 64, 130]) {
        for (const phase of [0, 1, 2, 3, 2 ** 32 + 3]) {
          const before = sample(length + 9);
          readBuffer.set(before);
          mask(readBuffer, 3, 3 + length, by, phase);
          const wanted = expected(before, 3, 3 + length, phase % 4, bytes);
          expect(Buffer.compare(readBuffer.subarray(0, before.length), wanted)).toBe(0);
        }
      }
    }
  });

  test("bit 7 of the result tells at any length whether every byte is ASCII [R6455-5.6-1]", () => {
    for (const length of [5, 200]) {
      for (const [wanted, character] of [
        [0x00, 0x7f],
        [0x80, 0x80],
      ] as const) {
        readBuffer.fill(0x41, 0, length);
        readBuffer[length - 1] = character;
        mask(readBuffer, 0, length, key, 0);
        expect(mask(readBuffer, 0, length, key, 0) & 0x80).toBe(wanted);
      }
    }
  });
});

describe("maskCopy", () => {
  test("masks into the target and leaves the source as it was [R6455-10.3-1]", () => {
    for (const length of [0, 3, 127, 128, 1000]) {
      const source = sample(length);
      const target = new Uint8Array(length + 8).fill(0xee);
      maskCopy(source, target, 5, key);
      expect(source).toEqual(sample(length));
      expect(target.subarray(5, 5 + length)).toEqual(expected(sample(length), 0, length, 0));
      expect([...target.subarray(0, 5), ...target.subarray(5 + length)]).toEqual(new Array(8).fill(0xee));
    }
  });
});

describe("createMaskingKey", () => {
  test("keys of a million calls repeat no more often than chance, and each bit is fair [R6455-5.3-2 R6455-10.3-1 D11 G97]", () => {
    const count = 1_000_000;
    const seen = new Set<number>();
    const ones = new Uint32Array(32);
    let kept = 0;
    let before = createMaskingKey();
    for (let i = 0; i < count; i++) {
      const next = createMaskingKey();
      if ((next | 0) !== next) expect.fail(`${next} is not a 32-bit integer`);
      seen.add(next);
      for (let bit = 0; bit < 32; bit++) ones[bit]! += (next >>> bit) & 1;
      if (next === before) kept++;
      before = next;
    }
    // About 116 repeats are expected among a million of 2^32; 250 and 6 standard deviations are out of reach by chance.
    expect(count - seen.size).toBeLessThan(250);
    expect(kept).toBeLessThan(3);
    for (const one of ones) expect(Math.abs(one - count / 2)).toBeLessThan(6 * Math.sqrt(count / 4));
  });
});
