import { describe, expect, test } from "vitest";
import { CloseEvent, ErrorEvent } from "../../../src/client/whatwg/events.ts";

describe("CloseEvent", () => {
  test("has its defaults [WHATWG-6-1]", () => {
    const event = new CloseEvent("close");
    expect(event).toBeInstanceOf(Event);
    expect([event.type, event.wasClean, event.code, event.reason]).toEqual(["close", false, 0, ""]);
    expect([event.bubbles, event.cancelable, event.composed]).toEqual([false, false, false]);
    expect(String(event)).toBe("[object CloseEvent]");
    expect([CloseEvent.name, CloseEvent.length]).toEqual(["CloseEvent", 1]);
  });

  test("converts its members [WHATWG-6-1]", () => {
    const convert = (init: object | null | undefined) => {
      const { wasClean, code, reason } = new CloseEvent("close", init as object);
      return [wasClean, code, reason];
    };
    expect(convert({ wasClean: 1, code: 1001, reason: "going" })).toEqual([true, 1001, "going"]);
    expect(convert({ wasClean: "", code: 65536 + 7, reason: null })).toEqual([false, 7, "null"]);
    expect(convert({ code: "3000", reason: "\ud800" })).toEqual([false, 3000, "\ufffd"]);
    expect(convert({ code: Number.NaN, reason: undefined })).toEqual([false, 0, ""]);
    expect(convert(null)).toEqual([false, 0, ""]);
    expect(convert(undefined)).toEqual([false, 0, ""]);
    const bubbling = new CloseEvent("close", { bubbles: true, cancelable: true });
    expect([bubbling.bubbles, bubbling.cancelable]).toEqual([true, true]);
  });

  test("throws a TypeError for members that cannot be converted", () => {
    expect(() => new (CloseEvent as unknown as new () => Event)()).toThrow(TypeError);
    // The runtime's own class takes a bigint for a number.
    const bigints = "CloseEvent" in globalThis ? [] : [{ code: 1n }];
    for (const init of [...bigints, { code: Symbol("s") }, { reason: Symbol("s") }, 1]) {
      expect(() => new CloseEvent("close", init as object)).toThrow(TypeError);
    }
    expect(() => (CloseEvent as unknown as (type: string) => void)("close")).toThrow(TypeError);
  });

  test("has its members on the prototype, enumerable, and they check their object", () => {
    for (const name of ["wasClean", "code", "reason"] as const) {
      const { get, set, enumerable, configurable } = Object.getOwnPropertyDescriptor(CloseEvent.prototype, name)!;
      expect([get!.name, set, enumerable, configurable]).toEqual([`get ${name}`, undefined, true, true]);
      expect(() => get!.call({})).toThrow(TypeError);
      expect(() => CloseEvent.prototype[name]).toThrow(TypeError);
    }
  });
});

test("ErrorEvent has an error and its message", () => {
  const error = new Error("why");
  const event = new ErrorEvent("error", { error, message: error.message });
  expect(event).toBeInstanceOf(Event);
  expect([event.type, event.error, event.message, event.bubbles]).toEqual(["error", error, "why", false]);
  expect(String(event)).toBe("[object ErrorEvent]");
  expect(() => Object.getOwnPropertyDescriptor(ErrorEvent.prototype, "error")!.get!.call({})).toThrow(TypeError);
});
