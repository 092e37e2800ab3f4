/** What `close`, `send`, `ping` and `pong` take and refuse; `ws` is the control. */

import { Buffer } from "node:buffer";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { both } from "./implementations.ts";
import { openPair, socketOf } from "./pairs.ts";

describe.each(both)("the arguments of %s", (_, exports) => {
  test.each([
    [1000, 1000],
    [1003, 1003],
    [1014, 1014],
    [3000.5, 3000],
    [4999, 4999],
    [undefined, 1005],
  ])("close(%s) is told as %i", async (code, told) => {
    const { client, server } = await openPair(exports);
    client.close(code);
    expect(await once(server, "close")).toEqual([told, Buffer.alloc(0)]);
  });

  test.each([999, 1004, 1005, 1006, 1015, 2999, 5000, Number.NaN, "1000", null])(
    "close(%s) is a TypeError, and the connection stays open",
    async (code) => {
      const { client } = await openPair(exports);
      const refusal = new TypeError("First argument must be a valid error code number");
      expect(() => client.close(code as number)).toThrow(refusal);
      expect(client.readyState).toBe(1);
    },
  );

  test("a reason has at most 123 bytes, and is none without a code", async () => {
    const { client, server } = await openPair(exports);
    const tooLong = new RangeError("The message must not be greater than 123 bytes");
    expect(() => client.close(1000, "é".repeat(62))).toThrow(tooLong);
    expect(() => client.close(1000, Buffer.alloc(124))).toThrow(tooLong);
    client.close(1000, Buffer.from("é".repeat(61)));
    expect(await once(server, "close")).toEqual([1000, Buffer.from("é".repeat(61))]);
    const second = await openPair(exports);
    second.client.close(undefined, "nobody hears of it");
    expect(await once(second.server, "close")).toEqual([1005, Buffer.alloc(0)]);
  });

  test("what has no bytes is refused, and nothing of it is sent", async () => {
    const { client, server } = await openPair(exports);
    for (const data of [true, {}, Symbol("a"), () => {}]) expect(() => client.send(data)).toThrow(TypeError);
    const received = once(server, "message");
    client.send([1, 2, 3]);
    expect(await received).toEqual([Buffer.of(1, 2, 3), true]);
  });

  test("a Ping and a Pong have at most 125 bytes", async () => {
    const { client, server } = await openPair(exports);
    const tooLong = new RangeError("The data size must not be greater than 125 bytes");
    expect(() => client.ping("x".repeat(126))).toThrow(tooLong);
    expect(() => client.pong(Buffer.alloc(126))).toThrow(tooLong);
    const heard = Promise.all([once(server, "ping"), once(server, "pong")]);
    client.ping("x".repeat(125));
    client.pong(7);
    expect(await heard).toEqual([[Buffer.from("x".repeat(125))], [Buffer.from("7")]]);
  });

  test("who comes too late has it said by the callback alone, with the state", async () => {
    const { client } = await openPair(exports);
    client.close();
    const outcomes = [
      new Promise((resolve) => client.send("late", {}, resolve)),
      new Promise((resolve) => client.ping("late", undefined, resolve)),
      new Promise((resolve) => client.pong("late", resolve)),
    ];
    for (const error of await Promise.all(outcomes)) {
      expect(error).toEqual(new Error("WebSocket is not open: readyState 2 (CLOSING)"));
    }
    expect(client.bufferedAmount).toBeGreaterThanOrEqual(12);
    await once(client, "close");
    const error = await new Promise((resolve) => client.send("late", resolve));
    expect(error).toEqual(new Error("WebSocket is not open: readyState 3 (CLOSED)"));
  });

  test("an error that its user gives the socket ends the connection, and is no error of the WebSocket", async () => {
    const { client, server } = await openPair(exports);
    const closes = Promise.all([once(client, "close"), once(server, "close")]);
    socketOf(server).emit("error", new Error("given"));
    expect(await closes).toEqual([
      [1006, Buffer.alloc(0)],
      [1006, Buffer.alloc(0)],
    ]);
  });
});
