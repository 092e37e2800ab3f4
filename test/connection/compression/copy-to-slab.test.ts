import { expect, test } from "vitest";
import { copyToSlab } from "../../../src/connection/compression/copy-to-slab.ts";
import { noise } from "../../support/deflate-samples.ts";

test("what is copied keeps no larger buffer alive and is never written again", () => {
  const source = noise(100_000, 13);
  const copies = Array.from({ length: 200 }, (_, index) => copyToSlab(source.subarray(index, index * 30)));
  copies.push(copyToSlab(source.subarray(50)));
  source.fill(0);
  const original = noise(100_000, 13);
  for (const [index, copy] of copies.entries()) {
    const expected = index === 200 ? original.subarray(50) : original.subarray(index, index * 30);
    expect(Buffer.compare(copy, expected)).toBe(0);
    expect(copy.buffer.byteLength).toBeLessThanOrEqual(Math.max(16_384, copy.length));
    expect(Object.getPrototypeOf(copy)).toBe(Uint8Array.prototype);
  }
});
