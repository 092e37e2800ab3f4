import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { afterEach, describe, expect, test, vi } from "vitest";
import { discardInput, refuse, writeClose, writeRefusal } from "../../../src/server/handshake/refuse.ts";
import { plainRefusal, Refused } from "../../../src/server/handshake/refused.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { parseResponse, RawPeer, socketPair } from "../../support/raw-peer.ts";

afterEach(() => {
  vi.useRealTimers();
});

describe("writeRefusal", () => {
  test("writes the answer, ends the stream, and is done when the client ends too [R6455-4.2.2]", async () => {
    const [near, far] = await socketPair();
    const peer = new RawPeer(far, "client");
    writeRefusal(near, plainRefusal(400, "The reason", [["X-More", "1"]]));
    await peer.until(() => false);
    const { status, headers, body } = parseResponse(peer.received.toString("latin1"));
    expect([status, body]).toEqual([400, "The reason\n"]);
    expect(headers.get("connection")).toBe("close");
    expect(headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(headers.get("x-more")).toBe("1");
    peer.end();
    await Promise.all([peer.closed, new Promise((resolve) => near.once("close", resolve))]);
    expect(near.destroyed).toBe(true);
  });

  test("survives a reset after the answer [C04]", async () => {
    const [near, far] = await socketPair();
    const peer = new RawPeer(far, "client");
    writeRefusal(near, plainRefusal(400, "The reason"));
    peer.reset();
    await new Promise((resolve) => near.once("close", resolve));
  });

  test("cuts a client off after a second, also one that sends on", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const socket = new HeldDuplex();
    writeRefusal(socket, plainRefusal(400, "The reason"));
    for (let i = 0; i < 20; i++) socket.push(Buffer.alloc(10_000));
    await nextTurn();
    expect(socket.readableLength).toBe(0);
    vi.advanceTimersByTime(999);
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(socket.destroyed).toBe(true);
    await nextTurn();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("does nothing to a destroyed stream", () => {
    const socket = new HeldDuplex();
    socket.destroy();
    writeRefusal(socket, plainRefusal(400, "The reason"));
    expect(socket.writes).toEqual([]);
  });

  test("discardInput clears its timer when the stream closes", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const socket = new HeldDuplex();
    discardInput(socket);
    expect(vi.getTimerCount()).toBe(1);
    socket.destroy();
    await nextTurn();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("writeClose", () => {
  const head = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

  test("writes the 101 and the Close at once, and ends with the first byte that comes [R6455-7.1.1]", async () => {
    const socket = new HeldDuplex();
    writeClose(socket, head, { code: 4401, reason: "no" });
    const close = [0x88, 4, 4401 >> 8, 4401 & 255, ..."no"].map((byte) =>
      typeof byte === "string" ? byte.charCodeAt(0) : byte,
    );
    expect(Buffer.concat(socket.writes)).toEqual(Buffer.concat([Buffer.from(head), Buffer.from(close)]));
    expect(socket.writes).toHaveLength(1);
    await nextTurn();
    expect(socket.writableEnded).toBe(false);
    socket.push(Buffer.of(0x88));
    await nextTurn();
    expect(socket.writableEnded).toBe(true);
    socket.destroy();
  });

  test("ends when the client does, and cuts a silent one off after a second", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const ended = new HeldDuplex();
    writeClose(ended, head, { code: 1013, reason: "" });
    ended.push(null);
    await nextTurn();
    expect(ended.writableEnded).toBe(true);
    const silent = new HeldDuplex();
    writeClose(silent, head, { code: 1013, reason: "" });
    vi.advanceTimersByTime(999);
    expect(silent.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(silent.destroyed).toBe(true);
  });

  test("does nothing to a destroyed stream", () => {
    const socket = new HeldDuplex();
    socket.destroy();
    writeClose(socket, head, { code: 1013, reason: "" });
    expect(socket.writes).toEqual([]);
  });
});

describe("refuse", () => {
  test("counts by reason, and publishes to subscribers [G37]", () => {
    const refusals = new Map<string, number>();
    const request = {} as IncomingMessage;
    const seen: unknown[] = [];
    const listener = (message: unknown) => seen.push(message);
    const exchange = () => ({ request, socket: new HeldDuplex(), head: Buffer.alloc(0), refusals });
    refuse(exchange(), Refused.by("unknown-path"));
    subscribe("openline:handshake:refused", listener);
    try {
      refuse(exchange(), Refused.by("unknown-path"));
      refuse(exchange(), Refused.closing(1012, 7));
    } finally {
      unsubscribe("openline:handshake:refused", listener);
    }
    expect([...refusals]).toEqual([
      ["unknown-path", 2],
      ["server-closing", 1],
    ]);
    expect(seen).toEqual([
      { request, status: 404, reason: "unknown-path" },
      { request, status: 503, reason: "server-closing" },
    ]);
  });
});
