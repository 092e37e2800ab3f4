/** The judge's own frames, heads and DEFLATE, against the standards' vectors and against zlib. */
import { constants, deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { Compressor } from "../../conformance/judge/compressor.ts";
import { encodeFrame, FrameReader, type FrameSpec } from "../../conformance/wire/frame.ts";
import { acceptFor, parseExtensions, splitHead, statusOf } from "../../conformance/wire/head.ts";
import { fixedBlock, inflateMessage } from "../../conformance/wire/inflate.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const KEY = hex("37fa213d");
const EMPTY = Buffer.alloc(0);

describe("frames", () => {
  const VECTORS: readonly (readonly [FrameSpec, boolean, string])[] = [
    [{ opcode: 1, payload: "Hello" }, false, "81 05 48 65 6c 6c 6f"],
    [{ opcode: 1, payload: "Hello" }, true, "81 85 37 fa 21 3d 7f 9f 4d 51 58"],
    [{ opcode: 1, payload: "Hel", fin: false }, false, "01 03 48 65 6c"],
    [{ opcode: 9, payload: "Hello" }, false, "89 05 48 65 6c 6c 6f"],
    [{ opcode: 2, payload: "a", lengthForm: 16 }, false, "82 7e 00 01 61"],
    [{ opcode: 2, declaredLength: 2n ** 63n, lengthForm: 64, rsv: 4 }, false, "c2 7f 80 00 00 00 00 00 00 00"],
  ];
  test("R6455-5.2-1 frames are written as the standard has them, lies about their length included", () => {
    for (const [spec, masked, bytes] of VECTORS) expect(encodeFrame(spec, masked, () => KEY)).toEqual(hex(bytes));
  });

  test.each([0, 1, 125, 126, 65535, 65536])("R6455-5.2-5 %i bytes are read back, whole and byte by byte", (length) => {
    const payload = Buffer.alloc(length, "abc");
    const bytes = encodeFrame({ opcode: 2, payload }, true, () => KEY);
    const whole = new FrameReader();
    whole.push(bytes);
    expect(whole.next()).toMatchObject({ fin: true, opcode: 2, payload, maskingKey: KEY });
    const bytewise = new FrameReader();
    for (let i = 0; i < Math.min(length, 300); i++) bytewise.push(bytes.subarray(i, i + 1));
    expect(bytewise.next()).toBeUndefined();
    bytewise.push(bytes.subarray(Math.min(length, 300)));
    expect(bytewise.next()?.payload.equals(payload)).toBe(true);
    expect(bytewise.next()).toBeUndefined();
  });
});

describe("heads", () => {
  test("R6455-4.2.2-8 the accept value of the standard's example", () => {
    expect(acceptFor("dGhlIHNhbXBsZSBub25jZQ==")).toBe("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  });

  test("a head is split from what follows it", () => {
    const split = splitHead(Buffer.from("HTTP/1.1 101 X\r\nA: b\r\na:c \r\n\r\nrest"));
    expect(split?.rest.toString()).toBe("rest");
    expect(split?.head.fields).toEqual([
      ["A", "b"],
      ["a", "c"],
    ]);
    expect(statusOf(split!.head)).toBe(101);
    expect(splitHead(Buffer.from("HTTP/1.1 101 X\r\n"))).toBeUndefined();
  });

  test("R6455-9.1-2 extension elements keep their parameters", () => {
    const [first, second] = parseExtensions(['a; b; c="9"', "d"]);
    expect([first?.name, ...(first?.params ?? [])]).toEqual(["a", ["b", true], ["c", "9"]]);
    expect(second?.name).toBe("d");
  });
});

describe("DEFLATE", () => {
  test.each([
    ["f2 48 cd c9 c9 07 00", "Hello"],
    ["00 05 00 fa ff 48 65 6c 6c 6f 00", "Hello"],
    ["f3 48 cd c9 c9 07 00 00", "Hello"],
    ["f2 48 05 00 00 00 ff ff ca c9 c9 07 00", "Hello"],
    ["00", ""],
  ])("R7692-7.2.3-1 %s is %j", (bytes, text) => {
    expect(inflateMessage(hex(bytes), EMPTY).data.toString()).toBe(text);
  });

  test("R7692-7.2.3-1 a second message refers to the first", () => {
    const { data, furthestMatch } = inflateMessage(hex("f2 00 11 00 00"), Buffer.from("Hello"));
    expect([data.toString(), furthestMatch]).toEqual(["Hello", 5]);
    expect(() => inflateMessage(hex("f2 00 11 00 00"), EMPTY)).toThrow("reaches back");
  });

  test.each(["f2", "f2 48", "f2 48 cd", "00 05 00 fa ff 48 65"])("R7692-X-1 %s is seen to break off", (bytes) => {
    expect(() => inflateMessage(hex(bytes), EMPTY)).toThrow();
  });

  test.each([0, 1, 6, 9])("what zlib writes at level %i is read", (level) => {
    const data = Buffer.from(Array.from({ length: 30_000 }, (_, i) => ((i * i) % 251) & (i % 7)));
    const out = deflateRawSync(data, { level, finishFlush: constants.Z_SYNC_FLUSH });
    expect(inflateMessage(out.subarray(0, -4), EMPTY).data.equals(data)).toBe(true);
  });

  test("R7692-7.2.1-2 the furthest match is measured", () => {
    const block = fixedBlock(["x".repeat(10), "y".repeat(600), { length: 100, distance: 605 }]);
    expect(inflateMessage(block, EMPTY).furthestMatch).toBe(605);
  });

  test.each([8, 9, 12, 15])("R7692-7.2.1-2 the judge itself stays within a window of %i bits", (bits) => {
    const compressor = new Compressor(bits, false);
    const text = Buffer.from(
      Array.from({ length: 4000 }, (_, i) => 97 + ((i * 7) % 23)).map((byte, i) => byte + (i % 3)),
    );
    let history: Buffer = EMPTY;
    for (let round = 0; round < 3; round++) {
      const { data, furthestMatch } = inflateMessage(compressor.compress(text), history);
      expect(data.equals(text)).toBe(true);
      expect(furthestMatch).toBeLessThanOrEqual(1 << bits);
      history = Buffer.concat([history, data]);
    }
  });
});
