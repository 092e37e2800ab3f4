import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { afterEach, describe, expect, test, vi } from "vitest";
import { discardInput, refuse, writeClose, writeRefusal } from "../../../src/server/handshake/refuse.ts";
import { plainRefusal, Refused } from "../../../src/server/handshake/refused.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { closeFrame, parseResponse, RawPeer, socketPair } from "../../support/raw-peer.ts";
import { type Cuts, cut, frameFrom, type WireFrame } from "../../support/wire.ts";

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
  const response = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
  const answer = { response, early: Buffer.alloc(0), closeTimeout: 5000 };
  const status = { code: 4401, reason: "no" };
  const close = frameFrom("client", closeFrame(4401));
  const frames = (...list: Omit<WireFrame, "key">[]) => Buffer.concat(list.map((frame) => frameFrom("client", frame)));

  async function push(socket: HeldDuplex, bytes: Buffer, cuts: Cuts = "whole"): Promise<void> {
    for (const chunk of cut(bytes, cuts)) socket.push(chunk);
    await nextTurn();
  }

  test("writes the 101 and the Close at once", () => {
    const socket = new HeldDuplex();
    writeClose(socket, status, answer);
    const sent = frameFrom("server", closeFrame(4401, "no"));
    expect(socket.writes).toEqual([Buffer.concat([Buffer.from(response), sent])]);
    socket.destroy();
  });

  const long = { opcode: 2, payload: Buffer.alloc(60_000) };
  test.each<[string, Buffer]>([
    ["nothing else", Buffer.alloc(0)],
    ["a message", frames({ opcode: 1, payload: "login" })],
    ["fragments", frames({ opcode: 1, payload: "lo", fin: false }, { opcode: 9 }, { opcode: 0, payload: "gin" })],
    ["a long message", frames(long)],
    ["a message that is no UTF-8 where it is cut", frames({ opcode: 1, payload: Buffer.from("é".repeat(100)) })],
  ])(
    "ends when the client's Close has come, and not before: behind %s, whole and byte by byte [R6455-7.1.1-2]",
    async (_, before) => {
      for (const cuts of ["whole", "bytewise"] as const) {
        const socket = new HeldDuplex();
        writeClose(socket, status, answer);
        await push(socket, Buffer.concat([before, close.subarray(0, -1)]), cuts);
        expect(socket.writableEnded).toBe(false);
        await push(socket, close.subarray(-1));
        expect(socket.writableEnded).toBe(true);
        socket.destroy();
      }
    },
  );

  test("takes what came with the request as the rest: a Close, and a part of one", async () => {
    for (const length of [close.length, 3]) {
      const socket = new HeldDuplex();
      writeClose(socket, status, { ...answer, early: Buffer.from(close.subarray(0, length)) });
      await nextTurn();
      expect(socket.writableEnded).toBe(length === close.length);
      await push(socket, close.subarray(length), "bytewise");
      expect(socket.writableEnded).toBe(true);
      socket.destroy();
    }
  });

  test("answers a Ping before the client's Close, and none behind it [R6455-5.5.2-2]", async () => {
    const socket = new HeldDuplex();
    writeClose(socket, status, answer);
    socket.writes.length = 0;
    await push(socket, frames({ opcode: 9, payload: "one" }, closeFrame(4401), { opcode: 9, payload: "two" }));
    expect(Buffer.concat(socket.writes)).toEqual(frameFrom("server", { opcode: 10, payload: "one" }));
    socket.destroy();
  });

  test.each<[string, Buffer]>([
    ["is not masked", frameFrom("server", closeFrame(4401))],
    ["has RSV1", frames({ opcode: 1, rsv: 4, payload: "login" })],
    ["goes on where nothing began", frames({ opcode: 0, payload: "gin" })],
    ["is no frame at all", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ])("ends when a frame %s [R6455-7.1.7-1]", async (_, broken) => {
    for (const cuts of ["whole", "bytewise"] as const) {
      const socket = new HeldDuplex();
      writeClose(socket, status, answer);
      socket.writes.length = 0;
      await push(socket, broken, cuts);
      expect(socket.writableEnded).toBe(true);
      // Our Close was sent already.
      expect(socket.writes).toEqual([]);
      socket.destroy();
    }
  });

  test("ends when 64 KiB have come without a Close, and throws away what follows", async () => {
    const socket = new HeldDuplex();
    writeClose(socket, status, answer);
    await push(socket, frames({ opcode: 2, payload: Buffer.alloc(100_000) }).subarray(0, 65_536));
    expect(socket.writableEnded).toBe(false);
    await push(socket, Buffer.alloc(1));
    expect(socket.writableEnded).toBe(true);
    await push(socket, Buffer.alloc(1000), "bytewise");
    expect([socket.readableLength, socket.destroyed]).toEqual([0, false]);
    socket.destroy();
  });

  test("ends when the client does, and a second later at the latest it is over", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const socket = new HeldDuplex();
    writeClose(socket, status, answer);
    socket.push(null);
    await nextTurn();
    expect(socket.writableEnded).toBe(true);
    const sendsOn = new HeldDuplex();
    writeClose(sendsOn, status, answer);
    await push(sendsOn, Buffer.concat([close, Buffer.alloc(1000)]));
    vi.advanceTimersByTime(999);
    expect(sendsOn.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(sendsOn.destroyed).toBe(true);
    socket.destroy();
    await nextTurn();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("cuts off who is silent, or sends what is no Close, when the time for it is over", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const silent = new HeldDuplex();
    const talks = new HeldDuplex();
    for (const socket of [silent, talks]) writeClose(socket, status, answer);
    vi.advanceTimersByTime(4999);
    await push(talks, frames({ opcode: 1, payload: "login" }));
    expect([silent.destroyed, talks.destroyed, talks.writableEnded]).toEqual([false, false, false]);
    vi.advanceTimersByTime(1);
    expect([silent.destroyed, talks.destroyed]).toEqual([true, true]);
    await nextTurn();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("does nothing to a destroyed stream", () => {
    const socket = new HeldDuplex();
    socket.destroy();
    writeClose(socket, status, answer);
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
