import { describe, expect, test } from "vitest";
import { PreparedMessage, type SharedCompression } from "../../../src/connection/sending/prepared-message.ts";
import { readFrames } from "../../support/wire.ts";

function compression(sharedKey: string | undefined, threshold = 0): SharedCompression & { count: number } {
  return {
    sharedKey,
    threshold,
    count: 0,
    deflateShared(message) {
      this.count++;
      return Buffer.from(message).subarray(0, 1);
    },
  };
}

describe("PreparedMessage", () => {
  test.each([
    ["text", "grüße", 1],
    ["bytes", new Uint8Array([1, 2, 255]), 2],
    ["nothing", "", 1],
    ["a long text", "é".repeat(50_000), 1],
    ["many bytes", new Uint8Array(70_000).fill(7), 2],
  ])("%s is one whole unmasked frame, made once [R6455-5.1-3]", (_, data, opcode) => {
    const message = new PreparedMessage(data);
    const [frame, ...more] = readFrames(message.frame);
    expect(more).toEqual([]);
    expect(frame).toMatchObject({ fin: true, rsv: 0, opcode, key: undefined });
    expect(Buffer.compare(frame!.payload, Buffer.from(data as string))).toBe(0);
    expect(message.frame).toBe(message.frame);
  });

  test("bytes are copied [D12, G7]", () => {
    const data = new Uint8Array([1, 2, 3]);
    const message = new PreparedMessage(data);
    data.fill(9);
    expect([...(message.data as Uint8Array)]).toEqual([1, 2, 3]);
    expect([...readFrames(message.frame)[0]!.payload]).toEqual([1, 2, 3]);
  });

  test.each([5, null, undefined, {}, new ArrayBuffer(3), ["a"], true])("%s is refused [D10]", (data) => {
    expect(() => new PreparedMessage(data as never)).toThrow(TypeError);
  });

  test("is compressed once for all who compress in the same way [R7692-6-1, G38]", () => {
    const message = new PreparedMessage("hello");
    const [one, same, other] = [compression("a"), compression("a"), compression("b")];
    const frame = message.frameFor(one);
    expect(readFrames(frame)).toMatchObject([{ rsv: 4, opcode: 1, fin: true, payload: Buffer.from("h") }]);
    expect(message.frameFor(same)).toBe(frame);
    expect(message.frameFor(other)).not.toBe(frame);
    expect([one.count, same.count, other.count]).toEqual([1, 0, 1]);
  });

  test("is not compressed for those who cannot share, below the threshold, or when long", () => {
    const message = new PreparedMessage(new Uint8Array(10));
    expect(message.frameFor(undefined)).toBe(message.frame);
    expect(message.frameFor(compression(undefined))).toBe(message.frame);
    expect(message.frameFor(compression("a", 11))).toBe(message.frame);
    expect(message.frameFor(compression("a", 10))).not.toBe(message.frame);
    const long = new PreparedMessage(new Uint8Array(64 * 1024 + 1));
    expect(long.frameFor(compression("a"))).toBe(long.frame);
  });
});
