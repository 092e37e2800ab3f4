/** One message in parts: text is judged byte by byte and comes in whole characters, wherever it is cut. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { StreamedMessage } from "../../../src/protocol/messages/streamed-message.ts";

const text = "\ufeffa\u00df\u4e16\ud83c\udf0d!";
const bytes = Buffer.from(text);

/** What `parts` says of each part of `whole`, which is cut before each of these indices. */
function decodeAll(parts: StreamedMessage, whole: Buffer, cuts: readonly number[]): (string | undefined)[] {
  const edges = [0, ...cuts, whole.length];
  return edges.slice(1).map((end, i) => {
    expect(parts.judge(whole, edges[i]!, end, i === cuts.length)).toBeUndefined();
    return parts.decode(whole, edges[i]!, end);
  });
}

test("begins with a first part, and leaves it to the caller to say that it was handed on", () => {
  expect(new StreamedMessage(true, false).first).toBe(true);
  expect(new StreamedMessage(false, false).first).toBe(true);
});

describe("text as strings", () => {
  test("comes in whole characters wherever it is cut, with its byte order mark [R6455-5.4-1 A10]", () => {
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const decoded = decodeAll(new StreamedMessage(true, false), bytes, [first, second]);
        expect(decoded.join("")).toBe(text);
        for (const part of decoded) expect(part).not.toMatch(/[\p{Surrogate}\ufffd]/u);
      }
    }
  });

  test("is read from inside its chunk [R6455-5.4-1]", () => {
    const chunk = Buffer.from("xxabcx");
    const parts = new StreamedMessage(true, false);
    expect(parts.judge(chunk, 2, 5, true)).toBeUndefined();
    expect(parts.decode(chunk, 2, 5)).toBe("abc");
  });
});

test("text as bytes, and binary, are not decoded", () => {
  const cuts = bytes.map((_, i) => i).subarray(1);
  for (const parts of [
    new StreamedMessage(true, true),
    new StreamedMessage(false, false),
    new StreamedMessage(false, true),
  ]) {
    expect(new Set(decodeAll(parts, bytes, [...cuts]))).toEqual(new Set([undefined]));
  }
});

describe.each([
  ["strings", false],
  ["bytes", true],
] as const)("text as %s that is not UTF-8", (_, asBytes) => {
  test("fails at the first byte that cannot go on [R6455-8.1-1 A10]", () => {
    const parts = new StreamedMessage(true, asBytes);
    expect(parts.judge(Buffer.from([0x61, 0xed]), 0, 2, false)).toBeUndefined();
    expect(parts.judge(Buffer.from([0xa0]), 0, 1, false)).toBe("text-not-utf8");
    expect(new StreamedMessage(true, asBytes).judge(Buffer.from([0xff]), 0, 1, true)).toBe("text-not-utf8");
  });

  test("fails when its last part, even an empty one, ends inside a character [R6455-8.1-1]", () => {
    const chunk = Buffer.from([0x61, 0xc3]);
    expect(new StreamedMessage(true, asBytes).judge(chunk, 0, 2, true)).toBe("text-not-utf8");
    const parts = new StreamedMessage(true, asBytes);
    expect(parts.judge(chunk, 0, 2, false)).toBeUndefined();
    expect(parts.judge(chunk, 2, 2, true)).toBe("text-not-utf8");
  });
});

test("binary is never judged [R6455-8.1-1]", () => {
  const parts = new StreamedMessage(false, false);
  expect(parts.judge(Buffer.from([0xff]), 0, 1, false)).toBeUndefined();
  expect(parts.judge(Buffer.from([0xc3]), 0, 1, true)).toBeUndefined();
});
