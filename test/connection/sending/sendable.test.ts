/** What can be sent, in which form, and how large it is. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { PreparedMessage } from "../../../src/connection/sending/prepared-message.ts";
import { checkSendable, isBlob, sizeOf } from "../../../src/connection/sending/sendable.ts";

describe("checkSendable", () => {
  test("takes views with their bounds, also when their properties lie [D10]", () => {
    const { buffer } = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(checkSendable(new DataView(buffer, 2, 3))).toEqual(new Uint8Array([3, 4, 5]));
    expect(checkSendable(new Uint16Array(buffer, 4, 2))).toEqual(new Uint8Array([5, 6, 7, 8]));
    expect(checkSendable(buffer)).toEqual(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
    expect(checkSendable(new Uint8Array(new SharedArrayBuffer(2)))).toEqual(new Uint8Array(2));
    const liar = Object.defineProperty(new Uint16Array(buffer, 0, 1), "buffer", { value: new ArrayBuffer(8) });
    expect(checkSendable(liar)).toEqual(new Uint8Array([1, 2]));
  });

  test.each([
    ["undefined", undefined],
    ["null", null],
    ["a number", 5],
    ["a bigint", 5n],
    ["a boolean", true],
    ["a symbol", Symbol("s")],
    ["a function", () => {}],
    ["an object", { length: 5 }],
    ["an array", [1, 2]],
    ["a String object", new String("s")],
    ["a Date", new Date()],
    ["a promise", Promise.resolve("s")],
    ["a SharedArrayBuffer", new SharedArrayBuffer(2)],
    ["what only inherits from Blob", Object.create(Blob.prototype)],
  ])("refuses %s [D10]", (_, data) => {
    expect(() => checkSendable(data)).toThrow(TypeError);
    expect(() => checkSendable(data)).toThrow("Cannot send: data must be");
  });

  test("advises JSON.stringify for an object, and for nothing else", () => {
    expect(() => checkSendable({ a: 1 })).toThrow(/, not an object; JSON\.stringify makes text of one$/);
    expect(() => checkSendable(null)).toThrow(/, not null$/);
    expect(() => checkSendable(5)).toThrow(/, not number$/);
  });
});

test("tells a Blob from what only inherits from it", () => {
  expect([new Blob([]), Object.create(Blob.prototype), new Uint8Array(1), null].map(isBlob)).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test("counts the bytes of a payload in every form", () => {
  const lying = Object.defineProperty(Buffer.from("abc"), "length", { value: 10 });
  const forms = ["aä", new Uint8Array(4), lying, new Blob(["ab"]), new PreparedMessage("ö")];
  expect(forms.map((form) => sizeOf(form))).toEqual([3, 4, 3, 2, 2]);
});
