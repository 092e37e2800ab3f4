/** Whatever is thrown becomes an Error that somebody is told of, and telling never throws. */
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import type { ConnectionSettings } from "../../../src/connection/handlers/connection-settings.ts";
import { errorOf, makeKnown, tellOf } from "../../../src/connection/handlers/handler-errors.ts";
import type { ConnectionHandlers } from "../../../src/connection/handlers/handlers.ts";
import { connectionLimits } from "../../../src/connection/options/limits.ts";
import { channels } from "../../../src/connection/process-wide/diagnostics.ts";
import { until } from "../../support/connection-pair.ts";

const connection = { name: "a connection" };
type Self = typeof connection;

let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => void stderr.mockRestore());

function settingsWith(
  handlers: ConnectionHandlers<Self>,
  more: Partial<ConnectionSettings<Self>> = {},
): ConnectionSettings<Self> {
  return { limits: connectionLimits, handlers, keepalive: undefined, ...more };
}

/** A Proxy whose every trap throws. */
function touchy(): object {
  const traps = new Proxy(
    {},
    {
      get: () => () => {
        throw new Error("touched");
      },
    },
  );
  return new Proxy({}, traps);
}

describe("errorOf", () => {
  test("an Error is itself", () => {
    const error = new RangeError("as it is");
    expect(errorOf(error)).toBe(error);
  });

  test.each<[string, unknown, string]>([
    ["undefined", undefined, "undefined"],
    ["null", null, "null"],
    ["a string", "why", "why"],
    ["a symbol", Symbol("why"), "Symbol(why)"],
    ["a function", () => expect.unreachable(), "a function"],
    ["an object", { toString: () => expect.unreachable() }, "an object that is no Error"],
  ])("%s is the cause of an Error that names it [D09]", (_, thrown, name) => {
    const error = errorOf(thrown);
    expect(error?.message).toBe(`A handler threw ${name}`);
    expect(error?.cause).toBe(thrown);
  });

  test("what throws when it is looked at is not looked at [D09]", () => {
    expect(errorOf(touchy())?.message).toBe("A handler threw an object that is no Error");
  });

  test("what was made known is no news; of what is no object, each is", () => {
    const error = new Error("known");
    makeKnown(error);
    expect(errorOf(error)).toBeUndefined();
    expect(errorOf(new Error("known"))).toBeInstanceOf(Error);
    makeKnown("a string");
    makeKnown(null);
    expect(errorOf("a string")).toBeInstanceOf(Error);
    expect(errorOf(null)).toBeInstanceOf(Error);
  });
});

describe("tellOf", () => {
  const error = new Error("of a handler");
  const printed = ["A connection's handler threw; it was closed with 1011:", error];

  test("the error handler alone is told, with its connection and `this` [D09]", () => {
    const told: unknown[] = [];
    const handlers: ConnectionHandlers<Self> = {
      error(self, thrown) {
        told.push(this, self, thrown);
      },
    };
    tellOf(error, connection, settingsWith(handlers));
    expect(told).toEqual([handlers, connection, error]);
    expect(stderr).not.toHaveBeenCalled();
  });

  test("without one, stderr is told of the first error of handlers that were made from the same ones [D09]", () => {
    const sharedHandlers = {};
    for (let i = 0; i < 2; i++) tellOf(error, connection, settingsWith({}, { sharedHandlers }));
    expect(stderr.mock.calls).toEqual([printed]);
    const alone = settingsWith({});
    for (let i = 0; i < 2; i++) tellOf(error, connection, alone);
    expect(stderr.mock.calls).toEqual([printed, printed]);
  });

  test("where errors are logged, stderr is not told", () => {
    const threw = vi.fn();
    tellOf(error, connection, settingsWith({}, { threw }));
    expect(threw.mock.calls).toEqual([[connection, error]]);
    expect(stderr).not.toHaveBeenCalled();
  });

  test("the channel is told where somebody listens", () => {
    const listener = vi.fn();
    channels.error.subscribe(listener);
    tellOf(error, connection, settingsWith({ error: () => {} }));
    channels.error.unsubscribe(listener);
    tellOf(error, connection, settingsWith({ error: () => {} }));
    expect(listener.mock.calls).toEqual([[{ connection, error }, channels.error.name]]);
  });

  test("an error handler that throws is told of, and then the first error [D09]", () => {
    const second = new Error("second");
    const handlers = {
      error: () => {
        throw second;
      },
    };
    tellOf(error, connection, settingsWith(handlers));
    expect(stderr.mock.calls).toEqual([["A connection's error handler threw:", second], printed]);
  });

  test("an error handler that rejects is told of [D09]", async () => {
    const second = new Error("second");
    tellOf(error, connection, settingsWith({ error: () => Promise.reject(second) }));
    await until(() => stderr.mock.calls.length > 0);
    expect(stderr.mock.calls).toEqual([["A connection's error handler threw:", second]]);
  });

  test("what cannot be printed is said to be so [D09]", () => {
    stderr.mockImplementation((_, what) => {
      if (typeof what !== "string") throw new Error("cannot be inspected");
    });
    tellOf(error, connection, settingsWith({}));
    expect(stderr.mock.calls).toEqual([printed, [printed[0], "an object that cannot be shown"]]);
  });
});
