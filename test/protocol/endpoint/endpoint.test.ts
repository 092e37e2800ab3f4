/** The class as users meet it: every member says and does the same as what it stands for. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import { EndpointSettings } from "../../../src/protocol/endpoint/endpoint-options.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { closePayload } from "../../support/endpoints.ts";
import { drain, feed, frameFrom, ownCopy, peerOf, takeBytes, takeFrames } from "../../support/wire.ts";

describe.each<Role>(["server", "client"])("a %s", (role) => {
  const wire = (...payloads: string[]): Buffer =>
    Buffer.concat(payloads.map((payload) => frameFrom(peerOf(role), { opcode: 1, payload })));

  test("says at its beginning that it is open and that nothing was received or sent", () => {
    const endpoint = new Endpoint({ role });
    expect([endpoint.role, endpoint.lendsBytes]).toEqual([role, false]);
    expect([endpoint.state, endpoint.readyState]).toEqual(["open", 1]);
    expect([endpoint.closeSent, endpoint.closeReceived, endpoint.violation]).toEqual([undefined, undefined, undefined]);
    expect([endpoint.streaming, endpoint.stalled, endpoint.inflating]).toEqual([false, false, false]);
    expect([endpoint.unparsedLength, endpoint.unfinishedLength, endpoint.messageProgress]).toEqual([0, 0, 0]);
    expect([endpoint.insideMessage, endpoint.sendingFragments, endpoint.outputRefers]).toEqual([false, false, false]);
    expect([endpoint.outputLength, endpoint.waitingMessages, endpoint.sharedOutputLength]).toEqual([0, 0, 0]);
    expect(endpoint.nextEvent()).toBeUndefined();
    expect(endpoint.takeOutput()).toEqual([]);
  });

  test("takes its options as they are, or made once for many", () => {
    const settings = new EndpointSettings({ role, lendsBytes: true });
    expect([new Endpoint(settings).lendsBytes, new Endpoint({ role, lendsBytes: true }).lendsBytes]).toEqual([
      true,
      true,
    ]);
    expect(() => new Endpoint({ role, maxMessageSize: Number.NaN })).toThrow(RangeError);
  });

  test("receives as much of a chunk as it is told, borrowed or not, and goes on after a number of frames", () => {
    const endpoint = new Endpoint({ role });
    const bytes = wire("a", "b");
    const chunk = Buffer.concat([bytes, Buffer.from("none of it")]);
    endpoint.receive(ownCopy(chunk), true, bytes.length);
    expect(endpoint.unparsedLength).toBe(bytes.length);
    expect([endpoint.nextEvent(), endpoint.unparsedLength]).toEqual([
      { type: "message", text: true, data: "a" },
      bytes.length / 2,
    ]);
    expect([endpoint.nextEvent(0), endpoint.nextEvent(1)]).toEqual([
      undefined,
      { type: "message", text: true, data: "b" },
    ]);
    endpoint.releaseChunk();
  });

  test("tells which frame failed it, if one did [R6455-7.1.7-1]", () => {
    const endpoint = new Endpoint({ role });
    expect(endpoint.brokenFrame).toBeUndefined();
    feed(endpoint, frameFrom(peerOf(role), { opcode: 3, payload: "ab" }));
    expect([endpoint.violation, endpoint.brokenFrame]).toEqual([
      "reserved-opcode",
      { firstByte: 0x83, payloadLength: 2 },
    ]);
  });

  test("tells whether what it waits for is delivered as a string [R7692-6.2-1]", () => {
    for (const [textAsBytes, opcode, expected] of [
      [false, 1, true],
      [false, 2, false],
      [true, 1, false],
    ] as const) {
      const endpoint = new Endpoint({ role, textAsBytes, compression: true });
      expect(endpoint.inflatesText).toBe(false);
      feed(endpoint, frameFrom(peerOf(role), { opcode, rsv: 4, payload: "deflated" }));
      expect([endpoint.inflating, endpoint.inflatesText]).toEqual([true, expected]);
      endpoint.inflated(Buffer.from("inflated"));
      expect(endpoint.inflatesText).toBe(false);
    }
  });

  test("tells how far a message has come, kept or handed on", () => {
    const endpoint = new Endpoint({ role });
    const bytes = frameFrom(peerOf(role), { opcode: 2, payload: "12345678" });
    feed(endpoint, bytes.subarray(0, 1));
    expect([endpoint.messageProgress, endpoint.insideMessage]).toEqual([1, true]);
    feed(endpoint, bytes.subarray(1, bytes.length - 3));
    expect([endpoint.messageProgress, endpoint.unfinishedLength, endpoint.insideMessage]).toEqual([5, 5, true]);
    feed(endpoint, bytes.subarray(bytes.length - 3));
    endpoint.streaming = true;
    expect(endpoint.streaming).toBe(true);
    feed(endpoint, frameFrom(peerOf(role), { opcode: 2, fin: false, payload: "part" }));
    expect([endpoint.messageProgress, endpoint.unfinishedLength, endpoint.insideMessage]).toEqual([4, 0, true]);
  });

  test("has memory for all of a long frame once a 32nd of it has come, and says how much of that is to come [A02]", () => {
    const MiB = 1024 * 1024;
    const bytes = frameFrom(peerOf(role), { opcode: 2, payload: new Uint8Array(4 * MiB) });
    for (const [maxProcessAllotment, ahead] of [
      [4 * MiB, 3 * MiB],
      [4 * MiB - 1, 65_536],
    ] as const) {
      const endpoint = new Endpoint({ role, maxProcessAllotment });
      expect(endpoint.allottedAhead).toBe(0);
      const header = bytes.length - 4 * MiB;
      for (let at = 0; at < header + MiB; at += 65_536) {
        feed(endpoint, bytes.subarray(at, Math.min(at + 65_536, header + MiB)));
      }
      expect([endpoint.unfinishedLength, endpoint.allottedAhead]).toEqual([MiB, ahead]);
      feed(endpoint, bytes.subarray(header + MiB));
      expect([endpoint.unfinishedLength, endpoint.allottedAhead]).toEqual([0, 0]);
    }
  });

  test("waits for an answer to what has to be inflated", () => {
    const endpoint = new Endpoint({ role, compression: true });
    expect(() => endpoint.inflated(new Uint8Array(0))).toThrow("no message waits");
    feed(endpoint, frameFrom(peerOf(role), { opcode: 1, rsv: 4, payload: "deflated" }));
    expect([endpoint.inflating, endpoint.unfinishedLength]).toEqual([true, 8]);
    expect(endpoint.inflated(Buffer.from("text"))).toEqual({ type: "message", text: true, data: "text" });
    expect(endpoint.inflating).toBe(false);
  });

  test("sends messages, fragments and control frames, and counts what was not taken", () => {
    const endpoint = new Endpoint({ role });
    endpoint.sendMessage("text");
    endpoint.sendMessage(new Uint8Array(100_000));
    endpoint.sendCompressed(false, Buffer.from([0]));
    endpoint.sendFragment(true, Buffer.from("a"), { first: true, last: false });
    expect(endpoint.sendingFragments).toBe(true);
    endpoint.sendFragment(true, Buffer.from("b"), { first: false, last: true });
    if (role === "server") endpoint.sendEncoded(frameFrom("server", { opcode: 2, payload: "z".repeat(5000) }));
    else expect(() => endpoint.sendEncoded(new Uint8Array(2))).toThrow("a client must mask");
    endpoint.ping(new Uint8Array(0));
    endpoint.pong(new Uint8Array(0));
    expect(endpoint.waitingMessages).toBe(role === "server" ? 5 : 4);
    expect(endpoint.sharedOutputLength).toBe(role === "server" ? 5004 : 0);
    expect(endpoint.outputRefers).toBe(role === "server");
    expect(endpoint.outputLength).toBeGreaterThan(100_000);
    expect(takeFrames(endpoint).map(({ opcode }) => opcode)).toEqual(
      role === "server" ? [1, 2, 2, 1, 0, 2, 9, 10] : [1, 2, 2, 1, 0, 9, 10],
    );
    endpoint.sendMessage("never taken");
    endpoint.discardOutput();
    expect(endpoint.outputLength).toBe(0);
  });

  test("answers the Pings that are left to the application, by its word, until it is over", () => {
    const endpoint = new Endpoint({ role, answersPings: false });
    feed(endpoint, frameFrom(peerOf(role), { opcode: 9, payload: "p" }));
    expect(takeFrames(endpoint)).toEqual([]);
    endpoint.answerPing(Buffer.from("p"));
    expect(takeFrames(endpoint).map(({ opcode, payload }) => [opcode, String(payload)])).toEqual([[10, "p"]]);
    endpoint.receiveEnd();
    endpoint.answerPing(Buffer.from("late"));
    expect(endpoint.outputLength).toBe(0);
  });

  test("takes another limit while messages come, and refuses one that cannot be", () => {
    const endpoint = new Endpoint({ role, maxMessageSize: 3 });
    expect(endpoint.maxMessageSize).toBe(3);
    endpoint.maxMessageSize = 5;
    expect(endpoint.maxMessageSize).toBe(5);
    expect(drain(endpoint)).toEqual([]);
    feed(endpoint, wire("12345"));
    expect(endpoint.violation).toBeUndefined();
    feed(endpoint, wire("123456"));
    expect(endpoint.violation).toBe("message-too-big");
    expect(() => {
      endpoint.maxMessageSize = Number.NaN;
    }).toThrow(RangeError);
  });

  test("keeps one Pong while it is stalled, and counts it as output", () => {
    const endpoint = new Endpoint({ role });
    endpoint.stalled = true;
    feed(endpoint, frameFrom(peerOf(role), { opcode: 9, payload: "x" }));
    expect([endpoint.stalled, endpoint.outputLength]).toEqual([true, role === "client" ? 7 : 3]);
    const [piece] = endpoint.takeOutput(true);
    endpoint.outputTaken(false);
    expect(piece).toHaveLength(role === "client" ? 7 : 3);
  });

  test("uses memory again when it hears that all has left", () => {
    const endpoint = new Endpoint({ role });
    const long = (): ArrayBufferLike => {
      endpoint.sendMessage(new Uint8Array(5000));
      const [piece] = endpoint.takeOutput(false, true);
      endpoint.outputTaken(false, true);
      return piece!.buffer;
    };
    endpoint.sendMessage("x");
    endpoint.takeOutput();
    endpoint.outputTaken(false);
    const memory = long();
    expect(long()).not.toBe(memory);
    endpoint.outputLeft();
    expect([long(), long()]).toContain(memory);
  });

  test("closes, answers a Close and fails", () => {
    const closes = new Endpoint({ role });
    closes.close(1000, "bye");
    expect([closes.state, closes.closeSent]).toEqual(["closing", { code: 1000, reason: "bye" }]);
    const answers = new Endpoint({ role });
    feed(answers, frameFrom(peerOf(role), { opcode: 8, payload: closePayload(4000) }));
    expect([answers.readyState, answers.closeReceived]).toEqual([2, { code: 4000, reason: "" }]);
    answers.echoClose();
    expect([answers.state, answers.closeSent]).toEqual(["discarding", { code: 4000, reason: "" }]);
    const fails = new Endpoint({ role });
    expect(fails.fail("message-too-slow")).toEqual({ type: "failed", violation: "message-too-slow" });
    expect(fails.violation).toBe("message-too-slow");
  });

  test("ends with its peer and with its transport", () => {
    const endpoint = new Endpoint({ role });
    endpoint.receivePeerEnd();
    expect(endpoint.state).toBe("discarding");
    endpoint.receiveEnd();
    expect([endpoint.state, endpoint.readyState, takeBytes(endpoint).length, drain(endpoint)]).toEqual([
      "closed",
      3,
      0,
      [],
    ]);
  });
});
