/** Messages as they are handed over and taken. */

import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { readBuffer } from "../../../src/protocol/frames/mask-wasm.ts";
import { inForm, lengthOf, outgoing, ownBuffer } from "../../../src/ws/parts/message-data.ts";

/** Bytes that are only lent: they lie where sockets read. */
function lent(length: number, fill: number): Uint8Array {
  return readBuffer.subarray(100, 100 + length).fill(fill);
}

test("what is lent is copied, whatever its length", () => {
  const lengths = [0, 1, 64, 65, 4096, 4097, 16_384, 32_768, 32_769, 65_536, 100_000];
  const own = lengths.map((length) => ownBuffer(lent(length, 1)));
  lent(100_000, 2);
  for (const [index, length] of lengths.entries()) {
    expect(Buffer.isBuffer(own[index])).toBe(true);
    expect(own[index]!.equals(Buffer.alloc(length, 1))).toBe(true);
  }
});

test("long copies lie beside each other, and never over each other", () => {
  const own = Array.from({ length: 40 }, (_, index) => ownBuffer(lent(5000 + index * 37, index)));
  for (const [index, buffer] of own.entries()) expect(buffer.every((byte) => byte === index)).toBe(true);
  expect(new Set(own.map(({ buffer }) => buffer)).size).toBeLessThan(10);
});

test("what is not lent is only viewed, where that is cheaper", () => {
  const bytes = new Uint8Array(100).fill(3);
  expect(ownBuffer(bytes).buffer).toBe(bytes.buffer);
  expect(inForm(bytes, "arraybuffer")).toBe(bytes.buffer);
});

test("a message in the memory of others comes alone as an ArrayBuffer", async () => {
  const bytes = lent(10, 4);
  for (const part of [bytes, new Uint8Array(bytes).subarray(2, 5)]) {
    const data = inForm(part, "arraybuffer") as ArrayBuffer;
    expect([data.byteLength, new Uint8Array(data).every((byte) => byte === 4)]).toEqual([part.length, true]);
  }
  expect(inForm(new Uint8Array(0), "fragments")).toEqual([]);
  expect(inForm(bytes, "fragments")).toEqual([Buffer.alloc(10, 4)]);
  const blob = inForm(bytes, "blob") as unknown as Blob;
  expect(Buffer.from(await blob.arrayBuffer())).toEqual(Buffer.alloc(10, 4));
});

test("what can be sent becomes text, bytes or a Blob, and has a length", () => {
  const blob = new Blob(["four"]);
  const taken = [
    "é",
    1.5,
    0,
    "",
    null,
    undefined,
    Buffer.of(1),
    new Uint16Array([1]),
    new ArrayBuffer(3),
    [1, 2],
    blob,
  ];
  expect(taken.map((data) => lengthOf(outgoing(data)))).toEqual([2, 3, 1, 0, 0, 0, 1, 2, 3, 2, 4]);
  expect(outgoing(blob)).toBe(blob);
  expect(() => outgoing({})).toThrow(TypeError);
});
