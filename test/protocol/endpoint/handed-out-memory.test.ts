/**
 * The memory of what is handed out: whose it is, and for how long.
 */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { Endpoint } from "../../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { drain, feed, frameFrom, ownCopy, peerOf } from "../../support/wire.ts";

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
    "a %s never keeps more than twice the message, and no two share memory [D08 D21]",
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

  test("the payload of a control frame is memory of its own, also one that came in parts [D21]", () => {
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

  test("what a borrowed chunk or pooled memory held is never handed out, also after joining chunks [A06 D10]", () => {
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

  test("what is left of a long borrowed chunk is copied by releaseChunk, and an idle endpoint has nothing to copy [D12]", () => {
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

  test("a chunk is the endpoint's own unless it is said to be borrowed; what is not parsed yet is no message [D08]", () => {
    const endpoint = new Endpoint({ role: "server" });
    const chunk = ownCopy(frameFrom("client", { opcode: 2, payload: "own".repeat(30) }));
    endpoint.receive(chunk);
    expect(endpoint.insideMessage).toBe(false);
    expect((endpoint.nextEvent() as { data: Uint8Array }).data.buffer).toBe(chunk.buffer);
  });

  test("bytes handed out stay as they are while later frames are read [D12]", () => {
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
