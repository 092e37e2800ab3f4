/** The events of `addEventListener` and of the attributes; `ws` is the control. */

import { Buffer } from "node:buffer";
import { once } from "node:events";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { CloseEvent, ErrorEvent, Event, MessageEvent } from "../../../src/ws/events/event.ts";
import type { WebSocket } from "../../../src/ws/index.ts";
import { until } from "../../support/connection-pair.ts";
import { both } from "../implementations.ts";
import { openPair, socketOf } from "../pairs.ts";

/** What is enumerable of an event, its class's too. */
function fieldsOf(event: object): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name in event) fields[name] = (event as Record<string, unknown>)[name];
  return fields;
}

describe.each(both)("the events of %s", (_, exports) => {
  test("tell what happened, and to whom", async () => {
    const { client, server } = await openPair(exports);
    const seen: Record<string, unknown>[] = [];
    for (const type of ["message", "error", "close"] as const) {
      server.addEventListener(type, (event: object) => seen.push(fieldsOf(event)));
    }
    client.send("text");
    client.send(Buffer.from("bytes"));
    await until(() => seen.length === 2);
    client.close(4000, "bye");
    await once(server, "close");
    expect(seen).toEqual([
      { type: "message", target: server, data: "text" },
      { type: "message", target: server, data: Buffer.from("bytes") },
      { type: "close", target: server, code: 4000, reason: "bye", wasClean: true },
    ]);
  });

  test("tell of an error, and of an end that is not clean", async () => {
    const { client, server } = await openPair(exports);
    const seen: Record<string, unknown>[] = [];
    for (const type of ["error", "close"] as const) {
      server.addEventListener(type, (event: object) => seen.push(fieldsOf(event)));
    }
    // An opcode that there is none of.
    socketOf(client).write(Buffer.of(0x83, 0x80, 0, 0, 0, 0));
    await until(() => seen.length === 2);
    const message = "Invalid WebSocket frame: invalid opcode 3";
    expect(seen).toEqual([
      { type: "error", target: server, message, error: expect.any(RangeError) },
      { type: "close", target: server, code: 1006, reason: "", wasClean: false },
    ]);
    expect(seen[0]!.error).toHaveProperty("code", "WS_ERR_INVALID_OPCODE");
  });

  test("show in a log what they tell", async () => {
    const { client, server } = await openPair(exports);
    const shown: string[] = [];
    for (const type of ["message", "error", "close"] as const) {
      server.addEventListener(type, (event: object) => shown.push(inspect(event)));
    }
    client.send("some text");
    await until(() => shown.length === 1);
    // An opcode that there is none of.
    socketOf(client).write(Buffer.of(0x83, 0x80, 0, 0, 0, 0));
    await until(() => shown.length === 3);
    expect(shown[0]).toMatch(/^MessageEvent \{[\s\S]*'message'[\s\S]*'some text'/);
    expect(shown[1]).toMatch(
      /^ErrorEvent \{[\s\S]*'error'[\s\S]*RangeError: Invalid WebSocket frame: invalid opcode 3\n +at /,
    );
    expect(shown[2]).toMatch(/^CloseEvent \{[\s\S]*'close'[\s\S]*1006/);
  });

  test("go to each listener once, whatever it is, until it is removed", async () => {
    const { client, server } = await openPair(exports);
    const seen: string[] = [];
    const one = function (this: WebSocket) {
      seen.push(`one ${this === server}`);
    };
    const two = { handleEvent: () => void seen.push("two") };
    server.addEventListener("message", one);
    server.addEventListener("message", one);
    server.addEventListener("message", two);
    server.addEventListener("message", () => void seen.push("once"), { once: true });
    server.addEventListener("ping" as "message", () => void seen.push("never"));
    client.send("a");
    await until(() => seen.length === 3);
    server.removeEventListener("message", two);
    server.removeEventListener("message", () => {});
    client.ping();
    client.send("b");
    await until(() => seen.length === 4);
    expect(seen).toEqual(["one true", "two", "once", "one true"]);
    expect(server.listenerCount("message")).toBe(1);
  });

  test("have one listener as an attribute, beside others and the same one", async () => {
    const { client, server } = await openPair(exports);
    const seen: unknown[] = [];
    const listener = ({ data }: { data: unknown }) => void seen.push(data);
    expect(server.onmessage).toBe(null);
    server.onmessage = () => seen.push("replaced");
    server.onmessage = listener;
    server.addEventListener("message", listener);
    expect(server.onmessage).toBe(listener);
    client.send("a");
    await until(() => seen.length === 2);
    server.removeEventListener("message", listener);
    client.send("b");
    await until(() => seen.length === 3);
    server.onmessage = "no function" as never;
    expect([server.onmessage, server.listenerCount("message"), seen]).toEqual([null, 0, ["a", "a", "b"]]);
  });

  test("are told to the emitter's own listeners as values, and to what is emitted by hand", async () => {
    const { server } = await openPair(exports);
    const seen: unknown[] = [];
    server.onclose = ({ code, reason, wasClean }) => seen.push([code, reason, wasClean]);
    server.on("close", (...values) => seen.push(values));
    server.emit("close", 4001, Buffer.from("by hand"));
    expect(seen).toEqual([
      [4001, "by hand", false],
      [4001, Buffer.from("by hand")],
    ]);
  });
});

test("an event that is told nothing holds nothing", () => {
  expect(fieldsOf(new Event("open"))).toEqual({ type: "open", target: null });
  expect(fieldsOf(new CloseEvent("x"))).toEqual({ type: "x", target: null, code: 0, reason: "", wasClean: false });
  expect(fieldsOf(new ErrorEvent("x"))).toEqual({ type: "x", target: null, error: null, message: "" });
  expect(fieldsOf(new MessageEvent("x"))).toEqual({ type: "x", target: null, data: null });
});
