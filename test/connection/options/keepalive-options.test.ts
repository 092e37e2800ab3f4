import { describe, expect, test } from "vitest";
import { resolveKeepalive } from "../../../src/connection/options/keepalive-options.ts";

describe("resolveKeepalive", () => {
  test("on by default, with an interval below every usual proxy's limit of 60 s [D03]", () => {
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
