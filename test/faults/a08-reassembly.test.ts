/**
 * A08: how the work for a message grows with its fragments, in bytes copied.
 *
 * @module-tag slow
 */
import { afterEach, describe, expect, test, vi } from "vitest";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { repeated } from "../support/target.ts";
import { frameFrom, peerOf } from "../support/wire.ts";

afterEach(() => void vi.restoreAllMocks());

/** The bytes that are copied from one buffer to another meanwhile. */
function bytesCopied(work: () => void): number {
  let copied = 0;
  const { copy } = Buffer.prototype;
  const { concat } = Buffer;
  vi.spyOn(Buffer.prototype, "copy").mockImplementation(function (this: Buffer, ...given) {
    const length = copy.apply(this, given);
    copied += length;
    return length;
  });
  vi.spyOn(Buffer, "concat").mockImplementation((list, length) => {
    const joined = concat(list, length);
    copied += joined.length;
    return joined;
  });
  work();
  vi.restoreAllMocks();
  return copied;
}

/** How many times as much is copied for twice as many fragments. */
function ratio(count: number, work: (count: number) => void): number {
  return bytesCopied(() => work(2 * count)) / bytesCopied(() => work(count));
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test.each([1, 100])("A08: 200 000 fragments of %i bytes copy at most 2.3 times what 100 000 do", (length) => {
    const receive = (count: number) => {
      const endpoint = new Endpoint({ role, maxMessageSize: Number.POSITIVE_INFINITY });
      const payload = "x".repeat(length);
      const thousand = repeated(role, 1000, { opcode: 0, fin: false, payload });
      endpoint.receive(frameFrom(peerOf(role), { opcode: 2, fin: false }));
      expect(endpoint.nextEvent()).toBeUndefined();
      for (let sent = 0; sent < count; sent += 1000) {
        // The endpoint unmasks in place.
        endpoint.receive(Buffer.from(new Uint8Array(thousand).buffer));
        if (endpoint.nextEvent() !== undefined) throw new Error("A fragment made an event");
      }
      endpoint.receive(frameFrom(peerOf(role), { opcode: 0 }));
      expect(endpoint.nextEvent()).toMatchObject({ type: "message", data: { length: count * length } });
    };
    expect(ratio(100_000, receive)).toBeLessThanOrEqual(2.3);
  });
});

test("A08 control: what is joined anew at every fragment is copied four times as much", () => {
  const join = (count: number) => {
    let whole: Buffer = Buffer.alloc(0);
    for (let added = 0; added < count; added++) whole = Buffer.concat([whole, Buffer.of(0)]);
  };
  expect(ratio(5000, join)).toBeGreaterThan(3.9);
});
