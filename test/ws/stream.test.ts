/** WebSockets as streams of Node, as users of `ws` know them: each test also with `ws` itself, which is the control. */

import { once } from "node:events";
import { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, test } from "vitest";
import { until } from "../support/connection-pair.ts";
import { both } from "./implementations.ts";
import { dial, listen, openPair, record, socketOf, urlOf } from "./pairs.ts";

describe.each(both)("createWebSocketStream of %s", (_, exports) => {
  const { createWebSocketStream } = exports;

  test("writes messages, also before it is open, and reads them", async () => {
    const listener = await listen(exports);
    listener.on("connection", (ws) => ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary })));
    const stream = createWebSocketStream(dial(exports, urlOf(listener)), { encoding: "utf8" });
    expect(stream).toBeInstanceOf(Duplex);
    stream.write("early");
    stream.write(Buffer.from("bytes"));
    const seen: unknown[] = [];
    stream.on("data", (chunk) => seen.push(chunk));
    await until(() => seen.join("") === "earlybytes");
    stream.end();
    await once(stream, "close");
  });

  test("gives text as strings in readable object mode, and ends with the connection", async () => {
    const { client, server } = await openPair(exports);
    const stream = createWebSocketStream(client, { readableObjectMode: true });
    const seen: unknown[] = [];
    stream.on("data", (chunk) => seen.push(chunk));
    stream.on("end", () => seen.push("end"));
    server.send("text");
    server.send(Buffer.from("binary"));
    server.close();
    await until(() => seen.length === 3);
    expect(seen).toEqual(["text", Buffer.from("binary"), "end"]);
    stream.end();
    await once(stream, "close");
    expect(stream.destroyed).toBe(true);
  });

  test("a long transfer both ways waits for its readers and loses nothing", async () => {
    const { client, server } = await openPair(exports);
    const near = createWebSocketStream(client);
    const far = createWebSocketStream(server);
    const echoed = pipeline(far, far).catch(() => {});
    const sent = Buffer.alloc(3_000_000, "0123456789");
    const received: Buffer[] = [];
    near.on("data", (chunk) => received.push(chunk));
    for (let at = 0; at < sent.length; at += 50_000) {
      if (!near.write(sent.subarray(at, at + 50_000))) await once(near, "drain");
    }
    await until(() => received.reduce((sum, { length }) => sum + length, 0) === sent.length);
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    near.end();
    await echoed;
  });

  test("pauses the WebSocket while it is not read", async () => {
    const { client, server } = await openPair(exports);
    const stream = createWebSocketStream(client);
    server.send(Buffer.alloc(200_000));
    await until(() => client.isPaused);
    stream.resume();
    await until(() => !client.isPaused);
    stream.destroy();
  });

  test.each([undefined, new Error("own")])("destroying it with %s ends the WebSocket", async (error) => {
    const { client, server } = await openPair(exports);
    const stream = createWebSocketStream(client);
    const [seen, closes] = [[] as unknown[], record(server, ["close"])];
    stream.on("error", (told) => seen.push(told));
    stream.on("close", () => seen.push("close"));
    stream.destroy(error);
    await until(() => seen.at(-1) === "close" && closes.length > 0);
    expect(seen).toEqual(error === undefined ? ["close"] : [error, "close"]);
    expect(closes).toEqual([["close", 1006, ""]]);
  });

  test("an error of the WebSocket is its own, and the Close leaves all the same", async () => {
    const { client, server } = await openPair(exports);
    const stream = createWebSocketStream(client);
    const [seen, closes] = [[] as unknown[], record(server, ["close"])];
    stream.on("error", ({ message }) => seen.push(message));
    stream.on("close", () => seen.push("close"));
    socketOf(server).write(Buffer.from([0x85, 0x00]));
    await until(() => seen.length === 2 && closes.length > 0);
    expect(seen).toEqual(["Invalid WebSocket frame: invalid opcode 5", "close"]);
    expect(closes).toEqual([["close", 1002, ""]]);
  });

  test("a write that comes too late is an error", async () => {
    const { client, server } = await openPair(exports);
    const stream = createWebSocketStream(client);
    const seen: unknown[] = [];
    stream.on("error", ({ message }) => seen.push(message));
    stream.on("close", () => seen.push("close"));
    server.close();
    await once(client, "close");
    stream.write("late");
    await until(() => seen.length === 2);
    expect(seen).toEqual(["WebSocket is not open: readyState 3 (CLOSED)", "close"]);
  });
});
