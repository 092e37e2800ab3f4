import { afterEach, expect, test, vi } from "vitest";
import { encodeBase64 } from "../../../src/protocol/runtime/base64.ts";
import { instantiate } from "../../../src/protocol/runtime/web-assembly.ts";

/** A module whose function "f" returns 7. */
const seven = [
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7f],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00],
  ...[0x0a, 0x06, 0x01, 0x04, 0x00, 0x41, 0x07, 0x0b],
];

afterEach(() => {
  vi.unstubAllGlobals();
});

test("returns what a module exports", () => {
  expect(instantiate<{ f: () => number }>(encodeBase64(Uint8Array.from(seven)))?.f()).toBe(7);
});

test("returns undefined for what the runtime does not know, and where there is no WebAssembly", () => {
  expect(instantiate(encodeBase64(Uint8Array.from([...seven.slice(0, -2), 0xff, 0x0b])))).toBeUndefined();
  vi.stubGlobal("WebAssembly", undefined);
  expect(instantiate(encodeBase64(Uint8Array.from(seven)))).toBeUndefined();
});
