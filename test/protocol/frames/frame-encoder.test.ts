/** Frames in both roles, read back by a reader that shares no code with the encoder. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { requireBytes } from "../../../src/protocol/bytes.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { encodeFrame, encodeTextFrame, longestCopied } from "../../../src/protocol/frames/frame-encoder.ts";
import { readBuffer } from "../../../src/protocol/frames/mask-wasm.ts";
import { OutputBuffer } from "../../../src/protocol/frames/output-buffer.ts";
import { readFrames } from "../../support/wire.ts";

const roles: readonly Role[] = ["client", "server"];

function encodeBytes(role: Role, firstByte: number, payload: Uint8Array): Buffer {
  const output = new OutputBuffer();
  encodeFrame(output, role, firstByte, payload);
  return Buffer.concat(output.take());
}

function encodeText(role: Role, text: string): Buffer {
  const output = new OutputBuffer();
  encodeTextFrame(output, role, 0x81, text);
  return Buffer.concat(output.take());
}

const lengths = [0, 1, 2, 125, 126, 127, 65_535, 65_536, 65_537, 70_000, 200_000];

describe.each(roles)("from a %s", (role) => {
  test.each(lengths)("%i bytes, in the shortest form [R6455-5.2-5 R6455-5.1-1 R6455-5.1-3 R6455-5.3-1]", (length) => {
    const payload = Buffer.from(Uint8Array.from({ length }, (_, i) => i * 31));
    const [frame, ...rest] = readFrames(encodeBytes(role, 0x82, payload));
    expect(rest).toEqual([]);
    expect(frame!.payload.equals(payload)).toBe(true);
    expect(frame!.lengthBits).toBe(length < 126 ? 7 : length < 65_536 ? 16 : 64);
    expect(frame!.key === undefined).toBe(role === "server");
    expect([frame!.fin, frame!.rsv, frame!.opcode]).toEqual([true, 0, 2]);
  });

  test("the first byte goes out as it is given [R6455-6.1-2 R6455-5.2-2]", () => {
    for (const firstByte of [0x01, 0x00, 0x80, 0xc1, 0x42, 0x88, 0x89, 0x8a]) {
      expect(encodeBytes(role, firstByte, Buffer.from("x"))[0]).toBe(firstByte);
    }
  });

  const units: [string, string][] = [
    ["one byte", "a"],
    ["two bytes", "é"],
    ["three bytes", "€"],
    ["a surrogate pair", "😀"],
    ["a lone surrogate", "\ud83d"],
    ["a lone low surrogate", "\ude00"],
  ];
  const counts = [
    0, 1, 2, 15, 16, 17, 31, 32, 33, 41, 42, 62, 63, 64, 124, 125, 126, 127, 10_922, 10_923, 21_844, 21_845,
  ];
  test.each(units)("text of %s a character, of every size of header [R6455-5.6-1 R6455-8.1-1]", (_, unit) => {
    for (const count of [...counts, 21_846, 22_000, 22_523, 22_524, 65_535, 65_536, 80_000]) {
      const text = unit.repeat(count);
      const [frame, ...rest] = readFrames(encodeText(role, text));
      expect(rest).toEqual([]);
      const wanted = new TextEncoder().encode(text);
      if (!frame!.payload.equals(wanted)) expect.fail(`${count} times ${unit}`);
      expect(frame!.lengthBits).toBe(wanted.length < 126 ? 7 : wanted.length < 65_536 ? 16 : 64);
    }
  });

  test("text that begins as ASCII and does not stay so [R6455-5.6-1]", () => {
    for (const text of ["aaaé", `${"a".repeat(31)}€`, `${"a".repeat(124)}é`, `${"a".repeat(125)}€`, "a\ud800b\udc00"]) {
      expect(readFrames(encodeText(role, text))[0]!.payload.equals(new TextEncoder().encode(text))).toBe(true);
    }
  });

  test("up to 64 KiB the payload is a copy [R6455-10.3-1 D12]", () => {
    const payload = Buffer.alloc(longestCopied, 1);
    const output = new OutputBuffer();
    encodeFrame(output, role, 0x82, payload);
    payload.fill(2);
    const [frame] = readFrames(Buffer.concat(output.take()));
    expect(frame!.payload.equals(Buffer.alloc(longestCopied, 1))).toBe(true);
  });

  test("every byte is the frame's own, whatever the memory held before [D10]", () => {
    const dirty = new OutputBuffer();
    dirty.reserve(60_000);
    dirty.slab.fill(0xee);
    dirty.clear();
    const small = Buffer.alloc(126, 0);
    const [frame] = readFrames(encodeBytes(role, 0x82, small));
    expect(frame!.payload.equals(small)).toBe(true);
    expect(encodeBytes(role, 0x82, small)).toHaveLength(126 + 4 + (role === "client" ? 4 : 0));
  });
});

test.each([5, new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), new Uint16Array(70_000)])(
  "refuses %j, and the output is as before [D10]",
  (value) => {
    const output = new OutputBuffer();
    encodeFrame(output, "server", 0x82, Buffer.from("before"));
    expect(() => encodeFrame(output, "server", 0x82, value as unknown as Uint8Array)).toThrow(
      new TypeError("Cannot send: the data is not a Uint8Array"),
    );
    expect(() => requireBytes(value as unknown as Uint8Array)).toThrow(TypeError);
    encodeFrame(output, "server", 0x82, Buffer.from("after"));
    expect(readFrames(Buffer.concat(output.take())).map(({ payload }) => payload.toString())).toEqual([
      "before",
      "after",
    ]);
  },
);

test("a client copies long payloads too, and never writes to the caller's bytes [R6455-10.3-1 D12]", () => {
  const payload = Buffer.alloc(longestCopied + 1, 1);
  const output = new OutputBuffer();
  encodeFrame(output, "client", 0x82, payload);
  expect(payload.every((byte) => byte === 1)).toBe(true);
  payload.fill(2);
  const [frame] = readFrames(Buffer.concat(output.take()));
  expect(frame!.payload.every((byte) => byte === 1)).toBe(true);
});

test("a server copies a long payload that lies where sockets are read into [D12]", () => {
  const payload = readBuffer.subarray(0, longestCopied + 1).fill(1);
  const output = new OutputBuffer();
  encodeFrame(output, "server", 0x82, payload);
  payload.fill(2);
  const [frame] = readFrames(Buffer.concat(output.take()));
  expect(frame!.payload.every((byte) => byte === 1)).toBe(true);
});

test("a server does not copy a long payload [G95]", () => {
  const payload = Buffer.alloc(longestCopied + 1, 1);
  const output = new OutputBuffer();
  encodeFrame(output, "server", 0x82, payload);
  const [, piece] = output.take();
  expect([piece!.buffer, piece!.byteOffset, piece!.length]).toEqual([
    payload.buffer,
    payload.byteOffset,
    payload.length,
  ]);
  expect(piece!.buffer).toBe(payload.buffer);
});

test.each([10, longestCopied + 1])("%i bytes that claim to be more or fewer are sent as they are [D10]", (length) => {
  for (const claimed of [0, 3, -1, Number.NaN, length + 1000, 2 ** 40]) {
    for (const role of ["server", "client"] as const) {
      const output = new OutputBuffer();
      output.reserve(60_000);
      output.slab.fill(0xee);
      const payload = Object.defineProperty(new Uint8Array(length).fill(7), "length", { value: claimed });
      encodeFrame(output, role, 0x82, Object.defineProperty(payload, "buffer", { value: new ArrayBuffer(1) }));
      encodeFrame(output, role, 0x82, Buffer.from("after"));
      const [frame, after] = readFrames(Buffer.concat(output.take()));
      expect(frame!.payload.equals(Buffer.alloc(length, 7))).toBe(true);
      expect(after!.payload.toString()).toBe("after");
    }
  }
});

test("each frame of a client has a key of its own [R6455-5.3-2 R6455-6.1-3 D11]", () => {
  const output = new OutputBuffer();
  for (let i = 0; i < 500; i++) {
    encodeFrame(output, "client", 0x82, Buffer.from("same"));
    encodeTextFrame(output, "client", 0x81, "same");
  }
  const frames = readFrames(Buffer.concat(output.take()));
  expect(frames).toHaveLength(1000);
  expect(new Set(frames.map(({ key }) => key!.join())).size).toBeGreaterThan(995);
  expect(frames.every(({ payload }) => payload.toString() === "same")).toBe(true);
});

test("a long payload is referred to where that is asked for, by a server only, unless it may change on its way [D22]", () => {
  const payload = new Uint8Array(longestCopied + 1);
  for (const [role, refers] of [
    ["server", true],
    ["client", false],
  ] as const) {
    const output = new OutputBuffer();
    encodeFrame(output, role, 0x82, payload, "referred");
    expect(output.refers).toBe(refers);
    expect(output.take().at(-1)!.buffer === payload.buffer).toBe(refers);
  }
});
