import { expect, test } from "vitest";
import { bytesOf } from "../../../src/client/whatwg/buffer-source.ts";

test("bytesOf takes the part of the memory that is viewed, and no shared or resizable memory", () => {
  const buffer = new Uint8Array([1, 2, 3]).buffer;
  expect([...bytesOf(buffer)]).toEqual([1, 2, 3]);
  expect([...bytesOf(new Uint8Array(buffer, 1, 2))]).toEqual([2, 3]);
  expect([...bytesOf(new DataView(buffer, 1, 1))]).toEqual([2]);
  expect(() => bytesOf(new Uint8Array(new SharedArrayBuffer(3)))).toThrow(TypeError);
  const views = [new Uint8Array(buffer, 1), new DataView(buffer, 1)];
  structuredClone(buffer, { transfer: [buffer] });
  expect([buffer, ...views].map((gone) => bytesOf(gone).length)).toEqual([0, 0, 0]);
});

test("bytesOf takes the bytes of a view, also when its own properties lie [D10]", () => {
  const { buffer } = new Uint8Array([1, 2, 3, 4]);
  const lies = { byteLength: { value: 4 }, length: { value: 4 }, byteOffset: { value: 0 } };
  const { buffer: other } = new Uint8Array([9, 9]);
  for (const view of [new Uint8Array(buffer, 1, 1), new DataView(buffer, 1, 1)]) {
    expect([...bytesOf(Object.defineProperties(view, lies))]).toEqual([2]);
    expect([...bytesOf(Object.defineProperty(view, "buffer", { value: other }))]).toEqual([2]);
  }
});
