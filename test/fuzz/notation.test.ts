/** The notation of fuzz inputs: every input can be written and read back, and a corpus is its lines. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatInput, parseCorpus, parseInput } from "../../fuzz/notation.ts";

describe("an input", () => {
  it("is bytes and text side by side", () => {
    expect(parseInput('81 05 "hello"')).toEqual(Buffer.from("\x81\x05hello", "latin1"));
    expect(parseInput('037FfF""')).toEqual(Buffer.of(0x03, 0x7f, 0xff));
    expect(parseInput('"a\\r\\n\\"\\u00e9"  # said with escapes')).toEqual(Buffer.from('a\r\n"\u00e9', "latin1"));
  });

  it.each(["8", "81 zz", '"open', "81, 05"])("is refused when it is neither: %s", (line) => {
    expect(() => parseInput(line)).toThrow("Cannot read the input");
  });

  it("is read back from what is written", () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.constantFrom('he said "no"', "\r\n", "a\\b", "#'# ", "GET / HTTP/1.1\r\n").map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const input = Buffer.concat(pieces);
        expect(parseInput(formatInput(input))).toEqual(input);
      }),
    );
  });
});

describe("a corpus", () => {
  it("has an input a line, but for comments, empty lines and lines that go on", () => {
    const corpus = parseCorpus('# comment\n00 01\n\n"a"\n  "b" 02\n""\n# end\n');
    expect(corpus).toEqual([Buffer.of(0, 1), Buffer.of(0x61, 0x62, 2), Buffer.alloc(0)]);
  });
});
