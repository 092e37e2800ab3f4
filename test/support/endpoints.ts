/** Endpoints fed with frames that were built by hand, in both roles, each input whole and byte by byte. */
import { Buffer } from "node:buffer";
import { expect, vi } from "vitest";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { EndpointEvent } from "../../src/protocol/endpoint/endpoint-events.ts";
import type { EndpointOptions } from "../../src/protocol/endpoint/endpoint-options.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { OutputBuffer } from "../../src/protocol/frames/output-buffer.ts";
import { type Violation, violations } from "../../src/protocol/protocol-error.ts";
import { type Cuts, feed, frameFrom, ownCopy, peerOf, takeFrames, type WireFrame } from "./wire.ts";

/** Both roles, each with what comes in one piece and byte by byte; for `describe.each`. */
export const forms = [
  ["server", "whole"],
  ["server", "bytewise"],
  ["client", "whole"],
  ["client", "bytewise"],
] as const;

type Frame = Omit<WireFrame, "key">;

/** What tests of an endpoint that receives share. */
export interface Receiver {
  open(options?: Partial<EndpointOptions>): Endpoint;
  /** The frames as the endpoint's peer sends them. */
  wire(...frames: Frame[]): Buffer;
  receive(endpoint: Endpoint, ...frames: Frame[]): EndpointEvent[];
  /** For a long frame: byte by byte at its beginning and its end alone, which takes no time. */
  cutsOfLong(length: number): Cuts;
  /** Expects that the frames fail the connection, by this rule, with its Close, and that nothing is read after. */
  expectFailure(violation: Violation, frames: Frame[], options?: Partial<EndpointOptions>): void;
}

/** Endpoints of a role, whose input is cut in one way. */
export function receiverOf(role: Role, cuts: Cuts): Receiver {
  const peer = peerOf(role);

  function open(options: Partial<EndpointOptions> = {}): Endpoint {
    return new Endpoint({ role, ...options });
  }

  function wire(...frames: Frame[]): Buffer {
    return Buffer.concat(frames.map((frame) => frameFrom(peer, frame)));
  }

  function receive(endpoint: Endpoint, ...frames: Frame[]): EndpointEvent[] {
    return feed(endpoint, wire(...frames), cuts);
  }

  function cutsOfLong(length: number): Cuts {
    const edge = Array.from({ length: 20 }, (_, i) => i + 1);
    return cuts === "bytewise" && length > 1000 ? [...edge, ...edge.map((at) => length - 17 + at)] : cuts;
  }

  function expectFailure(violation: Violation, frames: Frame[], options?: Partial<EndpointOptions>): void {
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

  return { open, wire, receive, cutsOfLong, expectFailure };
}

/** The payload of a Close frame. */
export function closePayload(code: number, reason = ""): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
}

/** From now on the system gives no memory; `vi.restoreAllMocks` ends it. */
export function exhaustMemory(error: Error = new RangeError("Array buffer allocation failed")): void {
  vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation(() => {
    throw error;
  });
}

/** Empties the pool of output, so that the next frame needs memory. */
export function emptyOutputPool(): void {
  for (const slab of Array.from({ length: 40 }, () => new OutputBuffer())) slab.reserve(1);
}

/** Expects that an act of ours, for which there is no memory, fails the connection, and that one event tells so. */
export function failsWithoutMemory(role: Role, act: (endpoint: Endpoint) => void): void {
  const endpoint = new Endpoint({ role });
  endpoint.stalled = true;
  endpoint.receive(ownCopy(frameFrom(peerOf(role), { opcode: 9, payload: "kept" })));
  expect(endpoint.nextEvent()).toMatchObject({ type: "ping" });
  emptyOutputPool();
  exhaustMemory();
  act(endpoint);
  expect([endpoint.state, endpoint.closeSent, endpoint.outputLength]).toEqual(["discarding", undefined, 0]);
  expect([endpoint.nextEvent(), endpoint.nextEvent()]).toEqual([{ type: "failed", violation: "no-memory" }, undefined]);
}
