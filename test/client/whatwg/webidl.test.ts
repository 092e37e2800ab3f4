import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import {
  defineInterface,
  isObject,
  requireArguments,
  toDictionary,
  toDOMString,
  toStrings,
  toUnsignedShort,
  toUSVString,
} from "../../../src/client/whatwg/webidl.ts";

describe("unsigned short", () => {
  const rows: [value: unknown, wrap: number, clamp: number, enforce: number | undefined][] = [
    [0, 0, 0, 0],
    [1000, 1000, 1000, 1000],
    ["1000", 1000, 1000, 1000],
    [null, 0, 0, 0],
    [true, 1, 1, 1],
    [-0.4, 0, 0, 0],
    [999.5, 999, 1000, 999],
    [1000.5, 1000, 1000, 1000],
    [1000.6, 1000, 1001, 1000],
    [-1, 65535, 0, undefined],
    [65535, 65535, 65535, 65535],
    [65536, 0, 65535, undefined],
    [66536, 1000, 65535, undefined],
    [Number.NaN, 0, 0, undefined],
    ["x", 0, 0, undefined],
    [Number.POSITIVE_INFINITY, 0, 65535, undefined],
    [Number.NEGATIVE_INFINITY, 0, 0, undefined],
    [{ valueOf: () => 3000 }, 3000, 3000, 3000],
  ];
  test.each(rows)("%s", (value, wrap, clamp, enforce) => {
    expect(toUnsignedShort(value, "wrap")).toBe(wrap);
    expect(toUnsignedShort(value, "clamp")).toBe(clamp);
    if (enforce === undefined) expect(() => toUnsignedShort(value, "enforce")).toThrow(TypeError);
    else expect(toUnsignedShort(value, "enforce")).toBe(enforce);
  });
  test.each([[1n], [Symbol("s")]])("%s throws a TypeError", (value) => {
    for (const mode of ["wrap", "clamp", "enforce"] as const) {
      expect(() => toUnsignedShort(value, mode)).toThrow(TypeError);
    }
  });
});

test("a symbol is no string, and lone surrogates become U+FFFD in a USVString only", () => {
  expect(toDOMString(null)).toBe("null");
  expect(toDOMString("\ud800")).toBe("\ud800");
  expect(toUSVString("a\ud800b\udc00")).toBe("a\ufffdb\ufffd");
  expect(toUSVString("\u{1f600}")).toBe("\u{1f600}");
  expect(toUSVString({ toString: () => "own" })).toBe("own");
  expect(() => toDOMString(Symbol("s"))).toThrow(TypeError);
  expect(() => toUSVString(Symbol("s"))).toThrow(TypeError);
});

test("a sequence is any object that can be iterated, never a string", () => {
  expect(toStrings(["a", 1, undefined])).toEqual(["a", "1", "undefined"]);
  expect(toStrings(new Set(["a"]))).toEqual(["a"]);
  expect(toStrings(runInNewContext("['a']"))).toEqual(["a"]);
  expect(toStrings(new String("ab"))).toEqual(["a", "b"]);
  for (const value of ["ab", {}, 5, null, undefined, [Symbol("s")]]) expect(() => toStrings(value)).toThrow(TypeError);
});

test("a dictionary is an object, or nothing", () => {
  expect(toDictionary(undefined)).toEqual({});
  expect(toDictionary(null)).toEqual({});
  const given = { a: 1 };
  expect(toDictionary(given)).toBe(given);
  expect(toDictionary(requireArguments)).toBe(requireArguments);
  for (const value of [true, 5, "x", Symbol("s")]) expect(() => toDictionary(value)).toThrow(TypeError);
});

test("objects and functions are objects", () => {
  expect([{}, [], () => {}].every(isObject)).toBe(true);
  expect([null, undefined, 1, "x", Symbol("s"), 1n].some(isObject)).toBe(false);
});

test("too few arguments throw a TypeError that counts them", () => {
  requireArguments("f", 1, 1);
  expect(() => requireArguments("f", 0, 1)).toThrow(new TypeError("Cannot call f: 1 argument required, 0 given"));
});

test("an interface's members are enumerable, its constants fixed, its tag its name", () => {
  class Thing {
    get value(): number {
      return 1;
    }
    act(): void {}
  }
  defineInterface(Thing, { ONE: 1 });
  expect(Object.keys(Thing.prototype)).toEqual(["value", "act", "ONE"]);
  expect(String(new Thing())).toBe("[object Thing]");
  const fixed = { value: 1, enumerable: true, writable: false, configurable: false };
  expect(Object.getOwnPropertyDescriptor(Thing, "ONE")).toEqual(fixed);
  expect(Object.getOwnPropertyDescriptor(Thing.prototype, "ONE")).toEqual(fixed);
});
