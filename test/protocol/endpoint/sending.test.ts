/**
 * What an endpoint sends, byte by byte, and what it refuses; what becomes of its output.
 */
import { Buffer } from "node:buffer";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import { closePayload, failsWithoutMemory } from "../../support/endpoints.ts";
import { frameFrom, readFrames, takeBytes, takeFrames } from "../../support/wire.ts";

afterEach(() => void vi.restoreAllMocks());

describe.each(["client", "server"] as const)("a %s that sends", (role) => {
  const masked = role === "client";

  test("text, bytes, compressed data and control frames [R6455-6.1-2 R6455-5.1-1 R6455-5.1-3 R6455-5.5.2-1 R6455-5.5.3-3 G30]", () => {
    const endpoint = new Endpoint({ role, compression: true });
    expect(endpoint.sendMessage("text")).toBe(true);
    expect(endpoint.sendMessage(Buffer.from("bytes"))).toBe(true);
    expect(endpoint.sendCompressed(true, Buffer.from("deflated"))).toBe(true);
    expect(endpoint.sendCompressed(false, Buffer.from("deflated"))).toBe(true);
    expect(endpoint.ping(Buffer.from("ping"))).toBe(true);
    expect(endpoint.pong(Buffer.from("pong"))).toBe(true);
    endpoint.close(1000, "bye");
    const overhead = masked ? 6 : 2;
    expect(endpoint.outputLength).toBe(7 * overhead + 4 + 5 + 8 + 8 + 4 + 4 + 5);
    const frames = takeFrames(endpoint);
    expect(frames.map(({ opcode, rsv, fin, payload }) => [opcode, rsv, fin, payload.toString()])).toEqual([
      [1, 0, true, "text"],
      [2, 0, true, "bytes"],
      [1, 4, true, "deflated"],
      [2, 4, true, "deflated"],
      [9, 0, true, "ping"],
      [10, 0, true, "pong"],
      [8, 0, true, `${closePayload(1000).toString()}bye`],
    ]);
    for (const { key } of frames) expect(key !== undefined).toBe(masked);
  });

  test("text that is bytes already, as they are, and bytes as a string for the same opcode [R6455-5.6-1]", () => {
    const endpoint = new Endpoint({ role });
    expect(endpoint.sendMessage(Buffer.from("é"), true, true)).toBe(true);
    expect(endpoint.sendMessage(Buffer.from("é"), true, false)).toBe(true);
    expect(takeFrames(endpoint).map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
      [1, "é"],
      [2, "é"],
    ]);
  });

  test("fragments, with control frames between them [R6455-5.4-1 R6455-5.4-3]", () => {
    const endpoint = new Endpoint({ role });
    expect(endpoint.sendFragment(true, Buffer.from("a"), { first: true, last: false })).toBe(true);
    endpoint.ping(Buffer.from(""));
    endpoint.sendFragment(true, Buffer.from(""), { first: false, last: false });
    endpoint.sendFragment(true, Buffer.from("c"), { first: false, last: true });
    endpoint.sendFragment(false, Buffer.from("d"), { first: true, last: true });
    expect(takeFrames(endpoint).map(({ opcode, fin }) => [opcode, fin])).toEqual([
      [1, false],
      [9, true],
      [0, false],
      [0, true],
      [2, true],
    ]);
  });

  test("a compressed message in fragments, of which the first alone has RSV1 [R7692-6-1 R7692-6.1-1]", () => {
    const endpoint = new Endpoint({ role, compression: true });
    const deflated = Buffer.from("deflated");
    endpoint.sendFragment(true, deflated.subarray(0, 3), { first: true, last: false, compressed: true });
    endpoint.sendFragment(true, deflated.subarray(3), { first: false, last: true, compressed: true });
    const frames = takeFrames(endpoint);
    expect(frames.map(({ opcode, rsv, fin }) => [opcode, rsv, fin])).toEqual([
      [1, 4, false],
      [0, 0, true],
    ]);
    expect(Buffer.concat(frames.map(({ payload }) => payload))).toEqual(deflated);
  });

  test("every frame of a client with the key that its program makes", () => {
    let key = 0;
    const endpoint = new Endpoint({ role, maskingKey: () => ++key });
    endpoint.sendMessage("a");
    endpoint.sendMessage(Buffer.alloc(70_000));
    endpoint.ping(Buffer.from("b"));
    endpoint.close(1000);
    const keys = takeFrames(endpoint).map((frame) => frame.key?.at(-1));
    expect(keys).toEqual(masked ? [1, 2, 3, 4] : Array(4).fill(undefined));
  });

  test("messages are not interleaved [R6455-5.4-4 R6455-5.4-1]", () => {
    const endpoint = new Endpoint({ role });
    const expected = "Cannot send: the frames of one message must follow one another";
    const part = Buffer.from("x");
    expect(() => endpoint.sendFragment(true, part, { first: false, last: true })).toThrow(expected);
    endpoint.sendFragment(true, part, { first: true, last: false });
    expect(() => endpoint.sendMessage("x")).toThrow(expected);
    expect(() => endpoint.sendCompressed(true, part)).toThrow(expected);
    expect(() => endpoint.sendFragment(true, part, { first: true, last: true })).toThrow(expected);
    if (role === "server") expect(() => endpoint.sendEncoded(part)).toThrow(expected);
    endpoint.sendFragment(true, part, { first: false, last: true });
    expect(endpoint.sendMessage("x")).toBe(true);
    expect(takeFrames(endpoint)).toHaveLength(3);
  });

  test("refuses what has no bytes, and its output is as before; elements of a few become a byte each [D10]", () => {
    const wrong = [5, Number.NaN, true, {}, new ArrayBuffer(8), new Float32Array(70_000), new Array(70_000)];
    for (const value of [...wrong, null, undefined, new DataView(new ArrayBuffer(4)), 10n, Symbol("x")]) {
      const endpoint = new Endpoint({ role, compression: true });
      const data = value as unknown as Uint8Array;
      endpoint.sendMessage("before");
      const sends: (() => unknown)[] = [
        () => endpoint.sendMessage(data),
        () => endpoint.sendCompressed(true, data),
        () => endpoint.sendFragment(false, data, { first: true, last: false }),
        () => endpoint.ping(data),
        () => endpoint.pong(data),
      ];
      if (value !== undefined) {
        sends.push(() => endpoint.close(data as unknown as number));
        sends.push(() => endpoint.close(1000, data as unknown as string));
      }
      if (role === "server") sends.push(() => endpoint.sendEncoded(data));
      for (const send of sends) expect(send).toThrow();
      endpoint.sendMessage("after");
      expect(takeFrames(endpoint).map(({ payload }) => payload.toString())).toEqual(["before", "after"]);
    }
    const endpoint = new Endpoint({ role });
    const buffer = new ArrayBuffer(4) as unknown as Uint8Array;
    expect(() => endpoint.ping(buffer)).toThrow(new TypeError("Cannot send: the data is not a Uint8Array"));
    endpoint.sendMessage(Float32Array.of(1, 2, 258) as unknown as Uint8Array);
    expect(takeFrames(endpoint).map(({ payload }) => [...payload])).toEqual([[1, 2, 2]]);
  });

  test("refuses control frames of more than 125 bytes [R6455-5.5-1]", () => {
    const endpoint = new Endpoint({ role });
    const expected = new RangeError("Cannot send: a control frame carries at most 125 bytes, not 126");
    expect(() => endpoint.ping(Buffer.alloc(126))).toThrow(expected);
    expect(() => endpoint.pong(Buffer.alloc(126))).toThrow(expected);
    expect(endpoint.ping(Buffer.alloc(125))).toBe(true);
  });

  test("sends nothing after its Close [R6455-5.5.1-3 R6455-6.1-1 R6455-5.1-5]", () => {
    const endpoint = new Endpoint({ role });
    endpoint.close(1000);
    takeBytes(endpoint);
    const part = Buffer.from("x");
    expect(endpoint.sendMessage("x")).toBe(false);
    expect(endpoint.sendCompressed(false, part)).toBe(false);
    expect(endpoint.sendFragment(false, part, { first: true, last: true })).toBe(false);
    expect(endpoint.ping(part)).toBe(false);
    expect(endpoint.pong(part)).toBe(false);
    if (role === "server") expect(endpoint.sendEncoded(part)).toBe(false);
    endpoint.close(1001);
    expect(endpoint.outputLength).toBe(0);
    expect(endpoint.closeSent).toEqual({ code: 1000, reason: "" });
  });

  test("discardOutput forgets what was not taken", () => {
    const endpoint = new Endpoint({ role });
    endpoint.sendMessage("x");
    endpoint.discardOutput();
    expect(takeBytes(endpoint)).toHaveLength(0);
  });
});

describe("frames that are encoded already", () => {
  test("a client refuses them, for they are not masked [R6455-5.1-1]", () => {
    const endpoint = new Endpoint({ role: "client" });
    expect(() => endpoint.sendEncoded(frameFrom("server", { opcode: 1 }))).toThrow(
      "Cannot send: a client must mask each frame with a key of its own",
    );
  });

  test("a server sends small ones together with its own frames, and long ones without a copy", () => {
    const endpoint = new Endpoint({ role: "server" });
    const small = frameFrom("server", { opcode: 1, payload: "shared" });
    const long = frameFrom("server", { opcode: 2, payload: "y".repeat(5000) });
    expect(endpoint.sharedOutputLength).toBe(0);
    endpoint.sendMessage("own");
    expect(endpoint.sendEncoded(small)).toBe(true);
    expect(endpoint.sendEncoded(long)).toBe(true);
    expect(endpoint.sharedOutputLength).toBe(long.length);
    const pieces = endpoint.takeOutput();
    expect(pieces).toHaveLength(2);
    expect(pieces[1]).toBe(long);
    expect(readFrames(Buffer.concat(pieces)).map(({ payload }) => payload.length)).toEqual([3, 6, 5000]);
    endpoint.outputTaken(true);
    endpoint.sendEncoded(small);
    expect(endpoint.takeOutput()[0]).toBe(small);
    endpoint.outputTaken(true);
    endpoint.sendMessage("own");
    endpoint.sendEncoded(frameFrom("server", { opcode: 2, payload: "z".repeat(4092) }));
    expect(endpoint.takeOutput().map(({ length }) => length)).toEqual([5 + 4096]);
    endpoint.outputTaken(true);
  });
});

/** Sends a long message where output waits, and returns the memory that it lies in. */
function sendSlowly(endpoint: Endpoint): ArrayBufferLike {
  endpoint.sendMessage("first");
  endpoint.takeOutput(false, true);
  endpoint.outputTaken(false);
  endpoint.sendMessage(new Uint8Array(5000));
  const [piece] = endpoint.takeOutput();
  endpoint.outputTaken(false, true);
  return piece!.buffer;
}

describe.each(["client", "server"] as const)("the output of a %s", (role) => {
  test("lies in memory that others use when it has left, and not before [D12]", () => {
    const endpoint = new Endpoint({ role });
    const memory = sendSlowly(endpoint);
    expect(sendSlowly(new Endpoint({ role }))).not.toBe(memory);
    endpoint.outputLeft();
    expect(sendSlowly(new Endpoint({ role }))).toBe(memory);
    // Without any output, nothing happens.
    new Endpoint({ role }).outputLeft();
  });

  test("counts the whole messages, not the fragments and control frames, that a stalled transport has not taken [D04]", () => {
    const endpoint = new Endpoint({ role });
    endpoint.sendMessage("left in time");
    takeBytes(endpoint);
    endpoint.stalled = true;
    endpoint.sendMessage("text");
    endpoint.sendMessage(new Uint8Array(100_000));
    endpoint.sendFragment(true, Buffer.from("a"), { first: true, last: false });
    endpoint.sendFragment(true, Buffer.from("b"), { first: false, last: false });
    expect(endpoint.waitingMessages).toBe(2);
    endpoint.sendFragment(true, Buffer.from("c"), { first: false, last: true });
    endpoint.ping(new Uint8Array(0));
    endpoint.sendCompressed(true, Buffer.from([0]));
    if (role === "server") endpoint.sendEncoded(Buffer.from([0x81, 0, 0x81, 0]), 2);
    else for (const data of ["", ""]) endpoint.sendMessage(data);
    expect(endpoint.waitingMessages).toBe(6);
    takeBytes(endpoint);
    expect(endpoint.waitingMessages).toBe(0);
  });

  test.each([
    ["a Ping", (endpoint: Endpoint) => expect(endpoint.ping(new Uint8Array(1))).toBe(false)],
    ["a Pong", (endpoint: Endpoint) => expect(endpoint.pong(new Uint8Array(1))).toBe(false)],
  ])("without memory for %s the connection fails, and the next event tells so once [D23]", (_, act) => {
    failsWithoutMemory(role, act);
  });
});

test("says whether output lies in a caller's memory, and whether a message of ours has begun and not ended", () => {
  const endpoint = new Endpoint({ role: "server" });
  expect([endpoint.outputRefers, endpoint.sendingFragments]).toEqual([false, false]);
  endpoint.sendMessage(new Uint8Array(100_000));
  endpoint.sendFragment(true, Buffer.from("a"), { first: true, last: false });
  expect([endpoint.outputRefers, endpoint.sendingFragments]).toEqual([true, true]);
  endpoint.takeOutput();
  endpoint.sendFragment(true, Buffer.from("b"), { first: false, last: true });
  expect([endpoint.outputRefers, endpoint.sendingFragments]).toEqual([false, false]);
});
