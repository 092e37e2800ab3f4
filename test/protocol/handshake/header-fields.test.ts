import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  fieldLimits,
  fieldValues,
  hasToken,
  isFieldValue,
  isToken,
  parseAuthority,
  parseExtensionList,
  parseProductList,
  parseTokenList,
  totalLength,
} from "../../../src/protocol/handshake/header-fields.ts";

/** The token characters, written out from RFC 9110 section 5.6.2 and not from the source. */
const tokenCharacters = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/;

/** A text that counts how often a character of it is read; it has nothing else that a parser could scan it with. */
class CountedText {
  reads = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  get length(): number {
    return this.#text.length;
  }

  charCodeAt(index: number): number {
    this.reads++;
    return this.#text.charCodeAt(index);
  }

  slice(start: number, end: number): string {
    this.reads += Math.max(0, end - start);
    return this.#text.slice(start, end);
  }
}

function countReads(text: string, parse: (text: string) => unknown): number {
  const counted = new CountedText(text);
  parse(counted as unknown as string);
  return counted.reads;
}

describe("isToken", () => {
  it("takes every token character and no other of the first 512 [R6455-4.1-17]", () => {
    for (let code = 0; code < 512; code++) {
      const character = String.fromCharCode(code);
      expect(isToken(character), `U+${code.toString(16)}`).toBe(tokenCharacters.test(character));
      expect(isToken(`a${character}b`), `a U+${code.toString(16)} b`).toBe(tokenCharacters.test(character));
    }
  });

  it("refuses the empty text", () => {
    expect(isToken("")).toBe(false);
  });
});

describe("isFieldValue", () => {
  it("takes tab, space, visible ASCII and 0x80-0xff, and no other of the first 512 [C06]", () => {
    for (let code = 0; code < 512; code++) {
      const expected = /^[\t\x20-\x7e\x80-\xff]$/.test(String.fromCharCode(code));
      expect(isFieldValue(`a${String.fromCharCode(code)}`), `U+${code.toString(16)}`).toBe(expected);
    }
    expect(isFieldValue("")).toBe(true);
  });
});

describe("fieldValues", () => {
  it("finds every line of a field, whatever its case, in order and trimmed [R6455-11.3.1-1]", () => {
    const raw = ["Host", "a", "X-A", " 1", "x-a", "2\t ", "X-AB", "no", "X-a", "", "HOST", "b"];
    expect(fieldValues(raw, "x-a")).toEqual(["1", "2", ""]);
    expect(fieldValues(raw, "host")).toEqual(["a", "b"]);
    expect(fieldValues(raw, "origin")).toEqual([]);
  });

  it("takes an empty head and a name without its value [C01]", () => {
    expect(fieldValues([], "host")).toEqual([]);
    expect(fieldValues(["Host"], "host")).toEqual([""]);
  });

  it("finds names of Object.prototype only where they are sent [C03]", () => {
    expect(fieldValues(["Host", "a"], "constructor")).toEqual([]);
    expect(fieldValues(["__proto__", "a"], "__proto__")).toEqual(["a"]);
  });

  it("does not read a value as a name", () => {
    expect(fieldValues(["X-A", "Host", "X-B", "c"], "host")).toEqual([]);
  });
});

describe("parseTokenList", () => {
  it.each<[string[], string[]]>([
    [["a"], ["a"]],
    [["a,b"], ["a", "b"]],
    [[" a\t,  b "], ["a", "b"]],
    [
      ["a, b", "c"],
      ["a", "b", "c"],
    ],
    [[",a,,b,"], ["a", "b"]],
    [["", "a"], ["a"]],
    [["constructor, __proto__, toString"], ["constructor", "__proto__", "toString"]],
    [["!#$%&'*+-.^_`|~09AZaz"], ["!#$%&'*+-.^_`|~09AZaz"]],
  ])("reads %j [R6455-4.3-1]", (lines, tokens) => {
    expect(parseTokenList(lines)).toEqual(tokens);
  });

  it.each([
    [""],
    [" "],
    [","],
    [", ,"],
    ["a b"],
    ["a;b"],
    ["a/1"],
    ['"a"'],
    ["a,b c,d"],
    ["a\x00"],
    ["a\r\nb"],
    ["a\x7f"],
    ["é"],
    ["a,\u2028"],
    ["(a)"],
    ["a=1"],
    ["a\x0bb"],
  ])("finds %j malformed [R6455-4.3-1]", (line) => {
    expect(parseTokenList([line])).toBe("malformed");
  });

  it("finds no lines at all malformed", () => {
    expect(parseTokenList([])).toBe("malformed");
  });

  it("stops at its limit, over all lines together [C02]", () => {
    expect(parseTokenList(["a,b"], 2)).toEqual(["a", "b"]);
    expect(parseTokenList(["a,b,c"], 2)).toBe("too-many");
    expect(parseTokenList(["a,b", "c"], 2)).toBe("too-many");
  });
});

describe("parseProductList", () => {
  it("reads products with and without a version [R6455-4.2.1-3]", () => {
    expect(parseProductList(["websocket"])).toEqual(["websocket"]);
    expect(parseProductList(["h2c/1, WebSocket"])).toEqual(["h2c/1", "WebSocket"]);
    expect(parseProductList(["web socket"])).toBe("malformed");
  });
});

describe("parseExtensionList", () => {
  it.each<[string[], unknown]>([
    [["a"], [{ name: "a", parameters: [] }]],
    [["a;b"], [{ name: "a", parameters: [["b", true]] }]],
    [["a;b=1"], [{ name: "a", parameters: [["b", "1"]] }]],
    [
      ['a; b="1"; c'],
      [
        {
          name: "a",
          parameters: [
            ["b", "1"],
            ["c", true],
          ],
        },
      ],
    ],
    [['a;b="\\1\\2x"'], [{ name: "a", parameters: [["b", "12x"]] }]],
    [['a;b="x\\y"'], [{ name: "a", parameters: [["b", "xy"]] }]],
    [
      [" a\t; b = 1 ,c "],
      [
        { name: "a", parameters: [["b", "1"]] },
        { name: "c", parameters: [] },
      ],
    ],
    [
      ["a;b;b=1;b=2"],
      [
        {
          name: "a",
          parameters: [
            ["b", true],
            ["b", "1"],
            ["b", "2"],
          ],
        },
      ],
    ],
    [
      ["a, a;x"],
      [
        { name: "a", parameters: [] },
        { name: "a", parameters: [["x", true]] },
      ],
    ],
    [[",a,,"], [{ name: "a", parameters: [] }]],
  ])("reads %j [R6455-9.1-1]", (lines, elements) => {
    expect(parseExtensionList(lines)).toEqual(elements);
  });

  it("reads a list split over lines as one list, in order [R6455-9.1-2]", () => {
    const whole = parseExtensionList(["a;x=1, b, c;y"]);
    expect(whole).toHaveLength(3);
    expect(parseExtensionList(["a;x=1", "b, c;y"])).toEqual(whole);
    expect(parseExtensionList(["a;x=1", "b", "c;y"])).toEqual(whole);
  });

  it("does not let an element run from one line into the next [R6455-9.1-2]", () => {
    expect(parseExtensionList(["a;", "b"])).toBe("malformed");
    expect(parseExtensionList(['a;b="', '"'])).toBe("malformed");
  });

  it("takes the names of Object.prototype for names [C03]", () => {
    expect(parseExtensionList(["__proto__;constructor=toString, hasOwnProperty;__proto__"])).toEqual([
      { name: "__proto__", parameters: [["constructor", "toString"]] },
      { name: "hasOwnProperty", parameters: [["__proto__", true]] },
    ]);
  });

  it.each([
    [""],
    [" "],
    [",,"],
    ["a b"],
    [";"],
    [";a"],
    ["a;"],
    ["a;;b"],
    ["a; ,b"],
    ["a;b="],
    ["a;b=,c"],
    ["a;=1"],
    ["a=1"],
    ["a;b=1=2"],
    ["a;b=1 2"],
    ['a;b="'],
    ['a;b="1'],
    ['a;b=""'],
    ['a;b="1"2'],
    ['a;b="1" "2"'],
    ['a;b="1 2"'],
    ['a;b="1,2"'],
    ['a;b="\\'],
    ['a;b="\\"'],
    ['a;b="\\""'],
    ['a;b="\\ "'],
    ['"a"'],
    ["a\x00"],
    ["a;b\x00"],
    ["a;b=\x00"],
    ["a\r\n;b"],
    ["a;é"],
    ["a/b"],
  ])("finds %j malformed [R6455-9.1-1]", (line) => {
    expect(parseExtensionList([line])).toBe("malformed");
  });

  it("takes 16 elements and not 17 [C02]", () => {
    const elements = (count: number): string => Array.from({ length: count }, (_, index) => `x${index}`).join(",");
    expect(parseExtensionList([elements(fieldLimits.maxExtensions)])).toHaveLength(16);
    expect(parseExtensionList([elements(fieldLimits.maxExtensions + 1)])).toBe("too-many");
    expect(parseExtensionList([elements(16), "y"])).toBe("too-many");
  });

  it("reads back what is written from any elements", () => {
    const name = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}$/);
    const parameter = fc.tuple(name, fc.option(name, { nil: true as const }));
    const element = fc.record({ name, parameters: fc.array(parameter, { maxLength: 4 }) });
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 16 }), fc.boolean(), (elements, quoted) => {
        const write = (value: string): string => (quoted ? `"${[...value].map((c) => `\\${c}`).join("")}"` : value);
        const text = elements.map((one) =>
          [one.name, ...one.parameters.map(([key, value]) => (value === true ? key : `${key}=${write(value)}`))].join(
            ";",
          ),
        );
        expect(parseExtensionList([text.join(",")])).toEqual(elements);
        expect(parseExtensionList(text)).toEqual(elements);
      }),
    );
  });
});

describe("parseAuthority", () => {
  it.each([
    ["a", { host: "a", port: "" }],
    ["A.Example", { host: "a.example", port: "" }],
    ["a:80", { host: "a", port: "80" }],
    ["a:1234", { host: "a", port: "1234" }],
    ["a:56789", { host: "a", port: "56789" }],
    ["a:", { host: "a", port: "" }],
    ["a:0080", { host: "a", port: "80" }],
    ["a:65535", { host: "a", port: "65535" }],
    ["127.0.0.1:1", { host: "127.0.0.1", port: "1" }],
    ["[::1]", { host: "[::1]", port: "" }],
    ["[2001:DB8::1]:8080", { host: "[2001:db8::1]", port: "8080" }],
    ["a_b", { host: "a_b", port: "" }],
    ["constructor", { host: "constructor", port: "" }],
  ])("reads %j [C10]", (text, authority) => {
    expect(parseAuthority(text)).toEqual(authority);
  });

  it.each([
    [""],
    [":80"],
    ["a:80@b"],
    ["a@b"],
    ["a.com:80:80"],
    ["a:65536"],
    ["a:123456"],
    ["a:000080"],
    ["a:8x"],
    ["a:-1"],
    ["a/b"],
    ["a?b"],
    ["a#b"],
    ["a\\b"],
    ["a b"],
    [" a"],
    ["a,b"],
    ["http://a"],
    ["[]"],
    ["[::1"],
    ["[::1%:80"],
    ["[::1]a"],
    ["[::1%25eth0]"],
    ["::1"],
    ["é"],
    ["a\x00"],
    ["a\r\nb"],
  ])("finds %j no host with an optional port [C10]", (text) => {
    expect(parseAuthority(text)).toBeUndefined();
  });
});

describe("the cost of parsing grows with the length alone [C02]", () => {
  const hostile: [string, (size: number) => string][] = [
    ["a token, spaces and a token", (size) => `b${" ".repeat(size)}x`],
    ["tokens and many spaces", (size) => `a${" ".repeat(size / 2)},${" ".repeat(size / 2)}b`],
    ["only spaces", (size) => " ".repeat(size)],
    ["only tabs and spaces", (size) => " \t".repeat(size / 2)],
    ["only commas", (size) => ",".repeat(size)],
    ["commas and spaces", (size) => ", ".repeat(size / 2)],
    ["one long token", (size) => "a".repeat(size)],
    ["many short tokens", (size) => "a,".repeat(size / 2)],
    ["many parameters", (size) => `a${";b".repeat(size / 2)}`],
    ["many values", (size) => `a${";b=1".repeat(size / 4)}`],
    ["one long quoted string, not ended", (size) => `a;b="${"x".repeat(size)}`],
    ["one long run of escapes", (size) => `a;b="${"\\x".repeat(size / 2)}"`],
    ["escapes, not ended", (size) => `a;b="${"\\\\".repeat(size / 2)}`],
    ["many quotes", (size) => `a;b=${'"'.repeat(size)}`],
    ["quoted values, then an error", (size) => `${'a;b="c",'.repeat(size / 8)} d e`],
  ];
  const parsers: [string, (text: string) => unknown][] = [
    ["parseTokenList", (text) => parseTokenList([text])],
    ["parseProductList", (text) => parseProductList([text])],
    ["parseExtensionList", (text) => parseExtensionList([text], Number.POSITIVE_INFINITY)],
    ["fieldValues", (text) => fieldValues(["a", text], "a")],
  ];
  for (const [name, parse] of parsers) {
    it.each(hostile)(`${name}: %s`, (_title, write) => {
      for (const size of [1000, 32_000]) {
        const text = write(size);
        expect(countReads(text, parse)).toBeLessThanOrEqual(6 * text.length + 16);
      }
    });
  }

  it("of any text, too", () => {
    const text = fc.string({ unit: fc.constantFrom(...'ab ;,="\\\t/\x00'), maxLength: 400 });
    fc.assert(
      fc.property(text, (value) => {
        for (const [name, parse] of parsers) {
          expect(countReads(value, parse), name).toBeLessThanOrEqual(6 * value.length + 16);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("by a count that a quadratic parser does not pass", () => {
    const quadratic = (text: string): void => {
      for (let start = 0; start < text.length; start++) {
        for (let at = start; at < text.length && text.charCodeAt(at) === 0x20; at++);
      }
    };
    expect(countReads(" ".repeat(1000), quadratic)).toBeGreaterThan(6 * 1000 + 16);
  });
});

describe("a list that was read", () => {
  it("holds a token in any case, and none where the list is malformed", () => {
    const found = [["a", "Upgrade"], ["upgrades"], [], "malformed"] as const;
    expect(found.map((list) => hasToken(list, "upgrade"))).toEqual([true, false, false, false]);
  });

  it("is as long as all of its lines together", () => {
    expect([totalLength([]), totalLength(["ab", "", "c"])]).toEqual([0, 3]);
  });
});
