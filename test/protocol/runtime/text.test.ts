/** Text and bytes, with Node's functions and without them, against each other and against Buffer. */
import { Buffer, constants, isUtf8 } from "node:buffer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as native from "../../../src/protocol/runtime/text.ts";
import { withoutNatives } from "../../support/without-natives.ts";

const portable = await withoutNatives(() => import("../../../src/protocol/runtime/text.ts"));

/** Strings of any UTF-16 units, many of them surrogates. */
const anyText = fc
  .array(fc.oneof(fc.integer({ max: 0xffff, min: 0 }), fc.integer({ max: 0xdfff, min: 0xd800 })), { maxLength: 40 })
  .map((units) => String.fromCharCode(...units));
/** Bytes that are UTF-8, or nearly. */
const nearlyUtf8 = fc
  .tuple(anyText, fc.array(fc.tuple(fc.nat(), fc.integer({ max: 255, min: 0 })), { maxLength: 2 }))
  .map(([text, changes]) => {
    const bytes = Buffer.from(text);
    for (const [at, byte] of changes) bytes[at % Math.max(1, bytes.length)] = byte;
    return new Uint8Array(bytes);
  });

test("says how long a string may be: in Node what it says itself, elsewhere V8's maximum", () => {
  expect(native.longestString).toBe(constants.MAX_STRING_LENGTH);
  expect(portable.longestString).toBe(536_870_888);
});

describe.each([
  ["native", native],
  ["portable", portable],
])("%s", (_, text) => {
  test("decodes a range of bytes as latin1, whatever they are", () => {
    const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => i);
    expect(text.decodeLatin1(bytes, 3, 9_999)).toBe(Buffer.from(bytes).toString("latin1", 3, 9_999));
    expect(text.decodeLatin1(bytes, 7, 7)).toBe("");
    expect(text.decodeLatin1(new Uint8Array(0), 0, 0)).toBe("");
  });

  test("decodes a range of bytes as UTF-8, a byte order mark and U+FFFD for what is none included", () => {
    const bytes = Buffer.from("xx\ufeffäöü€😀yy");
    expect(text.decodeUtf8(bytes, 2, bytes.length - 2)).toBe("\ufeffäöü€😀");
    expect(text.decodeUtf8(Uint8Array.of(0x61, 0xff, 0x62), 0, 3)).toBe("a\ufffdb");
    fc.assert(fc.property(nearlyUtf8, (some) => text.decodeUtf8(some, 0, some.length) === String(Buffer.from(some))));
  });

  test("tells UTF-8 from what is none", () => {
    expect(text.isUtf8(new Uint8Array(0))).toBe(true);
    expect(text.isUtf8(Uint8Array.of(0xed, 0xa0, 0x80))).toBe(false);
    fc.assert(fc.property(nearlyUtf8, (some) => text.isUtf8(some) === isUtf8(some)));
  });

  test("encodes, writes and measures any text as UTF-8, lone surrogates as U+FFFD", () => {
    fc.assert(
      fc.property(anyText, (some) => {
        const wanted = Buffer.from(some);
        const target = new Uint8Array(some.length * 3 + 2);
        const written = text.writeUtf8(target, 2, some);
        expect(Buffer.compare(text.encodeUtf8(some), wanted)).toBe(0);
        expect(Buffer.compare(target.subarray(2, 2 + written), wanted)).toBe(0);
        expect(text.utf8Length(some)).toBe(wanted.length);
      }),
    );
  });

  test("encodes latin1, each unit's low byte", () => {
    expect(Buffer.from(text.encodeLatin1("aÿ\u0141")).toString("hex")).toBe("61ff41");
  });
});
