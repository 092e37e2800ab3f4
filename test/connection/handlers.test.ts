import { describe, expect, test } from "vitest";
import { isThenable, resolveDelivery, resolveKeepalive } from "../../src/connection/handlers.ts";

describe("resolveKeepalive", () => {
  test("D03: on by default, with an interval below every usual proxy's limit of 60 s", () => {
    expect(resolveKeepalive(undefined)).toEqual({ interval: 25_000, timeout: 20_000 });
    expect(resolveKeepalive(true)).toEqual({ interval: 25_000, timeout: 20_000 });
  });

  test("off when false; each part can be set alone", () => {
    expect(resolveKeepalive(false)).toBeUndefined();
    expect(resolveKeepalive({ interval: 1000 })).toEqual({ interval: 1000, timeout: 20_000 });
    expect(resolveKeepalive({ timeout: 3000 })).toEqual({ interval: 25_000, timeout: 3000 });
  });

  test.each([0, 999, -1, Number.NaN])("less than a turn of the wheel is refused: %s", (value) => {
    expect(() => resolveKeepalive({ interval: value as number })).toThrow("interval must be a number from 1000 on");
    expect(() => resolveKeepalive({ timeout: value as number })).toThrow("timeout must be a number from 1000 on");
  });

  test("what is no option, or of another type, is refused", () => {
    expect(() => resolveKeepalive({ interval: "5000" as unknown as number })).toThrow(
      new TypeError('Cannot keep alive: the option "interval" must be a number, not "5000"'),
    );
    expect(() => resolveKeepalive({ timeOut: 5000 } as object)).toThrow(
      new TypeError('Cannot keep alive: there is no option "timeOut"; did you mean "timeout"?'),
    );
    expect(() => resolveKeepalive(30_000 as never)).toThrow(
      new TypeError("Cannot keep alive: the options must be an object, not 30000"),
    );
  });
});

describe("resolveDelivery", () => {
  const message = () => {};

  test("strings that are the application's by default; an option goes before the server's", () => {
    expect(resolveDelivery({ message })).toEqual({ accepts: "any", textAsBytes: false, lendsBytes: false });
    expect(resolveDelivery({ message }, { text: "bytes", borrow: true })).toEqual({
      accepts: "any",
      textAsBytes: true,
      lendsBytes: true,
    });
    const own = { message, text: "string", borrow: false } as const;
    expect(resolveDelivery(own, { text: "bytes", borrow: true })).toEqual({
      accepts: "any",
      textAsBytes: false,
      lendsBytes: false,
    });
  });

  test("bytes are lent to a message handler and to nobody else", () => {
    expect(resolveDelivery({ borrow: true, message }).lendsBytes).toBe(true);
    expect(resolveDelivery({ borrow: true }).lendsBytes).toBe(false);
  });

  test("one type of messages may be all that is accepted", () => {
    for (const accepts of ["text", "binary", "any"] as const) {
      expect(resolveDelivery({ accepts, message }).accepts).toBe(accepts);
    }
    expect(() => resolveDelivery({ accepts: "json" as never })).toThrow(
      new TypeError('Cannot accept "json": messages are "text", "binary" or "any"'),
    );
  });

  test.each(["buffer", "", 5])("text cannot be %j", (text) => {
    const told = `Cannot deliver text as ${JSON.stringify(text)}: it comes as "string" or as "bytes"`;
    for (const given of [[{ text }], [{}, { text }]] as [object, object?][]) {
      expect(() => resolveDelivery(...given)).toThrow(new TypeError(told));
    }
  });
});

describe("isThenable", () => {
  // biome-ignore lint/suspicious/noThenProperty: it is what is tested
  const withThen = (then: unknown) => Object.fromEntries([["then", then]]);

  test("promises are, of whatever make, and nothing else is", () => {
    for (const awaited of [Promise.resolve(), withThen(() => {})]) expect(isThenable(awaited)).toBe(true);
    for (const other of [undefined, null, true, "then", {}, withThen(1)]) expect(isThenable(other)).toBe(false);
  });
});
