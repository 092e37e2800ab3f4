/** The bytes that are committed, as they come to a page; the gate `kernels` shows that they are the source's. */
import { expect, test } from "vitest";
import { moduleBase64 } from "../../../src/protocol/frames/mask-module.ts";
import { decodeBase64 } from "../../../src/protocol/runtime/base64.ts";
import { instantiate } from "../../../src/protocol/runtime/web-assembly.ts";

test("a module of a few hundred bytes that has the memory for reads, and imports nothing", () => {
  const { memory, ...functions } = instantiate<{ memory: { buffer: ArrayBuffer } }>(moduleBase64)!;
  expect(memory.buffer.byteLength).toBe(256 * 1024);
  expect(Object.keys(functions).sort()).toEqual(["mask", "unmaskPlain"]);
  expect(decodeBase64(moduleBase64).length).toBeLessThanOrEqual(512);
});
