import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { both, control, ours, outcomeOf } from "../implementations.ts";

/** Values of `Sec-WebSocket-Protocol`, and what becomes of them. */
const values: readonly (readonly [header: string, outcome: string])[] = [
  ["foo", '["foo"]'],
  ["foo,bar", '["foo","bar"]'],
  ["foo , bar,\tbaz", '["foo","bar","baz"]'],
  ["", "SyntaxError: Unexpected end of input"],
  ["foo,", "SyntaxError: Unexpected end of input"],
  ["foo ", "SyntaxError: Unexpected end of input"],
  [" foo", "SyntaxError: Unexpected character at index 0"],
  ["foo,,bar", "SyntaxError: Unexpected character at index 4"],
  ["foo,b(r", "SyntaxError: Unexpected character at index 5"],
  ["foo, foo;", "SyntaxError: Unexpected character at index 8"],
  ["foo,bar,foo", 'SyntaxError: The "foo" subprotocol is duplicated'],
];

describe.each(both)("subprotocol of %s", (_name, { subprotocol }) => {
  test.each(values)("reads %j", (header, outcome) => {
    expect(outcomeOf(() => subprotocol.parse(header))).toBe(outcome);
  });
});

test("whatever is read, ours and that of ws say the same", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", " ", "\t", ",", ";", "é"), maxLength: 16 });
  fc.assert(
    fc.property(text, (header) => {
      const [expected, actual] = [control, ours].map(({ subprotocol }) => outcomeOf(() => subprotocol.parse(header)));
      expect(actual).toBe(expected);
    }),
    { numRuns: 3000 },
  );
});
