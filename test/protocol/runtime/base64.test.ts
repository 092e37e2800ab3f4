/** Base64 against Buffer. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBase64, encodeBase64 } from "../../../src/protocol/runtime/base64.ts";

test("encodes what Buffer encodes, and decodes it again", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      const text = encodeBase64(bytes);
      expect(text).toBe(Buffer.from(bytes).toString("base64"));
      expect(Buffer.compare(decodeBase64(text), bytes)).toBe(0);
    }),
  );
});
