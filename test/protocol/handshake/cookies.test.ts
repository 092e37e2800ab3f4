import { describe, expect, test } from "vitest";
import { parseCookies } from "../../../src/protocol/handshake/cookies.ts";

/** The cookies as pairs. */
function pairs(field: string): [string, string][] {
  return [...parseCookies(field)];
}

test("cookies are name=value pairs between semicolons", () => {
  expect(pairs("SID=31d4d96e407aad42; lang=en-US")).toEqual([
    ["SID", "31d4d96e407aad42"],
    ["lang", "en-US"],
  ]);
});

test.each([
  ["an empty value", "a=", [["a", ""]]],
  ["a value with =", "a=b=c==", [["a", "b=c=="]]],
  ["quotes, which are a part of it", 'a="b"', [["a", '"b"']]],
  ["percent signs, which are not decoded", "a=%3D%zz", [["a", "%3D%zz"]]],
  ["what browsers send though it is not well-formed", 'a={"x":[1, 2]}', [["a", '{"x":[1, 2]}']]],
  ["bytes beyond ASCII", "a=\u00e9\u00ff", [["a", "\u00e9\u00ff"]]],
  [
    "spaces and tabs around it",
    " \t a \t=\t b c \t;d=e",
    [
      ["a", "b c"],
      ["d", "e"],
    ],
  ],
  [
    "no space behind the semicolon",
    "a=1;b=2",
    [
      ["a", "1"],
      ["b", "2"],
    ],
  ],
] as const)("a value may have %s", (_, field, expected) => {
  expect(pairs(field)).toEqual(expected);
});

test("of several with one name the first counts", () => {
  expect(pairs("a=deep; b=1; a=shallow")).toEqual([
    ["a", "deep"],
    ["b", "1"],
  ]);
});

test.each(["", ";", " ; ;", "a", "=a", "=", " =a", "a b=c", "a\u0000=c", "é=c", "a,b=c", '"a"=c', "(a)=c"])(
  "what is no cookie is passed over: %j",
  (field) => {
    expect(pairs(field)).toEqual([]);
    expect(pairs(`first=1; ${field}; last=2`)).toEqual([
      ["first", "1"],
      ["last", "2"],
    ]);
  },
);

describe("names that objects inherit", () => {
  test.each(["__proto__", "constructor", "toString"])(
    "%s is a name as any other, and is not there unless it was sent",
    (name) => {
      expect(parseCookies("a=1").get(name)).toBeUndefined();
      expect(pairs(`${name}=polluted`)).toEqual([[name, "polluted"]]);
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    },
  );
});

test("every beginning of a field is read", () => {
  const field = 'a=1; b="2"; ; c; =d; e=f=g';
  for (let length = 0; length <= field.length; length++) {
    for (const [name, value] of parseCookies(field.slice(0, length))) {
      expect(field.slice(0, length)).toContain(`${name}=${value}`);
    }
  }
});

test("long runs of spaces, semicolons and equals signs take no longer than others", () => {
  for (const piece of [" ", ";", "=", " ;", "a= ", "; \t"]) {
    expect(parseCookies(`x=${piece.repeat(1_000_000)}y=1`).has("x")).toBe(true);
  }
});
