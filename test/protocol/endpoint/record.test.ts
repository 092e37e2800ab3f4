/**
 * What endpoints share, and what they hold only while bytes are under way.
 */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import { EndpointSettings } from "../../../src/protocol/endpoint/endpoint-options.ts";
import { EndpointRecord } from "../../../src/protocol/endpoint/record.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { giveDecoder, takeDecoder } from "../../../src/protocol/frames/frame-decoder.ts";
import { giveOutput, takeOutput } from "../../../src/protocol/frames/output-buffer.ts";
import { MessageAssembler } from "../../../src/protocol/messages/message-assembler.ts";
import { drain, feed, frameFrom, ownCopy, peerOf, readFrames, takeBytes } from "../../support/wire.ts";

test("parses and sends as its state says, and takes no step that the table does not have", () => {
  const seen = (["closeSent", "closeReceived"] as const).map((first) => {
    const record = new EndpointRecord(new EndpointSettings({ role: "server" }));
    const states = [[record.isParsing, record.isSending]];
    for (const transition of [first, first, "failed", "failed", "transportEnded", "failed"] as const) {
      record.move(transition);
      states.push([record.isParsing, record.isSending]);
    }
    return [record.state, states];
  });
  const [both, parses, sends, none] = [
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ];
  expect(seen).toEqual([
    ["closed", [both, parses, parses, none, none, none, none]],
    ["closed", [both, sends, sends, none, none, none, none]],
  ]);
});

test("knows the rule that failed it", () => {
  const record = new EndpointRecord(new EndpointSettings({ role: "server" }));
  expect(record.violation).toBeUndefined();
  record.failure = { violation: "text-not-utf8", frame: undefined };
  expect(record.violation).toBe("text-not-utf8");
});

test("lets go of all that was received, and takes an output from the pool only once", () => {
  const record = new EndpointRecord(new EndpointSettings({ role: "server" }));
  record.stopParsing();
  record.clearOutput();
  expect(record.output).toBeUndefined();
  const output = record.openOutput();
  expect(record.openOutput()).toBe(output);
  record.message = new MessageAssembler(false, false, 100);
  record.message.add(new Uint8Array(8), 0, 8, 0);
  record.latestPing = record.controlPart = new Uint8Array(1);
  record.decoder = takeDecoder();
  record.stopParsing();
  expect([record.decoder, record.message, record.controlPart, record.latestPing]).toEqual(Array(4).fill(undefined));
  output.reserve(1);
  record.releaseOutput();
  expect(record.output).toBe(output);
  record.clearOutput();
  expect(record.output).toBeUndefined();
});

test.each<Role>(["client", "server"])("settings made once serve many endpoints, each a %s [R6455-10.4-1]", (role) => {
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

describe.each(["client", "server"] as const)("many endpoints side by side, each a %s", (role) => {
  /** More than are ever kept for the next. */
  const count = 100;

  test("hand each other on what they need for a while, and never a byte of their frames [A06]", () => {
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

  test("one that fails takes with it what it was reading [R6455-7.1.7-1]", () => {
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

describe("what is held while bytes are under way", () => {
  test("an endpoint holds a decoder from the first byte of a frame to its last [D08]", () => {
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

  test("an endpoint holds an output buffer until all that it gathered has left [D08 D12]", () => {
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
});
