import { describe, expect, test } from "vitest";
import { type WebSocketCloseInfo, WebSocketError } from "../../../src/index.ts";

const show = ({ name, message, code, closeCode, reason }: WebSocketError) => [name, message, code, closeCode, reason];
const make = (...given: unknown[]) => new WebSocketError(...(given as [string, WebSocketCloseInfo]));

describe("WebSocketError [WHATWG-WSS-1]", () => {
  test("has its defaults, and is a DOMException", () => {
    const error = new WebSocketError();
    expect(show(error)).toEqual(["WebSocketError", "", 0, null, ""]);
    expect(error).toBeInstanceOf(DOMException);
    expect(error).toBeInstanceOf(Error);
    expect(Object.prototype.toString.call(error)).toBe("[object WebSocketError]");
    expect([WebSocketError.name, WebSocketError.length]).toEqual(["WebSocketError", 0]);
  });

  test.each([
    [
      ["m", { closeCode: 3456, reason: "r" }],
      [3456, "r"],
    ],
    [
      ["m", { closeCode: 3333 }],
      [3333, ""],
    ],
    [
      ["m", { closeCode: 1000 }],
      [1000, ""],
    ],
    [
      ["m", { closeCode: "4999" }],
      [4999, ""],
    ],
    [
      ["m", { reason: "specified" }],
      [1000, "specified"],
    ],
    [
      ["m", { reason: "" }],
      [null, ""],
    ],
    [
      ["m", { closeCode: undefined, reason: undefined }],
      [null, ""],
    ],
    [
      ["m", { reason: "\ud800" }],
      [1000, "\ufffd"],
    ],
    [
      ["m", { reason: "x".repeat(123) }],
      [1000, "x".repeat(123)],
    ],
    [
      ["m", null],
      [null, ""],
    ],
    [["m"], [null, ""]],
  ])("%j is %j", (given, [closeCode, reason]) => {
    expect(show(make(...given))).toEqual(["WebSocketError", "m", 0, closeCode, reason]);
  });

  test.each([[0], [999], [1001], [1005], [2999], [5000], [65535], [null]])("refuses the code %s", (closeCode) => {
    expect(() => make("", { closeCode })).toThrow(expect.objectContaining({ name: "InvalidAccessError" }));
  });

  test.each([["x".repeat(124)], ["🔌".repeat(32)], ["\ud800".repeat(42)]])("refuses the reason %s", (reason) => {
    expect(() => make("", { reason })).toThrow(expect.objectContaining({ name: "SyntaxError" }));
    expect(() => make("", { closeCode: 1000, reason })).toThrow(expect.objectContaining({ name: "SyntaxError" }));
  });

  test.each([[["m", 5]], [["m", { closeCode: 65536 }]], [["m", { closeCode: -1 }]], [["m", { closeCode: 1n }]]])(
    "throws a TypeError for %s",
    (given) => {
      expect(() => make(...given)).toThrow(TypeError);
    },
  );

  test("has members that check their object", () => {
    for (const name of ["closeCode", "reason"] as const) {
      expect(() => WebSocketError.prototype[name]).toThrow(TypeError);
      expect(Object.getOwnPropertyDescriptor(WebSocketError.prototype, name)).toMatchObject({ enumerable: true });
    }
  });
});
