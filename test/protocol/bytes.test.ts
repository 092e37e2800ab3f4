/** Bytes in every form, also such whose properties lie. */
import { createContext, runInContext } from "node:vm";
import { describe, expect, test } from "vitest";
import {
  copyUnlessAlone,
  isArrayBuffer,
  lengthOf,
  memoryOf,
  requireBytes,
  viewBytes,
  viewPlain,
  viewSource,
} from "../../src/protocol/bytes.ts";

const { buffer } = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const lies = {
  length: { value: 8 },
  byteLength: { value: 8 },
  byteOffset: { value: 0 },
  buffer: { value: new ArrayBuffer(8) },
  [Symbol.toStringTag]: { value: "DataView" },
};

/** An array whose own properties say what is not so. */
function liar(): Uint8Array {
  return Object.defineProperties(new Uint8Array(buffer, 2, 3), lies);
}

describe("the length of a typed array", () => {
  test("is what it has, whatever its properties say [D10]", () => {
    expect([lengthOf(new Uint8Array(5)), lengthOf(liar())]).toEqual([5, 3]);
    expect(lengthOf(new Float64Array(2) as never)).toBe(2);
  });

  test.each([{ length: 3 }, Object.create(Uint8Array.prototype), new DataView(buffer), buffer, "text", null])(
    "is a TypeError for %o",
    (value) => {
      expect(() => lengthOf(value as Uint8Array)).toThrow(new TypeError("Cannot send: the data is not a Uint8Array"));
    },
  );
});

describe("a view of bytes", () => {
  test("is the same memory without the properties [D10]", () => {
    const view = viewBytes(liar());
    expect(Object.getPrototypeOf(view)).toBe(Uint8Array.prototype);
    expect([view.buffer, view.byteOffset, view.length]).toEqual([buffer, 2, 3]);
    expect(view.buffer).toBe(buffer);
  });

  test("is a TypeError for elements of several bytes", () => {
    for (const act of [viewBytes, requireBytes]) {
      expect(() => act(new Uint16Array(2) as never)).toThrow(TypeError);
      expect(() => act(new Int8Array(2) as never)).not.toThrow();
    }
  });

  test("is plain where it was of a subclass", () => {
    const view = viewPlain(Buffer.from(buffer, 1, 2));
    expect(Object.getPrototypeOf(view)).toBe(Uint8Array.prototype);
    expect([...view]).toEqual([2, 3]);
    expect(view.buffer).toBe(buffer);
  });
});

describe("the bytes of a source", () => {
  test.each([
    ["an ArrayBuffer", buffer, [1, 2, 3, 4, 5, 6, 7, 8]],
    ["a Uint8Array", new Uint8Array(buffer, 1, 2), [2, 3]],
    ["a Uint16Array", new Uint16Array(buffer, 2, 2), [3, 4, 5, 6]],
    ["a DataView", new DataView(buffer, 6), [7, 8]],
    ["an array that lies", liar(), [3, 4, 5]],
    ["a DataView that lies", Object.defineProperties(new DataView(buffer, 7), lies), [8]],
  ])("are those of %s, in place [D10]", (_, source, bytes) => {
    const view = viewSource(source)!;
    expect([...view]).toEqual(bytes);
    expect(view.buffer).toBe(buffer);
    expect(memoryOf(source)).toBe(buffer);
  });

  test("are those of shared memory seen by a view", () => {
    const shared = new SharedArrayBuffer(2);
    expect(viewSource(new Uint8Array(shared, 1))!.buffer).toBe(shared);
    expect(memoryOf(new Uint8Array(shared))).toBe(shared);
  });

  test.each([new SharedArrayBuffer(1), "text", null, undefined, 5, { byteLength: 1 }, [1], new Blob([])])(
    "are none for %o",
    (value) => {
      expect(viewSource(value)).toBeUndefined();
    },
  );

  test("are a TypeError where the memory was transferred", () => {
    const gone = new ArrayBuffer(4);
    const views = [new Uint16Array(gone), new DataView(gone)];
    structuredClone(gone, { transfer: [gone] });
    for (const source of [gone, ...views]) expect(() => viewSource(source)).toThrow(TypeError);
  });
});

test("tells an ArrayBuffer of any realm from all else", () => {
  const foreign = runInContext("new ArrayBuffer(3)", createContext());
  expect([buffer, new ArrayBuffer(0), foreign].map(isArrayBuffer)).toEqual([true, true, true]);
  const others = [
    new SharedArrayBuffer(1),
    new Uint8Array(1),
    Object.create(ArrayBuffer.prototype),
    "",
    null,
    undefined,
  ];
  expect(others.map(isArrayBuffer)).toEqual(Array(others.length).fill(false));
});

test("copies bytes only when their memory holds more", () => {
  const alone = new Uint8Array(buffer);
  expect(copyUnlessAlone(alone)).toBe(alone);
  const part = copyUnlessAlone(new Uint8Array(buffer, 2, 2));
  expect([...part]).toEqual([3, 4]);
  expect(part.buffer.byteLength).toBe(2);
  // What Node calls a slice of a Buffer shares its memory.
  const ofBuffer = copyUnlessAlone(Buffer.from(buffer, 2, 2));
  expect([[...ofBuffer], ofBuffer.buffer.byteLength]).toEqual([[3, 4], 2]);
});
