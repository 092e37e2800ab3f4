import { expect, test } from "vitest";
import { sizeOf, toBinary, toMessage } from "../../../src/client/whatwg/message-data.ts";

test("takes strings, bytes and Blobs as they are, and other values as strings [WHATWG-3.1-7]", () => {
  const blob = new Blob(["abc"]);
  const bytes = new Uint8Array([1, 2, 3]);
  expect(toMessage("a")).toBe("a");
  expect(toMessage(blob)).toBe(blob);
  expect((toMessage(bytes.subarray(1)) as Uint8Array).buffer).toBe(bytes.buffer);
  expect([toMessage(5), toMessage(null), toMessage({ toString: () => "\ud800" })]).toEqual(["5", "null", "\ufffd"]);
  expect(() => toMessage(Symbol("a"))).toThrow(TypeError);
});

test("counts the bytes of a payload [WHATWG-3.1-8]", () => {
  expect(["aé€", new Uint8Array(4), new Blob(["é"])].map(sizeOf)).toEqual([6, 4, 2]);
});

test("gives binary data memory that holds the message alone [WHATWG-3.1-10]", async () => {
  const shared = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
  const copied = toBinary(shared, "arraybuffer") as ArrayBuffer;
  expect([...new Uint8Array(copied)]).toEqual([2, 3]);
  const whole = new Uint8Array([5]);
  expect(toBinary(whole, "arraybuffer")).toBe(whole.buffer);
  expect([...new Uint8Array(await (toBinary(shared, "blob") as Blob).arrayBuffer())]).toEqual([2, 3]);
});
