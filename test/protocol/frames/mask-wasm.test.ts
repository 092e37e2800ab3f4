/** Unmasking in the shared buffer against the formula of RFC 6455 section 5.3, and what is there without WebAssembly. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { maskReadBuffer, readBuffer, unmaskPlain } from "../../../src/protocol/frames/mask-wasm.ts";
import { buildFrame, testKey, type WireFrame } from "../../support/wire.ts";

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
    expect(() => maskReadBuffer!(readBuffer.length - 1, readBuffer.length + 1, 1)).toThrow(/out of bounds/i);
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

describe("plain frames", () => {
  const masked = (frame: Omit<WireFrame, "key">): Buffer => buildFrame({ ...frame, key: testKey });
  const plain = masked({ opcode: 2, payload: "bytes" });

  /** Puts the frames at `at`, and returns how many bytes of them were found plain, and whether their text is ASCII. */
  function find(frames: readonly Buffer[], at = 0): { length: number; ascii: boolean } {
    const wire = Buffer.concat(frames);
    readBuffer.set(wire, at);
    const found = unmaskPlain!(at, at + wire.length);
    return { length: (found & 0x7fffffff) - at, ascii: found >= 0 };
  }

  test("are unmasked whatever their length, up to the last one that is whole [R6455-5.2-1 R6455-5.3-3]", () => {
    const payloads = Array.from({ length: 126 }, (_, length) => "abcdefg".repeat(18).slice(0, length));
    const frames = payloads.map((payload) => masked({ opcode: 1, payload }));
    for (const at of [0, 1, 2, 3, 5]) {
      const { length } = Buffer.concat(frames);
      expect(find([...frames, plain.subarray(0, -1)], at)).toEqual({ length, ascii: true });
      let position = at;
      for (const payload of payloads) {
        expect(reads.toString("latin1", position + 6, position + 6 + payload.length)).toBe(payload);
        position += 6 + payload.length;
      }
      expect(reads.subarray(position, position + plain.length - 1).equals(plain.subarray(0, -1))).toBe(true);
    }
  });

  test.each<[string, Buffer]>([
    ["is a fragment", masked({ opcode: 1, fin: false, payload: "a" })],
    ["goes on a message", masked({ opcode: 0, payload: "a" })],
    ["is compressed", masked({ opcode: 2, rsv: 4, payload: "a" })],
    ["has a reserved bit", masked({ opcode: 1, rsv: 1, payload: "a" })],
    ["has a reserved opcode", masked({ opcode: 3, payload: "a" })],
    ["is a Ping", masked({ opcode: 9, payload: "a" })],
    ["is a Close", masked({ opcode: 8 })],
    ["is not masked", buildFrame({ opcode: 1, payload: "a" })],
    ["has 16 bits of length", masked({ opcode: 1, payload: "a".repeat(126) })],
    ["has 64 bits of length", masked({ opcode: 1, payload: "a", lengthBits: 64 })],
  ])("end before a frame that %s, which is left as it came [R6455-5.2-1]", (_, other) => {
    expect(find([plain, other, plain])).toEqual({ length: plain.length, ascii: true });
    expect(reads.subarray(plain.length, plain.length + other.length).equals(other)).toBe(true);
    expect(find([other, plain])).toEqual({ length: 0, ascii: true });
  });

  test("are ASCII unless a byte of their text is not [R6455-5.6-1]", () => {
    const binary = masked({ opcode: 2, payload: Buffer.of(0xff) });
    expect(find([plain, binary, masked({ opcode: 1, payload: "a" })]).ascii).toBe(true);
    for (const payload of ["é", `${"a".repeat(64)}é`, `${"a".repeat(30)}é${"a".repeat(40)}`]) {
      expect(find([plain, masked({ opcode: 1, payload }), plain]).ascii).toBe(false);
    }
  });

  test("end with the buffer [R6455-5.2-1]", () => {
    const at = readBuffer.length - plain.length;
    expect(find([plain], at)).toEqual({ length: plain.length, ascii: true });
    for (let rest = 1; rest < plain.length; rest++) {
      expect(find([plain.subarray(0, rest)], readBuffer.length - rest)).toEqual({ length: 0, ascii: true });
    }
  });
});

describe("without WebAssembly", () => {
  test("the buffer is an ordinary one of the same length, and masking is left to JavaScript", async () => {
    vi.stubGlobal("WebAssembly", undefined);
    vi.resetModules();
    const without = await import("../../../src/protocol/frames/mask-wasm.ts");
    expect([without.maskReadBuffer, without.unmaskPlain]).toEqual([undefined, undefined]);
    expect(without.readBuffer).toHaveLength(readBuffer.length);
    const { mask } = await import("../../../src/protocol/frames/mask.ts");
    without.readBuffer.set([0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    expect(mask(without.readBuffer, 0, 5, 0x37fa213d, 0) & 0x80).toBe(0);
    expect(String.fromCharCode(...without.readBuffer.subarray(0, 5))).toBe("Hello");
  });
});
