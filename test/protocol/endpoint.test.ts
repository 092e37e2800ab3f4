/**
 * One endpoint against bytes that were built by hand: what it delivers, answers and refuses.
 *
 * Each behaviour in both roles, each input whole and byte by byte.
 */
import { Buffer } from "node:buffer";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Endpoint } from "../../src/protocol/endpoint.ts";
import type { EndpointEvent, PartEvent } from "../../src/protocol/endpoint-events.ts";
import { type EndpointOptions, EndpointSettings } from "../../src/protocol/endpoint-options.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { giveDecoder, takeDecoder } from "../../src/protocol/frames/frame-decoder.ts";
import { giveOutput, OutputBuffer, takeOutput } from "../../src/protocol/frames/output-buffer.ts";
import { type Violation, violations } from "../../src/protocol/protocol-error.ts";
import { decodeUtf8 } from "../../src/protocol/runtime/text.ts";
import {
  type Cuts,
  cut,
  drain,
  feed,
  frameFrom,
  ownCopy,
  peerOf,
  readFrames,
  takeBytes,
  takeFrames,
  type WireFrame,
} from "../support/wire.ts";

vi.mock("../../src/protocol/runtime/text.ts", { spy: true });

afterEach(() => void vi.restoreAllMocks());

const forms = [
  ["server", "whole"],
  ["server", "bytewise"],
  ["client", "whole"],
  ["client", "bytewise"],
] as const;

function closePayload(code: number, reason = ""): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
}

describe.each(forms)("a %s that receives %s", (role, cuts) => {
  const peer = peerOf(role);

  function open(options: Partial<EndpointOptions> = {}): Endpoint {
    return new Endpoint({ role, ...options });
  }

  function wire(...frames: Omit<WireFrame, "key">[]): Buffer {
    return Buffer.concat(frames.map((frame) => frameFrom(peer, frame)));
  }

  function receive(endpoint: Endpoint, ...frames: Omit<WireFrame, "key">[]): EndpointEvent[] {
    return feed(endpoint, wire(...frames), cuts);
  }

  /** For a long frame: byte by byte at its beginning and its end alone, which takes no time. */
  function cutsOfLong(length: number): Cuts {
    const edge = Array.from({ length: 20 }, (_, i) => i + 1);
    return cuts === "bytewise" && length > 1000 ? [...edge, ...edge.map((at) => length - 17 + at)] : cuts;
  }

  /** Expects that the frames fail the connection, by this rule, with its Close, and that nothing is read after. */
  function expectFailure(
    violation: Violation,
    frames: Omit<WireFrame, "key">[],
    options?: Partial<EndpointOptions>,
  ): void {
    const endpoint = open(options);
    const events = receive(endpoint, ...frames, { opcode: 1, payload: "after" });
    expect(events.at(-1)).toEqual({ type: "failed", violation });
    expect(endpoint.state).toBe("discarding");
    expect(endpoint.violation).toBe(violation);
    const { closeCode, text } = violations[violation];
    expect(endpoint.closeSent).toEqual({ code: closeCode, reason: text });
    const last = takeFrames(endpoint).at(-1)!;
    expect(last).toMatchObject({ opcode: 8, fin: true, payload: closePayload(closeCode, text) });
    expect(receive(endpoint, { opcode: 8, payload: closePayload(1000) })).toEqual([]);
    expect(endpoint.closeReceived).toBeUndefined();
    expect([endpoint.unparsedLength, endpoint.unfinishedLength, endpoint.insideMessage]).toEqual([0, 0, false]);
  }

  describe("messages", () => {
    test.each([0, 1, 5, 125, 126, 127, 128, 1000, 65_535, 65_536])(
      "R6455-6.2-1 R6455-5.2-1 R6455-5.2-6 of %i bytes",
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

    test("R6455-6.2-1 R6455-5.4-9 one after the other, fragmented or not, without a trace of frames", () => {
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

    test("R6455-5.4-7 a fragmented message has the type of its first frame", () => {
      const frames = [
        { opcode: 2, payload: [0xff], fin: false },
        { opcode: 0, payload: [0xfe] },
      ];
      const built = frames.map((frame) => ({ ...frame, payload: Uint8Array.from(frame.payload) }));
      expect(receive(open(), ...built)).toEqual([{ type: "message", text: false, data: Uint8Array.of(0xff, 0xfe) }]);
    });

    test("R6455-5.6-1 A10 a character may be cut between fragments at every byte", () => {
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

    test("R6455-8.1-1 U+FFFD and a byte order mark are text like any other", () => {
      for (const text of ["\ufeff", "a\ufffdb", "\ufffd".repeat(50)]) {
        expect(receive(open(), { opcode: 1, payload: text })).toEqual([{ type: "message", text: true, data: text }]);
      }
    });

    test("R6455-8.1-1 text as bytes is validated all the same", () => {
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

  describe("control frames", () => {
    test("R6455-5.5.2-2 R6455-5.5.3-1 R6455-5.4-2 answer a Ping inside a fragmented message at once, with its payload", () => {
      const endpoint = open();
      const events = receive(
        endpoint,
        { opcode: 1, payload: "He", fin: false },
        { opcode: 9, payload: "p".repeat(125) },
        { opcode: 10, payload: "unasked" },
        { opcode: 9 },
        { opcode: 0, payload: "llo" },
      );
      expect(events).toEqual([
        { type: "ping", payload: Uint8Array.from(Buffer.from("p".repeat(125))) },
        { type: "pong", payload: Uint8Array.from(Buffer.from("unasked")) },
        { type: "ping", payload: new Uint8Array(0) },
        { type: "message", text: true, data: "Hello" },
      ]);
      expect(takeFrames(endpoint).map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
        [10, "p".repeat(125)],
        [10, ""],
      ]);
    });

    test("R6455-5.5.3-2 A03 keeps only the latest Pong while the transport is stalled", () => {
      const endpoint = open();
      endpoint.stalled = true;
      const pings = ["1", "33", "22"].map((payload) => ({ opcode: 9, payload }));
      const events = receive(endpoint, ...pings);
      for (const event of events) if (event.type === "ping") event.payload.fill(0);
      expect(endpoint.outputLength).toBe(role === "client" ? 8 : 4);
      const bytes = takeBytes(endpoint);
      expect(bytes).toHaveLength(role === "client" ? 8 : 4);
      expect(readFrames(bytes)).toMatchObject([{ opcode: 10, payload: Buffer.from("22") }]);
      expect(endpoint.outputLength).toBe(0);
      endpoint.stalled = false;
      receive(endpoint, { opcode: 9, payload: "3" }, { opcode: 9, payload: "4" });
      expect(takeFrames(endpoint).map(({ payload }) => payload.toString())).toEqual(["3", "4"]);
    });

    test("D04 counts the whole messages, not the fragments and control frames, that a stalled transport has not taken", () => {
      const endpoint = open();
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

    test("R6455-5.5.2-2 R6455-5.5.1-4 a Pong that is owed leaves before our Close, and none after both", () => {
      const endpoint = open();
      endpoint.stalled = true;
      receive(endpoint, { opcode: 9, payload: "owed" });
      endpoint.close(1000);
      expect(takeFrames(endpoint).map(({ opcode }) => opcode)).toEqual([10, 8]);
      receive(endpoint, { opcode: 9, payload: "after our Close" });
      expect(takeFrames(endpoint).map(({ opcode }) => opcode)).toEqual([10]);
      receive(endpoint, { opcode: 9, payload: "too late" }, { opcode: 8 });
      expect(endpoint.state).toBe("discarding");
      expect(endpoint.outputLength).toBe(0);
      expect(takeFrames(endpoint)).toEqual([]);
    });

    test("A03 a failure and discardOutput forget the Pong that is owed", () => {
      const endpoint = open();
      endpoint.stalled = true;
      receive(endpoint, { opcode: 9, payload: "owed" });
      endpoint.discardOutput();
      expect(endpoint.outputLength).toBe(0);
      receive(endpoint, { opcode: 9, payload: "owed" }, { opcode: 3 });
      expect(takeFrames(endpoint).map(({ opcode }) => opcode)).toEqual([10, 8]);
      expect(takeFrames(endpoint)).toEqual([]);
    });
  });

  describe("the closing handshake", () => {
    test("R6455-7.1.5-1 R6455-7.1.6-1 R6455-5.5.1-4 the peer begins: its code is reported, and the echo is ours to send", () => {
      const endpoint = open();
      const events = receive(
        endpoint,
        { opcode: 8, payload: closePayload(4001, "löng") },
        { opcode: 1, payload: "after" },
        { opcode: 9 },
      );
      expect(events).toEqual([{ type: "close", code: 4001, reason: "löng" }]);
      expect(endpoint.state).toBe("peerClosing");
      expect(endpoint.readyState).toBe(2);
      expect(endpoint.closeReceived).toEqual({ code: 4001, reason: "löng" });
      expect(endpoint.sendMessage("last words")).toBe(true);
      endpoint.echoClose();
      endpoint.echoClose();
      expect(endpoint.state).toBe("discarding");
      expect(takeFrames(endpoint)).toMatchObject([
        { opcode: 1, payload: Buffer.from("last words") },
        { opcode: 8, payload: closePayload(4001) },
      ]);
      expect(endpoint.closeSent).toEqual({ code: 4001, reason: "" });
      expect(receive(endpoint, { opcode: 9 })).toEqual([]);
    });

    test("R6455-7.1.5-1 R6455-7.1.2-1 a Close without a code is 1005 and is echoed empty", () => {
      const endpoint = open();
      expect(receive(endpoint, { opcode: 8 })).toEqual([{ type: "close", code: 1005, reason: "" }]);
      endpoint.echoClose();
      expect(takeFrames(endpoint)).toMatchObject([{ opcode: 8, payload: Buffer.alloc(0) }]);
      expect(endpoint.closeSent).toEqual({ code: 1005, reason: "" });
    });

    test("R6455-5.5.2-2 R6455-5.1-5 R6455-7.3-1 we begin: messages still come, Pings are answered, until the peer's Close", () => {
      const endpoint = open();
      endpoint.close(1001, "bye");
      expect([endpoint.state, endpoint.readyState]).toEqual(["closing", 2]);
      endpoint.echoClose();
      const events = receive(
        endpoint,
        { opcode: 1, payload: "still" },
        { opcode: 9, payload: "p" },
        { opcode: 8, payload: closePayload(1000) },
        { opcode: 1, payload: "never" },
      );
      expect(events.map(({ type }) => type)).toEqual(["message", "ping", "close"]);
      expect(endpoint.state).toBe("discarding");
      expect(takeFrames(endpoint).map(({ opcode }) => opcode)).toEqual([8, 10]);
      expect(endpoint.closeSent).toEqual({ code: 1001, reason: "bye" });
      expect(endpoint.closeReceived).toEqual({ code: 1000, reason: "" });
    });

    test("R6455-5.5.1-4 A02 a Close inside a fragmented message ends it and frees its memory", () => {
      const endpoint = open();
      const events = receive(
        endpoint,
        { opcode: 2, payload: "x".repeat(500), fin: false },
        { opcode: 8, payload: closePayload(1000) },
      );
      expect(events).toEqual([{ type: "close", code: 1000, reason: "" }]);
      expect([endpoint.unfinishedLength, endpoint.insideMessage, endpoint.unparsedLength]).toEqual([0, false, 0]);
    });

    test("R6455-5.5.1-1 R6455-7.4.1-2 a Close that breaks a rule fails the connection", () => {
      expectFailure("close-payload-too-short", [{ opcode: 8, payload: "x" }]);
      for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]) {
        expectFailure("close-code-invalid", [{ opcode: 8, payload: closePayload(code, "r") }]);
      }
      const reason = Buffer.concat([closePayload(1000), Buffer.from([0xc3])]);
      expectFailure("close-reason-not-utf8", [{ opcode: 8, payload: reason }]);
    });

    test("R6455-7.1.7-2 a failure after our own Close sends no second one", () => {
      const endpoint = open();
      endpoint.close(1000);
      expect(receive(endpoint, { opcode: 3 })).toEqual([{ type: "failed", violation: "reserved-opcode" }]);
      expect(endpoint.state).toBe("discarding");
      expect(takeFrames(endpoint)).toHaveLength(1);
      expect(endpoint.closeSent?.code).toBe(1000);
    });

    test("R6455-5.5.1-4 a failure that the caller finds after the peer's Close still answers it", () => {
      const endpoint = open();
      receive(endpoint, { opcode: 8, payload: closePayload(1000) });
      expect(endpoint.fail("message-too-slow")).toEqual({ type: "failed", violation: "message-too-slow" });
      expect(endpoint.state).toBe("discarding");
      expect(takeFrames(endpoint)).toMatchObject([{ opcode: 8 }]);
      expect(endpoint.closeSent?.code).toBe(1008);
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

    test("R6455-5.5.1-4 the peer's end after its Close still leaves the answer to be sent", () => {
      const endpoint = open();
      receive(endpoint, { opcode: 8, payload: closePayload(1000) });
      endpoint.receivePeerEnd();
      expect(endpoint.state).toBe("peerClosing");
      expect(endpoint.sendMessage("a reply")).toBe(true);
      endpoint.echoClose();
      expect(takeFrames(endpoint)).toMatchObject([{ opcode: 1 }, { opcode: 8 }]);
    });

    test("R6455-7.2.1-1 the end of the transport ends everything, in every state", () => {
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

  describe("frames that break a rule", () => {
    test("R6455-5.2-2 R6455-5.8-1 reserved bits, and RSV1 unless compression was agreed", () => {
      for (const rsv of [1, 2, 3, 4, 7]) expectFailure("reserved-bit-set", [{ opcode: 1, rsv, payload: "x" }]);
      expectFailure("reserved-bit-set", [{ opcode: 9, rsv: 4 }]);
    });

    test("R6455-5.2-3 reserved opcodes", () => {
      for (const opcode of [3, 7, 11, 15]) expectFailure("reserved-opcode", [{ opcode, payload: "x" }]);
    });

    test("R6455-5.2-5 R6455-5.2-4 lengths not in their shortest form, and the top bit", () => {
      expectFailure("length-not-minimal", [{ opcode: 1, payload: "x", lengthBits: 16 }]);
      expectFailure("length-not-minimal", [{ opcode: 1, payload: "x", lengthBits: 64 }]);
      expectFailure("length-sign-bit", [{ opcode: 2, announced: 2n ** 63n }]);
    });

    test("R6455-5.5-1 fragmented and long control frames", () => {
      expectFailure("fragmented-control-frame", [{ opcode: 9, fin: false }]);
      expectFailure("control-frame-too-long", [{ opcode: 9, payload: "x".repeat(126) }]);
    });

    test("R6455-5.4-1 R6455-5.4-4 fragments out of order", () => {
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

    test("R6455-5.1-2 R6455-5.1-4 the wrong masking", () => {
      const endpoint = open();
      const frame = frameFrom(role, { opcode: 1, payload: "x" });
      const violation = role === "server" ? "unmasked-frame" : "masked-frame";
      expect(feed(endpoint, frame, cuts)).toEqual([{ type: "failed", violation }]);
      expect(takeFrames(endpoint)).toMatchObject([{ opcode: 8 }]);
    });

    test("R6455-8.1-1 A10 text that is not UTF-8, whole and in fragments [G93]", () => {
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

    test("R6455-8.1-1 A10 text fails before its message is whole", () => {
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
    ] as const)("R6455-7.4.1-1 %s: the other fails with 1003 at its first header", (accepts, other) => {
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
      "R6455-7.4.1-1 %s: its own comes whole, in fragments, and with control frames between",
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
    test("R6455-10.4-1 A01 a message is too big as soon as its header says so", () => {
      for (const announced of [101n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n]) {
        expectFailure("message-too-big", [{ opcode: 2, announced }], { maxMessageSize: 100 });
      }
      expectFailure("message-too-big", [{ opcode: 2, announced: 16n * 1024n * 1024n + 1n }]);
      expect(receive(open(), { opcode: 2, announced: 16n * 1024n * 1024n })).toEqual([]);
    });

    test("R6455-10.4-1 A01 no limit is above what a string can hold", () => {
      const limitless = { maxMessageSize: Number.POSITIVE_INFINITY };
      expectFailure("message-too-big", [{ opcode: 1, announced: 2n ** 63n - 1n }], limitless);
      expectFailure("message-too-big", [{ opcode: 1, announced: 2n ** 30n }], limitless);
    });

    test("R6455-10.4-1 A02 fragments count together, the limit is inclusive, and control frames do not count", () => {
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

    test("A07 1024 empty fragments in a row pass, and one more fails", () => {
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

    test("A11 R6455-10.4-1 tells what is unfinished: a header, a frame, a message", () => {
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

    test("A11 what is handed on in parts goes on as well, though none of it is kept", () => {
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

    test("R7692-6-1 R7692-6.2-1 R6455-5.8-1 are handed out whole, and nothing is parsed until they are inflated", () => {
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

    test("R7692-6-2 chunks that come meanwhile wait, and join what was left", () => {
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

    test("R7692-7.2.2-1 B01 B06 inflated data is judged: broken, not to be inflated, not UTF-8, too big", () => {
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

    test("R6455-10.4-1 B01 the limit is inclusive after inflating, too", () => {
      const endpoint = open({ ...options, maxMessageSize: 100 });
      receive(endpoint, { opcode: 2, rsv: 4, payload: "x" });
      expect(endpoint.inflated(new Uint8Array(100))).toMatchObject({ type: "message" });
    });

    test("R6455-7.1.7-3 a message inflated after a failure is not delivered, one after the transport's end is", () => {
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

    test("R7692-6.1-1 B05 RSV1 on a continuation or a control frame fails", () => {
      expectFailure("compressed-continuation", [{ opcode: 9, rsv: 4 }], options);
      const frames = [
        { opcode: 1, fin: false },
        { opcode: 0, rsv: 4, payload: "x" },
      ];
      expectFailure("compressed-continuation", frames, options);
      expectFailure("reserved-bit-set", [{ opcode: 1, rsv: 6, payload: "x" }], options);
    });

    test("R7692-7.2.2-1 inflated text is delivered as bytes on request", () => {
      const endpoint = open({ ...options, textAsBytes: true });
      receive(endpoint, { opcode: 1, rsv: 4, payload: "x" });
      expect(endpoint.inflated(Buffer.from("é"))).toEqual({
        type: "message",
        text: true,
        data: Uint8Array.of(0xc3, 0xa9),
      });
    });
  });
});

describe.each(["client", "server"] as const)("a %s that sends", (role) => {
  const masked = role === "client";

  test("R6455-6.1-2 R6455-5.1-1 R6455-5.1-3 R6455-5.5.2-1 R6455-5.5.3-3 text, bytes, compressed data and control frames [G30]", () => {
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

  test("R6455-5.4-1 R6455-5.4-3 fragments, with control frames between them", () => {
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

  test("R6455-5.4-4 R6455-5.4-1 messages are not interleaved", () => {
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

  test("D10 refuses what has no bytes, and its output is as before; elements of a few become a byte each", () => {
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

  test("R6455-5.5-1 refuses control frames of more than 125 bytes", () => {
    const endpoint = new Endpoint({ role });
    const expected = new RangeError("Cannot send: a control frame carries at most 125 bytes, not 126");
    expect(() => endpoint.ping(Buffer.alloc(126))).toThrow(expected);
    expect(() => endpoint.pong(Buffer.alloc(126))).toThrow(expected);
    expect(endpoint.ping(Buffer.alloc(125))).toBe(true);
  });

  test("R6455-5.5.1-3 R6455-6.1-1 R6455-5.1-5 sends nothing after its Close", () => {
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

  test("R6455-7.1.2-1 R6455-7.4.1-2 close checks code and reason in every state and sends nothing when they are wrong", () => {
    const endpoint = new Endpoint({ role });
    for (const finish of [() => {}, () => endpoint.close(), () => endpoint.receiveEnd()]) {
      finish();
      const before = endpoint.outputLength;
      expect(() => endpoint.close(1006)).toThrow(RangeError);
      expect(() => endpoint.close(1000, "x".repeat(124))).toThrow(RangeError);
      expect(endpoint.outputLength).toBe(before);
    }
  });

  test("R6455-7.1.7-1 the first rule broken is the one that counts [G94]", () => {
    const endpoint = new Endpoint({ role });
    expect(endpoint.fail("message-too-slow")).toEqual({ type: "failed", violation: "message-too-slow" });
    expect(endpoint.fail("reserved-opcode")).toEqual({ type: "failed", violation: "message-too-slow" });
    expect(endpoint.violation).toBe("message-too-slow");
    expect(takeFrames(endpoint)).toHaveLength(1);
  });

  test("discardOutput forgets what was not taken", () => {
    const endpoint = new Endpoint({ role });
    endpoint.sendMessage("x");
    endpoint.discardOutput();
    expect(takeBytes(endpoint)).toHaveLength(0);
  });
});

test.each<Role>(["client", "server"])("R6455-10.4-1 settings made once serve many endpoints, each a %s", (role) => {
  const settings = new EndpointSettings({ role, maxMessageSize: 3 });
  for (let i = 0; i < 2; i++) {
    const endpoint = new Endpoint(settings);
    expect(endpoint.role).toBe(role);
    const frames = ["abc", "abcd"].map((payload) => frameFrom(peerOf(role), { opcode: 1, payload }));
    expect(feed(endpoint, Buffer.concat(frames))).toEqual([
      { type: "message", text: true, data: "abc" },
      { type: "failed", violation: "message-too-big" },
    ]);
  }
});

describe("frames that are encoded already", () => {
  test("R6455-5.1-1 a client refuses them, for they are not masked", () => {
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

describe.each(["client", "server"] as const)("many endpoints side by side, each a %s", (role) => {
  /** More than are ever kept for the next. */
  const count = 100;

  test("A06 hand each other on what they need for a while, and never a byte of their frames", () => {
    const endpoints = Array.from({ length: count }, () => new Endpoint({ role }));
    const texts = endpoints.map((_, index) => `message ${index} ${"x".repeat(index * 3)}`);
    const inputs = texts.map((payload) => frameFrom(peerOf(role), { opcode: 1, payload }));
    const received = endpoints.map((): unknown[] => []);
    const sent = endpoints.map((): Buffer[] => []);
    for (let at = 0; at < Math.max(...inputs.map(({ length }) => length)); at++) {
      for (const [index, endpoint] of endpoints.entries()) {
        if (at >= inputs[index]!.length) continue;
        endpoint.receive(ownCopy(inputs[index]!.subarray(at, at + 1)));
        received[index]!.push(...drain(endpoint));
        endpoint.sendMessage(`answer ${index} ${at}`);
        if (at % 3 === index % 3) sent[index]!.push(takeBytes(endpoint));
      }
    }
    for (const [index, endpoint] of endpoints.entries()) {
      expect(received[index]).toEqual([{ type: "message", text: true, data: texts[index] }]);
      const frames = readFrames(Buffer.concat([...sent[index]!, takeBytes(endpoint)]));
      expect(frames.map(({ payload }) => payload.toString())).toEqual(
        Array.from(inputs[index]!, (_, at) => `answer ${index} ${at}`),
      );
    }
  });

  test("R6455-7.1.7-1 one that fails takes with it what it was reading", () => {
    for (let round = 0; round < count; round++) {
      const failing = new Endpoint({ role, maxMessageSize: 10 });
      failing.receive(ownCopy(frameFrom(peerOf(role), { opcode: 1, payload: "far too long" })));
      expect(failing.nextEvent()).toEqual({ type: "failed", violation: "message-too-big" });
      expect(failing.nextEvent()).toBeUndefined();
      const next = new Endpoint({ role });
      next.receive(ownCopy(frameFrom(peerOf(role), { opcode: 1, payload: "short" })));
      expect(drain(next)).toEqual([{ type: "message", text: true, data: "short" }]);
    }
  });
});

describe("the memory of what is handed out", () => {
  function messages(chunk: Buffer, role: Role, borrowed = false): Uint8Array[] {
    const endpoint = new Endpoint({ role });
    endpoint.receive(chunk, borrowed);
    return drain(endpoint).map((event) => (event as { data: Uint8Array }).data);
  }

  function burst(role: Role, count: number, length: number): { chunk: Buffer; payloads: Uint8Array[] } {
    const payloads = Array.from({ length: count }, (_, i) => new Uint8Array(length).fill(i + 1));
    const frames = payloads.map((payload) => frameFrom(peerOf(role), { opcode: 2, payload }));
    return { chunk: ownCopy(Buffer.concat(frames)), payloads };
  }

  test.each(["client", "server"] as const)(
    "D08 D21 a %s never keeps more than twice the message, and no two share memory",
    (role) => {
      for (const [count, length] of [
        [1, 10],
        [3, 100],
        [100, 100],
        [1000, 10],
        [40, 1500],
        [4, 3000],
        [1, 60_000],
        [2, 60_000],
      ] as const) {
        for (const borrowed of [false, true]) {
          const { chunk, payloads } = burst(role, count, length);
          const handedOut = messages(chunk, role, borrowed);
          expect(Buffer.concat(handedOut).equals(Buffer.concat(payloads))).toBe(true);
          expect(new Set(handedOut.map(({ buffer }) => buffer)).size).toBe(count);
          for (const data of handedOut) {
            expect(Object.getPrototypeOf(data)).toBe(Uint8Array.prototype);
            expect(data.buffer.byteLength).toBeLessThanOrEqual(2 * length + 28);
            if (borrowed) expect(data.buffer).not.toBe(chunk.buffer);
          }
        }
      }
    },
  );

  test("D21 the payload of a control frame is memory of its own, also one that came in parts", () => {
    const endpoint = new Endpoint({ role: "client" });
    const payloads: Uint8Array[] = [];
    const events = feed(
      endpoint,
      Buffer.concat([9, 10].map((opcode) => frameFrom("server", { opcode, payload: "x".repeat(100) }))),
      [50],
    );
    for (const event of events) payloads.push((event as { payload: Uint8Array }).payload);
    expect(payloads.map((payload) => Buffer.from(payload).toString())).toEqual(Array(2).fill("x".repeat(100)));
    expect(payloads.map(({ buffer }) => buffer.byteLength <= 204)).toEqual([true, true]);
    expect(payloads[0]!.buffer).not.toBe(payloads[1]!.buffer);
  });

  test("A06 D10 what a borrowed chunk or pooled memory held is never handed out, also after joining chunks", () => {
    const frames = Buffer.concat(["one", "two"].map((payload) => frameFrom("client", { opcode: 2, payload })));
    const pooled = Buffer.from(frames);
    expect(pooled.buffer.byteLength).toBeGreaterThan(pooled.length);
    for (const data of messages(pooled, "server")) expect(data.buffer).not.toBe(pooled.buffer);
    const endpoint = new Endpoint({ role: "server" });
    endpoint.receive(ownCopy(frames.subarray(0, 12)));
    endpoint.receive(ownCopy(frames.subarray(12)));
    const joined = drain(endpoint).map((event) => (event as { data: Uint8Array }).data);
    expect(joined.map((data) => Buffer.from(data).toString())).toEqual(["one", "two"]);
    for (const data of joined) expect(data.buffer.byteLength).toBeLessThanOrEqual(frames.length);
  });

  test("a borrowed chunk may be overwritten after releaseChunk, between two events and inside a frame", () => {
    const endpoint = new Endpoint({ role: "server" });
    const frames = Buffer.concat(["first", "second"].map((payload) => frameFrom("client", { opcode: 2, payload })));
    const shared = ownCopy(frames.subarray(0, -2));
    endpoint.receive(shared, true);
    const first = endpoint.nextEvent() as { data: Uint8Array };
    endpoint.releaseChunk();
    shared.fill(0);
    expect(drain(endpoint)).toEqual([]);
    endpoint.receive(ownCopy(frames.subarray(-2)), true);
    const [second] = drain(endpoint) as { data: Uint8Array }[];
    expect([first, second].map((event) => Buffer.from(event!.data).toString())).toEqual(["first", "second"]);
  });

  test("D12 what is left of a long borrowed chunk is copied by releaseChunk, and an idle endpoint has nothing to copy", () => {
    const endpoint = new Endpoint({ role: "server" });
    endpoint.releaseChunk();
    const payloads = [Buffer.from("first"), Buffer.alloc(5000, 0x61)];
    const shared = ownCopy(Buffer.concat(payloads.map((payload) => frameFrom("client", { opcode: 2, payload }))));
    endpoint.receive(shared, true);
    const first = endpoint.nextEvent() as { data: Uint8Array };
    endpoint.releaseChunk();
    shared.fill(0);
    const [second] = drain(endpoint) as { data: Uint8Array }[];
    expect([first, second].map((event) => Buffer.from(event!.data))).toEqual(payloads);
  });

  test("D08 a chunk is the endpoint's own unless it is said to be borrowed; what is not parsed yet is no message", () => {
    const endpoint = new Endpoint({ role: "server" });
    const chunk = ownCopy(frameFrom("client", { opcode: 2, payload: "own".repeat(30) }));
    endpoint.receive(chunk);
    expect(endpoint.insideMessage).toBe(false);
    expect((endpoint.nextEvent() as { data: Uint8Array }).data.buffer).toBe(chunk.buffer);
  });

  test("D08 an endpoint holds a decoder from the first byte of a frame to its last", () => {
    const decoder = takeDecoder();
    giveDecoder(decoder);
    const isFree = (): boolean => {
      const next = takeDecoder();
      giveDecoder(next);
      return next === decoder;
    };
    const endpoint = new Endpoint({ role: "server" });
    const frame = frameFrom("client", { opcode: 2, payload: "frame" });
    const free = [0, 1, 8, frame.length].map((end, i, ends) => {
      feed(endpoint, frame.subarray(ends[i - 1] ?? 0, end));
      return isFree();
    });
    expect(free).toEqual([true, false, false, true]);
  });

  test("D08 D12 an endpoint holds an output buffer until all that it gathered has left", () => {
    const output = takeOutput();
    giveOutput(output);
    const isFree = (): boolean => {
      const next = takeOutput();
      giveOutput(next);
      return next === output;
    };
    const endpoint = new Endpoint({ role: "server" });
    const free = [isFree()];
    endpoint.sendMessage("x".repeat(30_000));
    free.push(isFree());
    endpoint.takeOutput();
    free.push(isFree());
    endpoint.outputTaken(false);
    free.push(isFree());
    endpoint.sendMessage("y");
    endpoint.takeOutput();
    endpoint.outputTaken(true);
    free.push(isFree());
    endpoint.sendMessage("z");
    endpoint.discardOutput();
    free.push(isFree());
    expect(free).toEqual([true, false, false, false, true, true]);
  });

  test("D12 bytes handed out stay as they are while later frames are read", () => {
    const { chunk, payloads } = burst("server", 30, 50);
    const endpoint = new Endpoint({ role: "server" });
    const handedOut: Uint8Array[] = [];
    for (let at = 0; at < chunk.length; at += 333) {
      for (const event of feed(endpoint, chunk.subarray(at, at + 333))) {
        handedOut.push((event as { data: Uint8Array }).data);
      }
    }
    expect(handedOut).toEqual(payloads);
  });
});

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

  function wire(...frames: Omit<WireFrame, "key">[]): Buffer {
    return Buffer.concat(frames.map((frame) => frameFrom(peerOf(role), frame)));
  }

  const isPart = (event: EndpointEvent): event is PartEvent => event.type === "part";

  test("R6455-5.4-1: a message longer than the limit comes as it arrives, control frames between", () => {
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

  test("A10: text is cut between characters wherever frames and chunks are cut", () => {
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
  ])("R6455-8.1-1: text that is not UTF-8 %s fails with 1007", (_, frames) => {
    const endpoint = streaming();
    const events = feed(endpoint, wire(...frames), cuts);
    expect(events.at(-1)).toEqual({ type: "failed", violation: "text-not-utf8" });
    expect(takeFrames(endpoint)[0]!.payload.readUInt16BE(0)).toBe(1007);
  });

  test("A07: empty fragments in a row are counted, others end the row", () => {
    const endpoint = new Endpoint({ role, maxEmptyFragments: 2 });
    endpoint.streaming = true;
    const empty = { opcode: 0, fin: false };
    const begin = { ...empty, opcode: 2 };
    const filled = { ...empty, payload: "x" };
    const good = feed(endpoint, wire(begin, empty, filled, empty, empty), cuts);
    expect(joined(good.filter(isPart))).toBe("x");
    expect(feed(endpoint, wire(empty), cuts)).toEqual([{ type: "failed", violation: "too-many-empty-fragments" }]);
  });

  test("R6455-5.4-1: what may not come inside a message may not come between parts", () => {
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
    expect(feed(endpoint, bytes, cuts)).toEqual([{ type: "inflate", payload: Buffer.from([1, 2, 3, 4]) }]);
    endpoint.inflated(new Uint8Array(1));
    const long = wire({ opcode: 2, rsv: 4, payload: new Uint8Array(101) });
    expect(feed(endpoint, long, cuts).at(-1)).toEqual({ type: "failed", violation: "message-too-big" });
  });

  test("A01: a length that no number counts is too big all the same", () => {
    const header = { opcode: 2, fin: false, lengthBits: 64, announced: 2n ** 53n } as const;
    expect(feed(streaming(), wire(header), cuts)).toEqual([{ type: "failed", violation: "message-too-big" }]);
    expect(feed(streaming(), wire({ ...header, announced: 2n ** 53n - 1n }), cuts)).toEqual([]);
  });

  test("D08: parts of a borrowed chunk outlive it", () => {
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

describe.each<Role>(["server", "client"])("D23 as %s", (role) => {
  const frames = ["first", "second"].map((payload) => frameFrom(peerOf(role), { opcode: 1, payload }));

  /** From now on the system gives no memory. */
  function exhaust(): void {
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation(() => {
      throw new RangeError("Array buffer allocation failed");
    });
  }

  test.each([
    ["the rest of a chunk that was only lent", (endpoint: Endpoint) => endpoint.releaseChunk()],
    ["a chunk behind another", (endpoint: Endpoint) => endpoint.receive(ownCopy(frames[0]!))],
  ])("D23: where %s cannot be copied, the connection fails, and the next event tells so once", (_, act) => {
    const endpoint = new Endpoint({ role });
    // The slab of the output is there already.
    endpoint.sendMessage("before");
    endpoint.receive(ownCopy(Buffer.concat(frames)), true);
    expect(endpoint.nextEvent()).toMatchObject({ data: "first" });
    exhaust();
    act(endpoint);
    expect([endpoint.violation, endpoint.state, endpoint.closeSent?.code]).toEqual(["no-memory", "discarding", 1011]);
    endpoint.receive(ownCopy(frames[1]!));
    expect([endpoint.nextEvent(), endpoint.nextEvent()]).toEqual([
      { type: "failed", violation: "no-memory" },
      undefined,
    ]);
  });

  test("D23: where there is none for a Close either, it ends without one", () => {
    const endpoint = new Endpoint({ role });
    const slabs = Array.from({ length: 40 }, () => new OutputBuffer());
    for (const slab of slabs) slab.reserve(1);
    exhaust();
    endpoint.receive(ownCopy(frameFrom(peerOf(role), { opcode: 2, fin: false, payload: "part" })));
    expect(endpoint.nextEvent()).toEqual({ type: "failed", violation: "no-memory" });
    expect([endpoint.state, endpoint.closeSent, endpoint.outputLength]).toEqual(["discarding", undefined, 0]);
  });

  test.each([
    ["a Close", (endpoint: Endpoint) => endpoint.close(1000)],
    ["a Ping", (endpoint: Endpoint) => expect(endpoint.ping(new Uint8Array(1))).toBe(false)],
    ["a Pong", (endpoint: Endpoint) => expect(endpoint.pong(new Uint8Array(1))).toBe(false)],
    ["the Pong that was kept, at the peer's end", (endpoint: Endpoint) => endpoint.receivePeerEnd()],
  ])("D23: without memory for %s the connection fails, and the next event tells so once", (_, act) => {
    const endpoint = new Endpoint({ role });
    endpoint.stalled = true;
    endpoint.receive(ownCopy(frameFrom(peerOf(role), { opcode: 9, payload: "kept" })));
    expect(endpoint.nextEvent()).toMatchObject({ type: "ping" });
    for (const slab of Array.from({ length: 40 }, () => new OutputBuffer())) slab.reserve(1);
    exhaust();
    act(endpoint);
    expect([endpoint.state, endpoint.closeSent, endpoint.outputLength]).toEqual(["discarding", undefined, 0]);
    expect([endpoint.nextEvent(), endpoint.nextEvent()]).toEqual([
      { type: "failed", violation: "no-memory" },
      undefined,
    ]);
  });

  test("D23: … and any other error on the way to a Close is not hidden", () => {
    const endpoint = new Endpoint({ role });
    for (const slab of Array.from({ length: 40 }, () => new OutputBuffer())) slab.reserve(1);
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation(() => {
      throw new TypeError("a mistake of ours");
    });
    expect(() => endpoint.fail("message-too-big")).toThrow("a mistake of ours");
  });

  test("D23: any other error is no lack of memory, and is not hidden", () => {
    const endpoint = new Endpoint({ role });
    endpoint.receive(ownCopy(Buffer.concat(frames)), true);
    endpoint.nextEvent();
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation(() => {
      throw new TypeError("a mistake of ours");
    });
    expect(() => endpoint.releaseChunk()).toThrow("a mistake of ours");
  });

  test("D23: an inflated message that cannot become a string fails the connection", () => {
    const endpoint = new Endpoint({ role, compression: true });
    endpoint.receive(ownCopy(frameFrom(peerOf(role), { opcode: 1, rsv: 4, payload: "deflated" })));
    expect(endpoint.nextEvent()).toMatchObject({ type: "inflate" });
    vi.mocked(decodeUtf8).mockImplementationOnce(() => {
      throw new RangeError("Array buffer allocation failed");
    });
    expect(endpoint.inflated(Buffer.from("ä"))).toEqual({ type: "failed", violation: "no-memory" });
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
