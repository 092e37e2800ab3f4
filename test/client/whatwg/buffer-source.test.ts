import { expect, test } from "vitest";
import { isBufferSource, viewBufferSource } from "../../../src/client/whatwg/buffer-source.ts";

test("takes the part of the memory that is viewed, and no shared or resizable memory", () => {
  const buffer = new Uint8Array([1, 2, 3]).buffer;
  expect([...viewBufferSource(buffer)]).toEqual([1, 2, 3]);
  expect([...viewBufferSource(new Uint8Array(buffer, 1, 2))]).toEqual([2, 3]);
  expect([...viewBufferSource(new DataView(buffer, 1, 1))]).toEqual([2]);
  expect(() => viewBufferSource(new Uint8Array(new SharedArrayBuffer(3)))).toThrow(TypeError);
  const views = [new Uint8Array(buffer, 1), new DataView(buffer, 1)];
  structuredClone(buffer, { transfer: [buffer] });
  expect([buffer, ...views].map((gone) => viewBufferSource(gone).length)).toEqual([0, 0, 0]);
});

test("takes the bytes of a view, also when its own properties lie [D10]", () => {
  const { buffer } = new Uint8Array([1, 2, 3, 4]);
  const lies = { byteLength: { value: 4 }, length: { value: 4 }, byteOffset: { value: 0 } };
  const { buffer: other } = new Uint8Array([9, 9]);
  for (const view of [new Uint8Array(buffer, 1, 1), new DataView(buffer, 1, 1)]) {
    expect([...viewBufferSource(Object.defineProperties(view, lies))]).toEqual([2]);
    expect([...viewBufferSource(Object.defineProperty(view, "buffer", { value: other }))]).toEqual([2]);
  }
});

test("refuses shared memory and memory that can be resized, also when its properties lie [D10]", () => {
  for (const view of [new Uint8Array(new SharedArrayBuffer(3)), new DataView(new SharedArrayBuffer(3))]) {
    expect(() => viewBufferSource(view)).toThrow("the memory is shared");
  }
  const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer;
  const resizable = Object.defineProperty(new Resizable(2, { maxByteLength: 4 }), "resizable", { value: false });
  for (const source of [resizable, new Uint8Array(resizable)]) {
    expect(() => viewBufferSource(source)).toThrow("the buffer can be resized");
  }
});

test("tells a BufferSource from all else", () => {
  const sources = [
    new ArrayBuffer(1),
    new Uint16Array(1),
    new DataView(new ArrayBuffer(1)),
    new Uint8Array(new SharedArrayBuffer(1)),
  ];
  expect(sources.map(isBufferSource)).toEqual([true, true, true, true]);
  expect([new SharedArrayBuffer(1), "a", null, [1], { byteLength: 1 }].map(isBufferSource)).toEqual(
    Array(5).fill(false),
  );
});
