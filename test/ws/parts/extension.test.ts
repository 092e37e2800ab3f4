import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { both, control, ours, outcomeOf } from "../implementations.ts";

/** Values of `Sec-WebSocket-Extensions`, and what becomes of them. */
const values: readonly (readonly [header: string, outcome: string])[] = [
  ["foo", '{"foo":[{}]}'],
  ["foo, bar;a, foo;a=1;b;a=2", '{"foo":[{},{"a":["1","2"],"b":[true]}],"bar":[{"a":[true]}]}'],
  ["foo ; a\t;b=c , bar", '{"foo":[{"a":[true],"b":["c"]}],"bar":[{}]}'],
  ['foo;a="b\\c\\d"; e = 1', "SyntaxError: Unexpected character at index 17"],
  ['foo;a="b\\c\\d"', '{"foo":[{"a":["bcd"]}]}'],
  ["hasOwnProperty;toString=1", '{"hasOwnProperty":[{"toString":["1"]}]}'],
  ["__proto__;__proto__", '{"__proto__":[{"__proto__":[true]}]}'],
  ["", "SyntaxError: Unexpected end of input"],
  ["foo ", "SyntaxError: Unexpected end of input"],
  ["foo,", "SyntaxError: Unexpected end of input"],
  ["foo;bar=", "SyntaxError: Unexpected end of input"],
  ['foo;bar="', "SyntaxError: Unexpected end of input"],
  ['foo;bar="1\\', "SyntaxError: Unexpected end of input"],
  [" foo", "SyntaxError: Unexpected character at index 0"],
  ["foo,,bar", "SyntaxError: Unexpected character at index 4"],
  ['foo;bar=""', "SyntaxError: Unexpected character at index 9"],
  ['foo;bar="\\ "', "SyntaxError: Unexpected character at index 10"],
  ["foo;bar\0", "SyntaxError: Unexpected character at index 7"],
];

describe.each(both)("extension of %s", (_name, { extension }) => {
  test.each(values)("reads %j", (header, outcome) => {
    expect(outcomeOf(() => extension.parse(header))).toBe(outcome);
  });

  test("writes one set of parameters or several, with one value or several", () => {
    expect(extension.format({ foo: {} })).toBe("foo");
    expect(extension.format({ foo: [{ a: [true, 2] }, { b: "c" }], bar: { d: true, e: 15 } })).toBe(
      "foo; a; a=2, foo; b=c, bar; d; e=15",
    );
    expect(extension.format({})).toBe("");
  });

  test("reads what it has written", () => {
    const written = extension.format({ foo: [{ a: [true, "b"] }, {}] });
    expect(extension.format(extension.parse(written))).toBe(written);
  });
});

test("whatever is read, ours and that of ws say the same", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", "b", " ", "\t", ";", ",", "=", '"', "\\", "é", "\0"),
    maxLength: 20,
  });
  fc.assert(
    fc.property(text, (header) => {
      const [expected, actual] = [control, ours].map(({ extension }) => outcomeOf(() => extension.parse(header)));
      expect(actual).toBe(expected);
    }),
    { numRuns: 3000 },
  );
});

test("a long value costs time that grows with its length alone", () => {
  const long = `a;b="${"\\c".repeat(500_000)}"`;
  expect(ours.extension.parse(long)).toEqual({ a: [{ b: ["c".repeat(500_000)] }] });
  expect(outcomeOf(() => ours.extension.parse(`a${" ".repeat(1_000_000)}`))).toContain("Unexpected end of input");
});
