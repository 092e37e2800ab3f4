/**
 * What an endpoint finds in the bytes it receives, and which bytes it refuses.
 *
 * Each in both roles, each input whole and byte by byte.
 */
import { Buffer, constants } from "node:buffer";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { type Violation, violations } from "../../../src/protocol/protocol-error.ts";
import { decodeUtf8 } from "../../../src/protocol/runtime/text.ts";
import { closePayload, exhaustMemory, failsWithoutMemory, forms, receiverOf } from "../../support/endpoints.ts";
import { cut, drain, feed, frameFrom, ownCopy, peerOf, takeBytes, takeFrames } from "../../support/wire.ts";

vi.mock("../../../src/protocol/runtime/text.ts", { spy: true });

afterEach(() => void vi.restoreAllMocks());

describe.each(forms)("a %s that receives %s", (role, cuts) => {
  const { open, wire, receive, cutsOfLong, expectFailure } = receiverOf(role, cuts);

  describe("messages", () => {
    test.each([0, 1, 5, 125, 126, 127, 128, 1000, 65_535, 65_536])(
      "of %i bytes [R6455-6.2-1 R6455-5.2-1 R6455-5.2-6]",
      (length) => {
        const bytes = Uint8Array.from({ length }, (_, i) => i * 3);
        const [binary, ...none] = feed(open(), wire({ opcode: 2, payload: bytes }), cutsOfLong(length));
        expect(none).toEqual([]);
        expect(binary).toMatchObject({ type: "message", text: false });
        expect(Buffer.from((binary as { data: Uint8Array }).data).equals(bytes)).toBe(true);
        const text = "é".repeat(length / 2);
        expect(feed(open(), wire({ opcode: 1, payload: text }), cutsOfLong(length))).toEqual([
          { type: "message", text: true, data: text },
        ]);
      },
    );

    test("one after the other, fragmented or not, without a trace of frames [R6455-6.2-1 R6455-5.4-9]", () => {
      const endpoint = open();
      const events = receive(
        endpoint,
        { opcode: 1, payload: "first" },
        { opcode: 1, payload: "sec", fin: false },
        { opcode: 0, payload: "", fin: false },
        { opcode: 0, payload: "ond" },
        { opcode: 2, payload: "", fin: false },
        { opcode: 0, payload: "" },
        { opcode: 1, payload: "" },
      );
      expect(events).toEqual([
        { type: "message", text: true, data: "first" },
        { type: "message", text: true, data: "second" },
        { type: "message", text: false, data: new Uint8Array(0) },
        { type: "message", text: true, data: "" },
      ]);
      expect(endpoint.outputLength).toBe(0);
    });

    test("a fragmented message has the type of its first frame [R6455-5.4-7]", () => {
      const frames = [
        { opcode: 2, payload: [0xff], fin: false },
        { opcode: 0, payload: [0xfe] },
      ];
      const built = frames.map((frame) => ({ ...frame, payload: Uint8Array.from(frame.payload) }));
      expect(receive(open(), ...built)).toEqual([{ type: "message", text: false, data: Uint8Array.of(0xff, 0xfe) }]);
    });

    test("a character may be cut between fragments at every byte [R6455-5.6-1 A10]", () => {
      const bytes = Buffer.from("aé€😀z");
      for (let first = 0; first <= bytes.length; first++) {
        for (let second = first; second <= bytes.length; second++) {
          const events = receive(
            open(),
            { opcode: 1, payload: bytes.subarray(0, first), fin: false },
            { opcode: 0, payload: bytes.subarray(first, second), fin: false },
            { opcode: 0, payload: bytes.subarray(second) },
          );
          expect(events).toEqual([{ type: "message", text: true, data: "aé€😀z" }]);
        }
      }
    });

    test("U+FFFD and a byte order mark are text like any other [R6455-8.1-1]", () => {
      for (const text of ["\ufeff", "a\ufffdb", "\ufffd".repeat(50)]) {
        expect(receive(open(), { opcode: 1, payload: text })).toEqual([{ type: "message", text: true, data: text }]);
      }
    });

    test("text as bytes is validated all the same [R6455-8.1-1]", () => {
      const endpoint = open({ textAsBytes: true });
      const bytes = Uint8Array.from(Buffer.from("é€"));
      expect(receive(endpoint, { opcode: 1, payload: "ascii" })).toEqual([
        { type: "message", text: true, data: Uint8Array.from(Buffer.from("ascii")) },
      ]);
      expect(receive(endpoint, { opcode: 1, payload: bytes })).toEqual([{ type: "message", text: true, data: bytes }]);
      expect(
        receive(
          endpoint,
          { opcode: 1, payload: bytes.subarray(0, 1), fin: false },
          { opcode: 0, payload: bytes.subarray(1) },
        ),
      ).toEqual([{ type: "message", text: true, data: bytes }]);
      expectFailure("text-not-utf8", [{ opcode: 1, payload: Uint8Array.of(0x61, 0xc3) }], { textAsBytes: true });
    });
  });

  test("text that is delivered as bytes is let pass as it came, where its validation is turned off", () => {
    const bytes = Uint8Array.of(0x61, 0xc3);
    const endpoint = open({ textAsBytes: true, validatesText: false });
    expect(receive(endpoint, { opcode: 1, payload: bytes })).toEqual([{ type: "message", text: true, data: bytes }]);
    const cut = [
      { opcode: 1, payload: bytes.subarray(1), fin: false },
      { opcode: 0, payload: bytes.subarray(0, 1) },
    ];
    expect(receive(endpoint, ...cut)).toEqual([{ type: "message", text: true, data: Uint8Array.of(0xc3, 0x61) }]);
    expectFailure("text-not-utf8", [{ opcode: 1, payload: bytes, fin: false }, { opcode: 0 }], {
      validatesText: false,
    });
  });

  test("lends messages where they came in one piece of their chunk, and gives everything else", () => {
    const endpoint = open({ lendsBytes: true });
    expect(endpoint.lendsBytes).toBe(true);
    const bytes = wire(
      { opcode: 2, payload: "one" },
      { opcode: 2, payload: "t", fin: false },
      { opcode: 0, payload: "wo" },
      { opcode: 1, payload: "text" },
    );
    const chunk = cuts === "whole" ? bytes : undefined;
    const seen: (string | boolean)[] = [];
    for (const piece of chunk ? [chunk] : cut(bytes, cuts)) {
      endpoint.receive(piece, true);
      drain(endpoint, (event) => {
        if (event.type !== "message") return expect.unreachable();
        const { data } = event;
        seen.push(Buffer.from(data).toString());
        if (typeof data !== "string") seen.push(data.buffer === chunk?.buffer);
      });
      endpoint.releaseChunk();
    }
    expect(seen).toEqual(["one", chunk !== undefined, "two", false, "text"]);
    expect(open().lendsBytes).toBe(false);
  });

  describe("frames that break a rule", () => {
    test("reserved bits, and RSV1 unless compression was agreed [R6455-5.2-2 R6455-5.8-1]", () => {
      for (const rsv of [1, 2, 3, 4, 7]) expectFailure("reserved-bit-set", [{ opcode: 1, rsv, payload: "x" }]);
      expectFailure("reserved-bit-set", [{ opcode: 9, rsv: 4 }]);
    });

    test("reserved opcodes [R6455-5.2-3]", () => {
      for (const opcode of [3, 7, 11, 15]) expectFailure("reserved-opcode", [{ opcode, payload: "x" }]);
    });

    test("lengths not in their shortest form, and the top bit [R6455-5.2-5 R6455-5.2-4]", () => {
      expectFailure("length-not-minimal", [{ opcode: 1, payload: "x", lengthBits: 16 }]);
      expectFailure("length-not-minimal", [{ opcode: 1, payload: "x", lengthBits: 64 }]);
      expectFailure("length-sign-bit", [{ opcode: 2, announced: 2n ** 63n }]);
    });

    test("fragmented and long control frames [R6455-5.5-1]", () => {
      expectFailure("fragmented-control-frame", [{ opcode: 9, fin: false }]);
      expectFailure("control-frame-too-long", [{ opcode: 9, payload: "x".repeat(126) }]);
    });

    test("fragments out of order [R6455-5.4-1 R6455-5.4-4]", () => {
      expectFailure("nothing-to-continue", [{ opcode: 0, payload: "x" }]);
      expectFailure("nothing-to-continue", [
        { opcode: 1, payload: "done" },
        { opcode: 0, payload: "x" },
      ]);
      expectFailure("message-interrupted", [
        { opcode: 1, payload: "a", fin: false },
        { opcode: 1, payload: "b" },
      ]);
      expectFailure("message-interrupted", [
        { opcode: 1, fin: false },
        { opcode: 2, payload: "b", fin: false },
      ]);
    });

    test("the wrong masking [R6455-5.1-2 R6455-5.1-4]", () => {
      const endpoint = open();
      const frame = frameFrom(role, { opcode: 1, payload: "x" });
      const violation = role === "server" ? "unmasked-frame" : "masked-frame";
      expect(feed(endpoint, frame, cuts)).toEqual([{ type: "failed", violation }]);
      expect(takeFrames(endpoint)).toMatchObject([{ opcode: 8 }]);
    });

    test("text that is not UTF-8, whole and in fragments [R6455-8.1-1 A10 G93]", () => {
      for (const bytes of [
        [0x80],
        [0x61, 0xc3],
        [0xed, 0xa0, 0x80],
        [0xf4, 0x90, 0x80, 0x80],
        [0xef, 0xbf, 0xbd, 0xff],
      ]) {
        const payload = Uint8Array.from(bytes);
        expectFailure("text-not-utf8", [{ opcode: 1, payload }]);
        expectFailure("text-not-utf8", [{ opcode: 1, payload, fin: false }, { opcode: 0 }]);
        expectFailure("text-not-utf8", [{ opcode: 1, payload: Buffer.concat([Buffer.alloc(200, 0x61), payload]) }]);
      }
    });

    test("text fails before its message is whole [R6455-8.1-1 A10]", () => {
      const endpoint = open();
      const start = wire({ opcode: 1, payload: "Ã".repeat(100) });
      const bytes = Buffer.concat([start.subarray(0, start.length - 150)]);
      expect(feed(endpoint, bytes, cuts)).toEqual([]);
      const broken = wire({ opcode: 1, payload: Uint8Array.of(0x61, 0xff, 0x61, 0x61, 0x61) });
      expect(feed(open(), broken.subarray(0, broken.length - 2), cuts)).toEqual([
        { type: "failed", violation: "text-not-utf8" },
      ]);
    });
  });

  describe("one type of messages alone", () => {
    test.each([
      ["text", 2],
      ["binary", 1],
    ] as const)("%s: the other fails with 1003 at its first header [R6455-7.4.1-1]", (accepts, other) => {
      const taken = { opcode: 3 - other, payload: "taken" };
      for (const refused of [
        { opcode: other, announced: 2n ** 20n },
        { opcode: other, payload: "" },
        { opcode: other, payload: "", fin: false },
        { opcode: other, payload: "part", fin: false },
      ]) {
        expectFailure("message-type-not-accepted", [refused], { accepts });
        const endpoint = open({ accepts });
        expect(receive(endpoint, taken, { opcode: 9 }, taken, refused).map(({ type }) => type)).toEqual([
          "message",
          "ping",
          "message",
          "failed",
        ]);
      }
      expectFailure("message-type-not-accepted", [{ opcode: other, rsv: 4, payload: "x" }], {
        accepts,
        compression: true,
      });
    });

    test.each([
      ["text", 1],
      ["binary", 2],
    ] as const)(
      "%s: its own comes whole, in fragments, and with control frames between [R6455-7.4.1-1]",
      (accepts, own) => {
        const fragments = [
          { opcode: own, payload: "a", fin: false },
          { opcode: 10, payload: "" },
          { opcode: 0, payload: "b", fin: false },
          { opcode: 0, payload: "c" },
        ];
        const events = receive(open({ accepts }), { opcode: own, payload: "whole" }, ...fragments);
        expect(
          events
            .filter(({ type }) => type === "message")
            .map((event) => Buffer.from((event as { data: Uint8Array }).data).toString()),
        ).toEqual(["whole", "abc"]);
      },
    );

    test("a broken frame is told as such before", () => {
      expectFailure("reserved-bit-set", [{ opcode: 2, rsv: 4, payload: "x" }], { accepts: "text" });
    });
  });

  describe("limits", () => {
    test("a message is too big as soon as its header says so [R6455-10.4-1 A01]", () => {
      for (const announced of [101n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n]) {
        expectFailure("message-too-big", [{ opcode: 2, announced }], { maxMessageSize: 100 });
      }
      expectFailure("message-too-big", [{ opcode: 2, announced: 16n * 1024n * 1024n + 1n }]);
      expect(receive(open(), { opcode: 2, announced: 16n * 1024n * 1024n })).toEqual([]);
    });

    test("a limit that is set holds from the next frame on, for one endpoint [R6455-10.4-1 A01]", () => {
      const endpoint = open({ maxMessageSize: 100 });
      receive(endpoint, { opcode: 2, fin: false, payload: "x".repeat(40) });
      endpoint.maxMessageSize = 50;
      expect(endpoint.maxMessageSize).toBe(50);
      expect(() => {
        endpoint.maxMessageSize = -1;
      }).toThrow(RangeError);
      expect(receive(endpoint, { opcode: 0, payload: "y".repeat(10) })).toMatchObject([{ type: "message" }]);
      expect(receive(endpoint, { opcode: 2, payload: "x".repeat(50) })).toMatchObject([{ type: "message" }]);
      const tooBig = { type: "failed", violation: "message-too-big" };
      expect(receive(endpoint, { opcode: 2, payload: "x".repeat(51) })).toEqual([tooBig]);
      expect(open({ maxMessageSize: 100 }).maxMessageSize).toBe(100);
    });

    test("no limit is above what a string can hold [R6455-10.4-1 A01]", () => {
      const limitless = { maxMessageSize: Number.POSITIVE_INFINITY };
      expectFailure("message-too-big", [{ opcode: 1, announced: 2n ** 63n - 1n }], limitless);
      expectFailure("message-too-big", [{ opcode: 1, announced: BigInt(constants.MAX_STRING_LENGTH) + 1n }], limitless);
    });

    test("fragments count together, the limit is inclusive, and control frames do not count [R6455-10.4-1 A02]", () => {
      const frames = [
        { opcode: 2, payload: "x".repeat(60), fin: false },
        { opcode: 9, payload: "y".repeat(100) },
      ];
      const options = { maxMessageSize: 100 };
      expect(receive(open(options), ...frames, { opcode: 0, payload: "x".repeat(40) }).at(-1)).toMatchObject({
        type: "message",
      });
      expectFailure("message-too-big", [...frames, { opcode: 0, payload: "x".repeat(41) }], options);
    });

    test("1024 empty fragments in a row pass, and one more fails [A07]", () => {
      const empty = Array.from({ length: 1023 }, () => ({ opcode: 0, fin: false }));
      const start = [{ opcode: 1, fin: false }, ...empty];
      expect(receive(open(), ...start, { opcode: 0, payload: "end" })).toEqual([
        { type: "message", text: true, data: "end" },
      ]);
      expectFailure("too-many-empty-fragments", [...start, { opcode: 0, fin: false }]);
      expectFailure(
        "too-many-empty-fragments",
        [
          { opcode: 1, fin: false },
          { opcode: 0, fin: false },
        ],
        {
          maxEmptyFragments: 1,
        },
      );
      const broken = [
        { opcode: 1, fin: false },
        { opcode: 0, payload: "a", fin: false },
        { opcode: 0, fin: false },
      ];
      expect(receive(open({ maxEmptyFragments: 1 }), ...broken)).toEqual([]);
      const empties = [{ opcode: 1, fin: false }, { opcode: 0 }];
      expect(receive(open({ maxEmptyFragments: 1 }), ...empties)).toEqual([{ type: "message", text: true, data: "" }]);
    });

    test("tells what is unfinished: a header, a frame, a message [A11 R6455-10.4-1]", () => {
      const endpoint = open();
      const state = (): unknown => [endpoint.insideMessage, endpoint.unfinishedLength, endpoint.messageProgress];
      expect(state()).toEqual([false, 0, 0]);
      const frame = wire({ opcode: 1, payload: "abcdefgh", fin: false });
      feed(endpoint, frame.subarray(0, 1), cuts);
      expect(state()).toEqual([true, 0, 1]);
      feed(endpoint, frame.subarray(1, -5), cuts);
      expect(state()).toEqual([true, 3, 3]);
      feed(endpoint, frame.subarray(-5), cuts);
      expect(state()).toEqual([true, 8, 8]);
      receive(endpoint, { opcode: 0, payload: "end" });
      expect(state()).toEqual([false, 0, 0]);
      feed(endpoint, wire({ opcode: 9, payload: "ping" }).subarray(0, -1), cuts);
      expect(state()).toEqual([true, 0, 0]);
    });

    test("a Ping that the application is to answer is told, and not answered", () => {
      const endpoint = open({ answersPings: false });
      expect(receive(endpoint, { opcode: 9, payload: "p" })).toMatchObject([{ type: "ping" }]);
      expect(endpoint.outputLength).toBe(0);
    });

    test("what is handed on in parts goes on as well, though none of it is kept [A11]", () => {
      const endpoint = open();
      endpoint.streaming = true;
      feed(endpoint, wire({ opcode: 2, payload: "abcdefgh" }).subarray(0, -5), cuts);
      expect([endpoint.unfinishedLength, endpoint.messageProgress]).toEqual([0, 3]);
      feed(endpoint, wire({ opcode: 2, payload: "abcdefgh" }).subarray(-5, -1), cuts);
      expect([endpoint.unfinishedLength, endpoint.messageProgress]).toEqual([0, 7]);
    });
  });

  describe("compressed messages", () => {
    const options = { compression: true };

    test("are handed out whole, and nothing is parsed until they are inflated [R7692-6-1 R7692-6.2-1 R6455-5.8-1]", () => {
      const endpoint = open(options);
      const bytes = wire(
        { opcode: 1, rsv: 4, payload: "de", fin: false },
        { opcode: 9 },
        { opcode: 0, payload: "flated" },
        { opcode: 2, rsv: 4, payload: "" },
        { opcode: 1, payload: "plain" },
      );
      const answers = ["one €", "two"];
      const results: unknown[] = [];
      const events = feed(endpoint, bytes, cuts, (event) => {
        if (event.type !== "inflate") return;
        expect(endpoint.nextEvent()).toBeUndefined();
        expect(endpoint.inflating).toBe(true);
        results.push([Buffer.from(event.payload).toString(), endpoint.inflated(Buffer.from(answers.shift()!))]);
      });
      expect(events.map(({ type }) => type)).toEqual(["ping", "inflate", "inflate", "message"]);
      expect(endpoint.inflating).toBe(false);
      expect(results).toEqual([
        ["deflated", { type: "message", text: true, data: "one €" }],
        ["", { type: "message", text: false, data: Uint8Array.from(Buffer.from("two")) }],
      ]);
    });

    test("what came in one chunk is a view of it, and anything else is alone in its memory", () => {
      const bytes = wire({ opcode: 2, rsv: 4, payload: "deflated" });
      for (const borrowed of [true, false]) {
        const endpoint = open(options);
        const chunk = new Uint8Array(bytes);
        endpoint.receive(chunk, borrowed);
        const event = endpoint.nextEvent();
        if (event?.type !== "inflate") throw new Error(`Got ${event?.type}`);
        expect([Buffer.from(event.payload).toString(), event.payload.buffer]).toEqual(["deflated", chunk.buffer]);
      }
      const [cut] = feed(open(options), bytes, [3, 9]);
      if (cut?.type !== "inflate") throw new Error(`Got ${cut?.type}`);
      expect([Buffer.from(cut.payload).toString(), cut.payload.buffer.byteLength]).toEqual(["deflated", 8]);
    });

    test("chunks that come meanwhile wait, and join what was left [R7692-6-2]", () => {
      const endpoint = open(options);
      const compressed = wire({ opcode: 2, rsv: 4, payload: "x" });
      const rest = wire({ opcode: 2, payload: "later" });
      expect(feed(endpoint, Buffer.concat([compressed, rest.subarray(0, 3)])).map(({ type }) => type)).toEqual([
        "inflate",
      ]);
      expect(feed(endpoint, rest.subarray(3), cuts)).toEqual([]);
      expect(endpoint.unparsedLength).toBe(rest.length);
      endpoint.inflated(new Uint8Array(0));
      const [event] = drain(endpoint);
      expect(event).toEqual({ type: "message", text: false, data: Uint8Array.from(Buffer.from("later")) });
      expect((event as { data: Uint8Array }).data.buffer.byteLength).toBeLessThanOrEqual(rest.length);
    });

    test("inflated data is judged: broken, not to be inflated, not UTF-8, too big [R7692-7.2.2-1 B01 B06]", () => {
      const outcomes: [Uint8Array | Violation, Violation][] = [
        ["invalid-deflate-data", "invalid-deflate-data"],
        ["inflate-failed", "inflate-failed"],
        [Uint8Array.of(0xff), "text-not-utf8"],
        [new Uint8Array(101), "message-too-big"],
      ];
      for (const [outcome, violation] of outcomes) {
        const endpoint = open({ ...options, maxMessageSize: 100 });
        receive(endpoint, { opcode: 1, rsv: 4, payload: "x" });
        expect(endpoint.inflated(outcome)).toEqual({ type: "failed", violation });
        expect(takeFrames(endpoint)).toMatchObject([{ opcode: 8 }]);
        expect(endpoint.closeSent?.code).toBe(violations[violation].closeCode);
      }
    });

    test("text may be given as such where a string is delivered [R7692-7.2.2-1 B01]", () => {
      for (const { opcode, textAsBytes, asText } of [
        { opcode: 1, textAsBytes: false, asText: true },
        { opcode: 1, textAsBytes: true, asText: false },
        { opcode: 2, textAsBytes: false, asText: false },
      ]) {
        const endpoint = open({ ...options, textAsBytes, maxMessageSize: 100 });
        expect(endpoint.inflatesText).toBe(false);
        receive(endpoint, { opcode, rsv: 4, payload: "x" });
        expect(endpoint.inflatesText).toBe(asText);
        if (!asText) continue;
        expect(endpoint.inflated({ text: "é".repeat(100) })).toEqual({
          type: "message",
          text: true,
          data: "é".repeat(100),
        });
        expect(endpoint.inflatesText).toBe(false);
        receive(endpoint, { opcode, rsv: 4, payload: "x" });
        expect(endpoint.inflated({ text: "x".repeat(101) })).toEqual({ type: "failed", violation: "message-too-big" });
      }
    });

    test("the limit is inclusive after inflating, too [R6455-10.4-1 B01]", () => {
      const endpoint = open({ ...options, maxMessageSize: 100 });
      receive(endpoint, { opcode: 2, rsv: 4, payload: "x" });
      expect(endpoint.inflated(new Uint8Array(100))).toMatchObject({ type: "message" });
    });

    test("a message inflated after a failure is not delivered, one after the transport's end is [R6455-7.1.7-3]", () => {
      const failed = open(options);
      receive(failed, { opcode: 2, rsv: 4, payload: "x" });
      failed.fail("message-too-slow");
      expect(failed.inflated(Buffer.from("late"))).toEqual({ type: "failed", violation: "message-too-slow" });
      const ended = open(options);
      receive(ended, { opcode: 2, rsv: 4, payload: "x" });
      ended.receiveEnd();
      expect(ended.inflated(Buffer.from("whole"))).toMatchObject({ type: "message" });
      expect(() => ended.inflated(Buffer.from("again"))).toThrow("Cannot deliver: no message waits to be inflated");
    });

    test("RSV1 on a continuation or a control frame fails [R7692-6.1-1 B05]", () => {
      expectFailure("compressed-continuation", [{ opcode: 9, rsv: 4 }], options);
      const frames = [
        { opcode: 1, fin: false },
        { opcode: 0, rsv: 4, payload: "x" },
      ];
      expectFailure("compressed-continuation", frames, options);
      expectFailure("reserved-bit-set", [{ opcode: 1, rsv: 6, payload: "x" }], options);
    });

    test("inflated text is delivered as bytes on request [R7692-7.2.2-1]", () => {
      const endpoint = open({ ...options, textAsBytes: true });
      receive(endpoint, { opcode: 1, rsv: 4, payload: "x" });
      expect(endpoint.inflated(Buffer.from("é"))).toEqual({
        type: "message",
        text: true,
        data: Uint8Array.of(0xc3, 0xa9),
      });
    });
  });

  describe("messages in parts", () => {
    test("come as they arrive, text between characters, also beyond the limit [R6455-5.4-1 A10]", () => {
      const endpoint = open({ maxMessageSize: 2, compression: true });
      endpoint.streaming = true;
      const euro = Buffer.from("€");
      const events = receive(
        endpoint,
        { opcode: 1, fin: false, payload: euro.subarray(0, 2) },
        { opcode: 0, fin: false, payload: "" },
        { opcode: 0, fin: false, payload: euro.subarray(2) },
        { opcode: 0, payload: "" },
        { opcode: 2, fin: false, payload: "" },
        { opcode: 0, payload: "x" },
      );
      expect(events).toEqual([
        { type: "part", text: true, data: "€", first: true, last: false },
        { type: "part", text: true, data: "", first: false, last: true },
        { type: "part", text: false, data: Uint8Array.of(0x78), first: true, last: true },
      ]);
    });

    test("short text of one frame comes whole where that is asked for, and all else in parts", () => {
      const endpoint = open({ longestWhole: 4 });
      endpoint.streaming = true;
      const typesOf = (...frames: Parameters<typeof wire>) => {
        const types = feed(endpoint, wire(...frames), "bytewise").map(({ type }) => type);
        return types.filter((type, index) => type !== types[index - 1]);
      };
      expect(typesOf({ opcode: 1, payload: "beat" })).toEqual(["message"]);
      expect(typesOf({ opcode: 1, payload: "" })).toEqual(["message"]);
      expect(typesOf({ opcode: 1, payload: "beats" })).toEqual(["part"]);
      expect(typesOf({ opcode: 2, payload: "beat" })).toEqual(["part"]);
      expect(typesOf({ opcode: 1, payload: "be", fin: false }, { opcode: 0, payload: "at" })).toEqual(["part"]);
    });

    test("fail when their text cannot be UTF-8 any more, and when a compressed one is beyond the limit [R6455-8.1-1]", () => {
      for (const [violation, frame] of [
        ["text-not-utf8", { opcode: 1, fin: false, payload: Buffer.from([0xc3, 0x28]) }],
        ["message-too-big", { opcode: 1, rsv: 4, payload: "long" }],
      ] as const) {
        const endpoint = open({ maxMessageSize: 3, compression: true });
        endpoint.streaming = true;
        expect(receive(endpoint, frame).at(-1)).toEqual({ type: "failed", violation });
      }
    });
  });

  describe("ends", () => {
    test("fail where a Close breaks a rule [R6455-5.5.1-1]", () => {
      expectFailure("close-payload-too-short", [{ opcode: 8, payload: "x" }]);
    });

    test("a Close inside a fragmented message ends it and frees its memory [R6455-5.5.1-4 A02]", () => {
      const endpoint = open();
      const events = receive(
        endpoint,
        { opcode: 2, payload: "x".repeat(500), fin: false },
        { opcode: 8, payload: closePayload(1000) },
      );
      expect(events).toEqual([{ type: "close", code: 1000, reason: "" }]);
      expect([endpoint.unfinishedLength, endpoint.insideMessage, endpoint.unparsedLength]).toEqual([0, false, 0]);
    });

    test("the peer's end without a Close leaves the output as it is, and nothing follows", () => {
      const endpoint = open();
      endpoint.sendMessage("sent before");
      endpoint.stalled = true;
      receive(endpoint, { opcode: 9, payload: "asked before" }, { opcode: 1, payload: "cut off", fin: false });
      endpoint.receivePeerEnd();
      expect([endpoint.state, endpoint.insideMessage, endpoint.unfinishedLength]).toEqual(["discarding", false, 0]);
      expect(endpoint.sendMessage("too late")).toBe(false);
      endpoint.close(1000);
      const frames = takeFrames(endpoint).map(({ opcode, payload }) => [opcode, payload.toString()]);
      expect(frames).toEqual([
        [1, "sent before"],
        [10, "asked before"],
      ]);
      expect(receive(endpoint, { opcode: 1, payload: "x" })).toEqual([]);
    });

    test("the peer's end after its Close still leaves the answer to be sent [R6455-5.5.1-4]", () => {
      const endpoint = open();
      receive(endpoint, { opcode: 8, payload: closePayload(1000) });
      endpoint.receivePeerEnd();
      expect(endpoint.state).toBe("peerClosing");
      expect(endpoint.sendMessage("a reply")).toBe(true);
      endpoint.echoClose();
      expect(takeFrames(endpoint)).toMatchObject([{ opcode: 1 }, { opcode: 8 }]);
    });

    test("the end of the transport ends everything, in every state [R6455-7.2.1-1]", () => {
      const close = { opcode: 8, payload: closePayload(1000) };
      const prepare: ((endpoint: Endpoint) => void)[] = [
        () => {},
        (endpoint) => endpoint.close(),
        (endpoint) => void receive(endpoint, close),
        (endpoint) => void receive(endpoint, close, { opcode: 1, payload: "x" }),
        (endpoint) => void receive(endpoint, { opcode: 3 }),
        (endpoint) => endpoint.receiveEnd(),
        (endpoint) => void receive(endpoint, { opcode: 1, payload: "cut off", fin: false }),
        (endpoint) => void feed(endpoint, wire({ opcode: 1, payload: "cut off" }).subarray(0, 9), cuts),
        (endpoint) => void feed(endpoint, wire({ opcode: 9, payload: "cut off" }).subarray(0, 9), cuts),
        (endpoint) => {
          endpoint.stalled = true;
          receive(endpoint, { opcode: 9 });
        },
      ];
      for (const reach of prepare) {
        const endpoint = open();
        reach(endpoint);
        endpoint.receiveEnd();
        expect([endpoint.state, endpoint.readyState]).toEqual(["closed", 3]);
        expect([endpoint.insideMessage, endpoint.unfinishedLength, endpoint.outputLength]).toEqual([false, 0, 0]);
        expect(endpoint.sendMessage("x")).toBe(false);
        endpoint.close(1000);
        expect(takeBytes(endpoint)).toHaveLength(0);
        expect(receive(endpoint, { opcode: 1, payload: "x" })).toEqual([]);
      }
    });
  });
});

describe.each<Role>(["server", "client"])("a %s without memory", (role) => {
  const frames = ["first", "second"].map((payload) => frameFrom(peerOf(role), { opcode: 1, payload }));

  test.each([
    ["the rest of a chunk that was only lent", (endpoint: Endpoint) => endpoint.releaseChunk()],
    ["a chunk behind another", (endpoint: Endpoint) => endpoint.receive(ownCopy(frames[0]!))],
  ])("where %s cannot be copied, the connection fails, and the next event tells so once [D23]", (_, act) => {
    const endpoint = new Endpoint({ role });
    // The slab of the output is there already.
    endpoint.sendMessage("before");
    endpoint.receive(ownCopy(Buffer.concat(frames)), true);
    expect(endpoint.nextEvent()).toMatchObject({ data: "first" });
    exhaustMemory();
    act(endpoint);
    expect([endpoint.violation, endpoint.state, endpoint.closeSent?.code]).toEqual(["no-memory", "discarding", 1011]);
    endpoint.receive(ownCopy(frames[1]!));
    expect([endpoint.nextEvent(), endpoint.nextEvent()]).toEqual([
      { type: "failed", violation: "no-memory" },
      undefined,
    ]);
  });

  test("without memory for the Pong that was kept, at the peer's end the connection fails, and the next event tells so once [D23]", () => {
    failsWithoutMemory(role, (endpoint) => endpoint.receivePeerEnd());
  });

  test("fails where a message in fragments cannot be kept [D23]", () => {
    const endpoint = new Endpoint({ role });
    endpoint.sendMessage("before");
    endpoint.receive(ownCopy(frameFrom(peerOf(role), { opcode: 2, fin: false, payload: "part" })));
    exhaustMemory();
    expect(endpoint.nextEvent()).toEqual({ type: "failed", violation: "no-memory" });
    expect([endpoint.state, endpoint.closeSent?.code]).toEqual(["discarding", 1011]);
  });

  test("any other error is no lack of memory, and is not hidden [D23]", () => {
    const endpoint = new Endpoint({ role });
    endpoint.receive(ownCopy(Buffer.concat(frames)), true);
    endpoint.nextEvent();
    exhaustMemory(new TypeError("a mistake of ours"));
    expect(() => endpoint.releaseChunk()).toThrow("a mistake of ours");
  });

  test("an inflated message that cannot become a string fails the connection [D23]", () => {
    const endpoint = new Endpoint({ role, compression: true });
    endpoint.receive(ownCopy(frameFrom(peerOf(role), { opcode: 1, rsv: 4, payload: "deflated" })));
    expect(endpoint.nextEvent()).toMatchObject({ type: "inflate" });
    vi.mocked(decodeUtf8).mockImplementationOnce(() => {
      throw new RangeError("Array buffer allocation failed");
    });
    expect(endpoint.inflated(Buffer.from("ä"))).toEqual({ type: "failed", violation: "no-memory" });
  });
});
