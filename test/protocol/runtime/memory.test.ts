/** Memory with Node's functions and without them. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import * as native from "../../../src/protocol/runtime/memory.ts";
import { withoutNatives } from "../../support/without-natives.ts";

const portable = await withoutNatives(() => import("../../../src/protocol/runtime/memory.ts"));

describe.each([
  ["native", native, Buffer],
  ["portable", portable, Uint8Array],
] as const)("%s", (_, memory, kind) => {
  test("allocates bytes that share their memory with nothing", () => {
    const bytes = memory.allocateBytes(10);
    expect(Object.getPrototypeOf(bytes)).toBe(kind.prototype);
    expect([bytes.length, bytes.buffer.byteLength]).toEqual([10, 10]);
  });

  test("shows an ArrayBuffer without copying it", () => {
    const buffer = new ArrayBuffer(4);
    const bytes = memory.bytesOver(buffer);
    expect(Object.getPrototypeOf(bytes)).toBe(kind.prototype);
    expect(bytes.buffer).toBe(buffer);
  });

  test("copies bytes, and leaves the copy alone when they change", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const copy = memory.copyBytes(bytes.subarray(1));
    bytes.fill(9);
    expect([...copy]).toEqual([2, 3]);
  });

  test("copies a range between arrays, and within one", () => {
    const target = Uint8Array.of(0, 0, 0, 0, 0);
    memory.copyRange(Uint8Array.of(1, 2, 3, 4), 1, 3, target, 2);
    expect([...target]).toEqual([0, 0, 2, 3, 0]);
    memory.copyRange(target, 2, 5, target, 1);
    expect([...target]).toEqual([0, 2, 3, 0, 0]);
    memory.copyRange(target, 2, 2, target, 0);
    expect([...target]).toEqual([0, 2, 3, 0, 0]);
  });

  test("joins parts in memory of their own", () => {
    const joined = memory.joinBytes([Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)]);
    expect([...joined]).toEqual([1, 2, 3]);
    expect(joined.buffer.byteLength).toBe(3);
    expect(memory.joinBytes([])).toHaveLength(0);
  });
});
