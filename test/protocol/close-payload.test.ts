/** The payload of a Close frame in both directions. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { decodeClosePayload, encodeClosePayload, maxReasonLength } from "../../src/protocol/close-payload.ts";

const accepted = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3999, 4000, 4998, 4999,
];
const refused = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535];

function wire(code: number, reason: Uint8Array | string = ""): Uint8Array {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
}

describe("encodeClosePayload", () => {
  test("writes the code in two bytes and the reason as UTF-8 [R6455-5.5.1-1]", () => {
    expect(Buffer.from(encodeClosePayload(1000, "")).toString("hex")).toBe("03e8");
    expect(Buffer.from(encodeClosePayload(4999, "é€😀")).toString("hex")).toBe("1387c3a9e282acf09f9880");
  });

  test("refuses a reason that is no string [D10]", () => {
    for (const reason of [new ArrayBuffer(0), new ArrayBuffer(8), new Uint8Array(3), null, 5]) {
      expect(() => encodeClosePayload(1000, reason as unknown as string)).toThrow(TypeError);
    }
  });

  test("writes nothing for 1005 [R6455-7.1.2-1 G5]", () => {
    expect(encodeClosePayload(1005, "")).toHaveLength(0);
    expect(() => encodeClosePayload(1005, "why")).toThrow(RangeError);
  });

  test.each(refused.filter((code) => code !== 1005))("throws for %i [R6455-7.4.1-2]", (code) => {
    expect(() => encodeClosePayload(code, "")).toThrow(
      new RangeError(`Cannot close: ${code} is not a code that a Close frame may carry`),
    );
  });

  test("throws for what is no code and no reason, and says what it is", () => {
    expect(() => encodeClosePayload("done" as unknown as number, "")).toThrow(
      new TypeError('Cannot close: the code must be a number, not "done"'),
    );
    expect(() => encodeClosePayload(1000, 5 as unknown as string)).toThrow(
      new TypeError("Cannot close: the reason must be a string, not 5"),
    );
  });

  test("accepts a reason of 123 bytes and throws beyond, counted in UTF-8 [R6455-5.5-1]", () => {
    expect(encodeClosePayload(1000, "x".repeat(maxReasonLength))).toHaveLength(125);
    expect(encodeClosePayload(1000, "€".repeat(41))).toHaveLength(125);
    expect(() => encodeClosePayload(1000, "x".repeat(124))).toThrow(RangeError);
    expect(() => encodeClosePayload(1000, "€".repeat(42))).toThrow(
      new RangeError("Cannot close: the reason is 126 bytes of UTF-8, at most 123 are allowed"),
    );
  });

  test("a lone surrogate becomes U+FFFD, and every byte of the memory is the payload's [D10]", () => {
    const payload = encodeClosePayload(1000, "a\ud800b");
    expect(Buffer.from(payload).toString("hex")).toBe("03e861efbfbd62");
    expect(payload.buffer.byteLength).toBe(payload.length);
  });
});

describe("decodeClosePayload", () => {
  test("reads an empty payload as 1005 without a reason [R6455-7.1.5-1 R6455-7.1.6-1]", () => {
    expect(decodeClosePayload(new Uint8Array(0))).toEqual({ code: 1005, reason: "" });
  });

  test("refuses a payload of one byte [R6455-5.5.1-1]", () => {
    expect(decodeClosePayload(new Uint8Array([3]))).toBe("close-payload-too-short");
  });

  test.each(accepted)("accepts %i [R6455-7.4.2-1]", (code) => {
    expect(decodeClosePayload(wire(code, "bye"))).toEqual({ code, reason: "bye" });
    expect(decodeClosePayload(wire(code))).toEqual({ code, reason: "" });
  });

  test.each(refused)("refuses %i [R6455-7.4.1-2 R6455-7.4.2-1]", (code) => {
    expect(decodeClosePayload(wire(code))).toBe("close-code-invalid");
    expect(decodeClosePayload(wire(code, "bye"))).toBe("close-code-invalid");
  });

  test("reads the reason as UTF-8 and refuses what is not [R6455-5.5.1-1 R6455-8.1-1]", () => {
    const inside = Buffer.concat([Buffer.from("xx"), wire(1001, "é\ufeff😀")]).subarray(2);
    expect(decodeClosePayload(inside)).toEqual({ code: 1001, reason: "é\ufeff😀" });
    expect(decodeClosePayload(wire(1001, "\ufeffa"))).toEqual({ code: 1001, reason: "\ufeffa" });
    for (const bytes of [[0x80], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xf4, 0x90, 0x80, 0x80]]) {
      expect(decodeClosePayload(wire(1000, new Uint8Array(bytes)))).toBe("close-reason-not-utf8");
    }
  });
});
