/** Streaming validation against the table of well-formed sequences of RFC 3629, in every cut. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { Utf8Validator } from "../../../src/protocol/messages/utf8.ts";
import { canBecomeUtf8, isWholeUtf8 } from "../../support/utf8-table.ts";

const valid = [
  "",
  "a",
  "\0\u007f",
  "é",
  "\u0080\u07ff",
  "€",
  "\u0800\ud7ff\ue000\ufeff\uffff",
  "😀",
  "\u{10000}\u{3ffff}\u{40000}\u{10ffff}",
  "aé€😀z",
  "Hello-µ@ßöäüàá-UTF-8!!",
];

/** The first byte that is wrong comes last in each. */
const invalid = [
  [0x80],
  [0xbf],
  [0xc0],
  [0xc1],
  [0xf5],
  [0xff],
  [0xc3, 0x28],
  [0xc3, 0xc3],
  [0xe0, 0x9f],
  [0xe0, 0x80],
  [0xed, 0xa0],
  [0xed, 0xbf],
  [0xf0, 0x8f],
  [0xf4, 0x90],
  [0xf0, 0x90, 0x28],
  [0xf4, 0x8f, 0xc0],
  [0xe2, 0x82, 0x28],
  [0xf0, 0x9f, 0x98, 0x28],
  [0x61, 0x62, 0xc3, 0xa9, 0xff],
];

/** Writes the parts from inside a larger array; what is true so far after each. */
function write(validator: Utf8Validator, ...parts: (readonly number[])[]): boolean[] {
  return parts.map((part) => validator.write(Uint8Array.from([0xff, ...part, 0xff]), 1, 1 + part.length));
}

describe("text that is UTF-8", () => {
  test.each(valid)("%j in one, two and three parts, cut anywhere [R6455-5.6-1 R6455-8.1-1 A10]", (text) => {
    const bytes = [...Buffer.from(text)];
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const validator = new Utf8Validator();
        const parts = [bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)];
        expect(write(validator, ...parts)).toEqual([true, true, true]);
        expect(validator.complete).toBe(true);
      }
    }
  });

  test("a character cut off is not complete until its last byte [R6455-8.1-1 A10]", () => {
    for (const text of ["é", "€", "😀"]) {
      const validator = new Utf8Validator();
      const bytes = [...Buffer.from(text)];
      for (const byte of bytes.slice(0, -1)) {
        expect(write(validator, [byte])).toEqual([true]);
        expect(validator.complete).toBe(false);
      }
      expect(write(validator, bytes.slice(-1))).toEqual([true]);
      expect(validator.complete).toBe(true);
    }
  });
});

describe("text that is not UTF-8", () => {
  test.each(invalid)("fails at the first wrong byte, cut anywhere: %j [R6455-8.1-1 A10]", (...bytes) => {
    const good = bytes.slice(0, -1);
    for (let at = 0; at <= good.length; at++) {
      const validator = new Utf8Validator();
      expect(write(validator, good.slice(0, at), good.slice(at))).toEqual([true, true]);
      expect(write(validator, bytes.slice(-1))).toEqual([false]);
      expect(write(new Utf8Validator(), bytes.slice(0, at), bytes.slice(at))).toContain(false);
    }
    const buried = new Utf8Validator();
    expect(write(buried, [0x61, ...bytes, 0x61, 0x61, 0x61, 0x61])).toEqual([false]);
  });
});

test("agrees with the table on all sequences of two bytes and on all that start a longer one [R6455-8.1-1 A10]", () => {
  const starts: number[][] = [[]];
  for (let first = 0xe0; first <= 0xf4; first++)
    for (let second = 0x7f; second <= 0xc0; second++) starts.push([first, second]);
  for (const start of starts) {
    for (let first = 0; first < 256; first += start.length === 0 ? 1 : 21) {
      for (let second = 0; second < 256; second += start.length === 0 ? 1 : 21) {
        const bytes = [...start, first, second];
        const bytewise = new Utf8Validator();
        const eachByte = bytes.every((byte) => bytewise.write(Uint8Array.from([byte]), 0, 1));
        const whole = new Utf8Validator();
        const atOnce = whole.write(Uint8Array.from(bytes), 0, bytes.length);
        if (eachByte !== canBecomeUtf8(bytes) || atOnce !== eachByte) expect.fail(`wrong about ${bytes}`);
        if (atOnce && (whole.complete !== isWholeUtf8(bytes) || bytewise.complete !== whole.complete)) {
          expect.fail(`wrong about the end of ${bytes}`);
        }
      }
    }
  }
});
