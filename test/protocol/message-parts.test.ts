import { describe, expect, test } from "vitest";
import { Endpoint, type EndpointEvent, type PartEvent } from "../../src/protocol/endpoint.ts";
import type { Role } from "../../src/protocol/frame.ts";
import { type Cuts, feed, frameFrom, peerOf, takeFrames, type WireFrame } from "../support/wire.ts";

const roles: readonly Role[] = ["client", "server"];
const allCuts: readonly Cuts[] = ["whole", "bytewise"];
const cases = roles.flatMap((role) => allCuts.map((cuts) => ({ role, cuts })));

function streaming(role: Role, options: { textAsBytes?: boolean; compression?: boolean } = {}): Endpoint {
  const endpoint = new Endpoint({ role, maxMessageSize: 100, ...options });
  endpoint.streaming = true;
  return endpoint;
}

const fromPeer = (role: Role, ...frames: Omit<WireFrame, "key">[]): Buffer =>
  Buffer.concat(frames.map((frame) => frameFrom(peerOf(role), frame)));

const isPart = (event: EndpointEvent): event is PartEvent => event.type === "part";

/** What the parts say together. */
function joined(parts: readonly PartEvent[]): string {
  return Buffer.concat(parts.map(({ data }) => Buffer.from(data as Uint8Array))).toString();
}

/** Each part of the right kind, only the first marked first, only the last marked last. */
function expectOneMessage(parts: readonly PartEvent[], text: boolean): void {
  expect(parts.map(({ first }) => first)).toEqual(parts.map((_, index) => index === 0));
  expect(parts.map(({ last }) => last)).toEqual(parts.map((_, index) => index === parts.length - 1));
  expect(new Set(parts.map((part) => part.text))).toEqual(new Set([text]));
}

describe.each(cases)("messages in parts as $role, $cuts", ({ role, cuts }) => {
  test("R6455-5.4-1: a message longer than the limit comes as it arrives, control frames between", () => {
    const pieces = ["a".repeat(150), "b".repeat(70_000), ""];
    const bytes = fromPeer(
      role,
      { opcode: 2, fin: false, payload: pieces[0]! },
      { opcode: 9, payload: "ping" },
      { opcode: 0, fin: false, payload: pieces[1]! },
      { opcode: 0, payload: pieces[2]! },
      { opcode: 1, payload: "next" },
    );
    const endpoint = streaming(role);
    const events = feed(endpoint, bytes, cuts);
    const parts = events.filter(isPart);
    const own = parts.slice(0, parts.findIndex(({ last }) => last) + 1);
    expectOneMessage(own, false);
    expect(joined(own)).toBe(pieces.join(""));
    const ping = events.findIndex(({ type }) => type === "ping");
    expect(joined(events.slice(0, ping).filter(isPart))).toBe(pieces[0]);
    expect(endpoint.unfinishedLength).toBe(0);
    const after = events.slice(events.indexOf(own.at(-1)!) + 1);
    const text = after.map((event) => (event.type === "message" || isPart(event) ? event.data : event.type)).join("");
    expect(text).toBe("next");
  });

  test("A10: text is cut between characters wherever frames and chunks are cut", () => {
    const text = "\ufeffa\u00df\u4e16\ud83c\udf0d!";
    const bytes = Buffer.from(text);
    for (let at = 0; at <= bytes.length; at++) {
      const frames = [
        { opcode: 1, fin: false, payload: bytes.subarray(0, at) },
        { opcode: 0, payload: bytes.subarray(at) },
      ];
      const parts = feed(streaming(role), fromPeer(role, ...frames), cuts).filter(isPart);
      expectOneMessage(parts, true);
      expect(parts.map(({ data }) => data).join("")).toBe(text);
      for (const { data } of parts) expect(data).not.toMatch(/\p{Surrogate}/u);
      if (cuts === "bytewise") expect(parts.length).toBeGreaterThanOrEqual(6);
    }
  });

  test("text as bytes is judged and not cut", () => {
    const bytes = fromPeer(role, { opcode: 1, fin: false, payload: "gr\u00fc" }, { opcode: 0, payload: "\u00dfe" });
    const parts = feed(streaming(role, { textAsBytes: true }), bytes, cuts).filter(isPart);
    expectOneMessage(parts, true);
    expect(joined(parts)).toBe("gr\u00fc\u00dfe");
  });

  test.each([
    ["in its middle", [{ opcode: 1, fin: false, payload: Uint8Array.of(0x61, 0xff) }]],
    [
      "in a later fragment",
      [
        { opcode: 1, fin: false, payload: Uint8Array.of(0xed) },
        { opcode: 0, fin: false, payload: Uint8Array.of(0xa0) },
      ],
    ],
    [
      "at its end",
      [
        { opcode: 1, fin: false, payload: "a" },
        { opcode: 0, payload: Uint8Array.of(0xc3) },
      ],
    ],
  ])("R6455-8.1-1: text that is not UTF-8 %s fails with 1007", (_, frames) => {
    const endpoint = streaming(role);
    const events = feed(endpoint, fromPeer(role, ...frames), cuts);
    expect(events.at(-1)).toEqual({ type: "failed", violation: "text-not-utf8" });
    expect(takeFrames(endpoint)[0]!.payload.readUInt16BE(0)).toBe(1007);
  });

  test("A07: empty fragments in a row are counted, others end the row", () => {
    const endpoint = new Endpoint({ role, maxEmptyFragments: 2 });
    endpoint.streaming = true;
    const empty = { opcode: 0, fin: false };
    const begin = { ...empty, opcode: 2 };
    const filled = { ...empty, payload: "x" };
    const good = feed(endpoint, fromPeer(role, begin, empty, filled, empty, empty), cuts);
    expect(joined(good.filter(isPart))).toBe("x");
    expect(feed(endpoint, fromPeer(role, empty), cuts)).toEqual([
      { type: "failed", violation: "too-many-empty-fragments" },
    ]);
  });

  test("R6455-5.4-1: what may not come inside a message may not come between parts", () => {
    const endpoint = streaming(role);
    const bytes = fromPeer(role, { opcode: 2, fin: false, payload: "x" }, { opcode: 2, payload: "y" });
    expect(feed(endpoint, bytes, cuts).at(-1)).toEqual({ type: "failed", violation: "message-interrupted" });
  });

  test("a message that began before is still whole and limited, the next one is not", () => {
    const endpoint = new Endpoint({ role, maxMessageSize: 100 });
    expect(feed(endpoint, fromPeer(role, { opcode: 2, fin: false, payload: "ab" }), cuts)).toEqual([]);
    endpoint.streaming = true;
    const rest = feed(endpoint, fromPeer(role, { opcode: 0, payload: "cd" }), cuts);
    expect(rest).toEqual([{ type: "message", text: false, data: new Uint8Array(Buffer.from("abcd")) }]);
    const long = fromPeer(role, { opcode: 2, fin: false, payload: "e".repeat(101) });
    expect(joined(feed(endpoint, long, cuts).filter(isPart))).toBe("e".repeat(101));
  });

  test("a compressed message is whole and within the limit", () => {
    const endpoint = streaming(role, { compression: true });
    const compressed = { opcode: 2, rsv: 4, fin: false, payload: Uint8Array.of(1, 2, 3) };
    const bytes = fromPeer(role, compressed, { opcode: 0, payload: Uint8Array.of(4) });
    expect(feed(endpoint, bytes, cuts)).toEqual([{ type: "inflate", payload: Buffer.from([1, 2, 3, 4]) }]);
    endpoint.inflated(new Uint8Array(1));
    const long = fromPeer(role, { opcode: 2, rsv: 4, payload: new Uint8Array(101) });
    expect(feed(endpoint, long, cuts).at(-1)).toEqual({ type: "failed", violation: "message-too-big" });
  });

  test("A01: a length that no number counts is too big all the same", () => {
    const header = { opcode: 2, fin: false, lengthBits: 64, announced: 2n ** 53n } as const;
    expect(feed(streaming(role), fromPeer(role, header), cuts)).toEqual([
      { type: "failed", violation: "message-too-big" },
    ]);
    expect(feed(streaming(role), fromPeer(role, { ...header, announced: 2n ** 53n - 1n }), cuts)).toEqual([]);
  });

  test("D08: parts of a borrowed chunk outlive it", () => {
    const endpoint = streaming(role);
    const chunk = fromPeer(role, { opcode: 2, fin: false, payload: "kept" });
    endpoint.receive(chunk, true);
    const part = endpoint.nextEvent();
    endpoint.releaseChunk();
    chunk.fill(0);
    expect(part).toEqual({
      type: "part",
      text: false,
      data: new Uint8Array(Buffer.from("kept")),
      first: true,
      last: false,
    });
  });
});
