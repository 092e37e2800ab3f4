import { expect, test } from "vitest";
import { moduleBase64 } from "../../../src/protocol/deflate/module.ts";
import { decodeBase64 } from "../../../src/protocol/runtime/base64.ts";
import { instantiate } from "../../../src/protocol/runtime/web-assembly.ts";

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly deflate: unknown;
  readonly inflate: unknown;
}

test("the module imports nothing, and has four pages of memory for ever", () => {
  const { memory, deflate, inflate } = instantiate<Exports>(moduleBase64)!;
  expect(memory.buffer.byteLength).toBe(4 * 65_536);
  expect(() => memory.grow(1)).toThrow(RangeError);
  expect([typeof deflate, typeof inflate]).toEqual(["function", "function"]);
});

test("is no more than 8 KiB", () => {
  expect(decodeBase64(moduleBase64).length).toBeLessThanOrEqual(8192);
});
