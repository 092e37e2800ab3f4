/** SHA-1 against the standards' own examples and against Node. */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sha1, sha1InBase64 } from "../../../src/protocol/runtime/sha1.ts";
import { withoutNatives } from "../../support/without-natives.ts";

const portable = await withoutNatives(() => import("../../../src/protocol/runtime/sha1.ts"));

/** RFC 3174 section 7.3. */
const examples = [
  ["abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"],
  ["abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"],
  ["a", 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"],
  ["0123456701234567012345670123456701234567012345670123456701234567", 10, "dea356a2cddd90c7a7ecedc5ebb563934f460452"],
] as const;

test.each(examples)("hashes %s, repeated %i times, to what RFC 3174 says", (text, times, wanted) => {
  expect(Buffer.from(sha1(Buffer.from(text.repeat(times)))).toString("hex")).toBe(wanted);
});

test("hashes as Node does, whatever the length", () => {
  for (let length = 0; length < 200; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => i * length);
    expect(Buffer.from(sha1(bytes)).toString("hex")).toBe(hash("sha1", bytes, "hex"));
  }
});

test("hashes the UTF-8 of a text to base64, with Node's function and without it", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("a", "ä", "€", "😀", "\0", "\ud800") }), (text) => {
      const wanted = hash("sha1", text, "base64");
      expect([sha1InBase64(text), portable.sha1InBase64(text)]).toEqual([wanted, wanted]);
    }),
  );
});
