/**
 * Messages that are handed on in parts while they arrive.
 *
 * Each in both roles, each input whole and byte by byte.
 */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import type { EndpointEvent, PartEvent } from "../../../src/protocol/endpoint/endpoint-events.ts";
import type { EndpointOptions } from "../../../src/protocol/endpoint/endpoint-options.ts";
import { forms, receiverOf } from "../../support/endpoints.ts";
import { feed, takeFrames } from "../../support/wire.ts";

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

describe.each(forms)("messages in parts at a %s that receives %s", (role, cuts) => {
  function streaming(options: Partial<EndpointOptions> = {}): Endpoint {
    const endpoint = new Endpoint({ role, maxMessageSize: 100, ...options });
    endpoint.streaming = true;
    return endpoint;
  }

  const { wire } = receiverOf(role, cuts);

  const isPart = (event: EndpointEvent): event is PartEvent => event.type === "part";

  test("a message longer than the limit comes as it arrives, control frames between [R6455-5.4-1]", () => {
    const pieces = ["a".repeat(150), "b".repeat(cuts === "whole" ? 70_000 : 1000), ""];
    const bytes = wire(
      { opcode: 2, fin: false, payload: pieces[0]! },
      { opcode: 9, payload: "ping" },
      { opcode: 0, fin: false, payload: pieces[1]! },
      { opcode: 0, payload: pieces[2]! },
      { opcode: 1, payload: "next" },
    );
    const endpoint = streaming();
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

  test("text is cut between characters wherever frames and chunks are cut [A10]", () => {
    const text = "\ufeffa\u00df\u4e16\ud83c\udf0d!";
    const bytes = Buffer.from(text);
    for (let at = 0; at <= bytes.length; at++) {
      const frames = [
        { opcode: 1, fin: false, payload: bytes.subarray(0, at) },
        { opcode: 0, payload: bytes.subarray(at) },
      ];
      const parts = feed(streaming(), wire(...frames), cuts).filter(isPart);
      expectOneMessage(parts, true);
      expect(parts.map(({ data }) => data).join("")).toBe(text);
      for (const { data } of parts) expect(data).not.toMatch(/\p{Surrogate}/u);
      for (const { data } of parts.slice(0, -1)) expect(data).not.toBe("");
      if (cuts === "bytewise") expect(parts.length).toBeGreaterThanOrEqual(6);
    }
  });

  test("text as bytes is judged and not cut", () => {
    const bytes = wire({ opcode: 1, fin: false, payload: "gr\u00fc" }, { opcode: 0, payload: "\u00dfe" });
    const parts = feed(streaming({ textAsBytes: true }), bytes, cuts).filter(isPart);
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
  ])("text that is not UTF-8 %s fails with 1007 [R6455-8.1-1]", (_, frames) => {
    const endpoint = streaming();
    const events = feed(endpoint, wire(...frames), cuts);
    expect(events.at(-1)).toEqual({ type: "failed", violation: "text-not-utf8" });
    expect(takeFrames(endpoint)[0]!.payload.readUInt16BE(0)).toBe(1007);
  });

  test("empty fragments in a row are counted, others end the row [A07]", () => {
    const endpoint = new Endpoint({ role, maxEmptyFragments: 2 });
    endpoint.streaming = true;
    const empty = { opcode: 0, fin: false };
    const begin = { ...empty, opcode: 2 };
    const filled = { ...empty, payload: "x" };
    const good = feed(endpoint, wire(begin, empty, filled, empty, empty), cuts);
    expect(joined(good.filter(isPart))).toBe("x");
    expect(feed(endpoint, wire(empty), cuts)).toEqual([{ type: "failed", violation: "too-many-empty-fragments" }]);
  });

  test("what may not come inside a message may not come between parts [R6455-5.4-1]", () => {
    const endpoint = streaming();
    const bytes = wire({ opcode: 2, fin: false, payload: "x" }, { opcode: 2, payload: "y" });
    expect(feed(endpoint, bytes, cuts).at(-1)).toEqual({ type: "failed", violation: "message-interrupted" });
  });

  test("a message that began before is still whole and limited, the next one is not", () => {
    const endpoint = new Endpoint({ role, maxMessageSize: 100 });
    expect(feed(endpoint, wire({ opcode: 2, fin: false, payload: "ab" }), cuts)).toEqual([]);
    endpoint.streaming = true;
    const tooLong = new Endpoint({ role, maxMessageSize: 100 });
    feed(tooLong, wire({ opcode: 2, fin: false, payload: "ab" }), cuts);
    tooLong.streaming = true;
    expect(feed(tooLong, wire({ opcode: 0, payload: "c".repeat(99) }), cuts)).toEqual([
      { type: "failed", violation: "message-too-big" },
    ]);
    const rest = feed(endpoint, wire({ opcode: 0, payload: "cd" }), cuts);
    expect(rest).toEqual([{ type: "message", text: false, data: new Uint8Array(Buffer.from("abcd")) }]);
    const long = wire({ opcode: 2, fin: false, payload: "e".repeat(101) });
    expect(joined(feed(endpoint, long, cuts).filter(isPart))).toBe("e".repeat(101));
  });

  test("a compressed message is whole and within the limit", () => {
    const endpoint = streaming({ compression: true });
    const compressed = { opcode: 2, rsv: 4, fin: false, payload: Uint8Array.of(1, 2, 3) };
    const bytes = wire(compressed, { opcode: 0, payload: Uint8Array.of(4) });
    expect(feed(endpoint, bytes, cuts)).toEqual([{ type: "inflate", payload: Uint8Array.of(1, 2, 3, 4) }]);
    endpoint.inflated(new Uint8Array(1));
    const long = wire({ opcode: 2, rsv: 4, payload: new Uint8Array(101) });
    expect(feed(endpoint, long, cuts).at(-1)).toEqual({ type: "failed", violation: "message-too-big" });
  });

  test("a length that no number counts is too big all the same [A01]", () => {
    const header = { opcode: 2, fin: false, lengthBits: 64, announced: 2n ** 53n } as const;
    expect(feed(streaming(), wire(header), cuts)).toEqual([{ type: "failed", violation: "message-too-big" }]);
    expect(feed(streaming(), wire({ ...header, announced: 2n ** 53n - 1n }), cuts)).toEqual([]);
  });

  test("parts of a borrowed chunk outlive it [D08]", () => {
    const endpoint = streaming();
    const chunk = wire({ opcode: 2, fin: false, payload: "kept" });
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
