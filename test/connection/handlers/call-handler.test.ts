/** A handler that is called, with what it returns and throws. */
import { describe, expect, test, vi } from "vitest";
import { callHandler } from "../../../src/connection/handlers/call-handler.ts";
import type { ConnectionHandlers } from "../../../src/connection/handlers/handlers.ts";

function callerWith(handlers: ConnectionHandlers<object>) {
  return { connection: {}, handlers, awaits: vi.fn(), handlerThrew: vi.fn() };
}

const rest = { awaits: 0, threw: 0, done: 0 };

/** What a call came to, once all promises have settled. */
async function outcome(handlers: ConnectionHandlers<object>, name: "open" | "closing" | "drain") {
  const caller = callerWith(handlers);
  const done = vi.fn();
  callHandler(caller, name, undefined, done);
  await new Promise((resolve) => setImmediate(resolve));
  return {
    awaits: caller.awaits.mock.calls.length,
    threw: caller.handlerThrew.mock.calls.length,
    done: done.mock.calls.length,
  };
}

describe("callHandler", () => {
  const fails = () => {
    throw new Error("mine");
  };

  test("is done at once without a handler, and with one that returns nothing", async () => {
    expect(await outcome({}, "drain")).toEqual({ ...rest, done: 1 });
    expect(await outcome({ drain: () => {} }, "drain")).toEqual({ ...rest, done: 1 });
  });

  test("is done once where the handler throws, or its promise is rejected", async () => {
    expect(await outcome({ drain: fails }, "drain")).toEqual({ ...rest, threw: 1, done: 1 });
    expect(await outcome({ drain: async () => fails() }, "drain")).toEqual({ ...rest, threw: 1, done: 1 });
  });

  test("holds back messages for `closing`, and for `open` unless that may read them itself", async () => {
    expect(await outcome({ closing: async () => {} }, "closing")).toEqual({ ...rest, awaits: 1 });
    expect(await outcome({ open: async () => {}, message: () => {} }, "open")).toEqual({ ...rest, awaits: 1 });
    expect(await outcome({ open: async () => {} }, "open")).toEqual({ ...rest, done: 1 });
  });

  test("gives the handler its object, the connection and bytes of its own", () => {
    const payload = new Uint8Array([1, 2]);
    const seen: unknown[] = [];
    const handlers: ConnectionHandlers<object> = {
      ping(connection, bytes) {
        seen.push(this, connection, [...bytes]);
        bytes.fill(0);
      },
    };
    const caller = callerWith(handlers);
    callHandler(caller, "ping", payload);
    expect(seen).toEqual([handlers, caller.connection, [1, 2]]);
    expect(payload).toEqual(new Uint8Array([1, 2]));
  });
});
