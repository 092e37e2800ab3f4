/** A10: text that is cut into frames inside its characters. */
import { isUtf8 } from "node:buffer";
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { closeStatus } from "../support/raw-peer.ts";
import { startTarget } from "../support/target.ts";
import type { WireFrame } from "../support/wire.ts";

const valid = ["\u{1f600}", "\u20aca", "\u00e9\u00df", "a\u20ac"];
/** Cut off, a byte that continues nothing, an overlong form, a surrogate, beyond U+10FFFF. */
const invalid = ["61f09f98", "c328a1a1", "c0af6161", "61eda080", "f4908080"].map((hex) => Buffer.from(hex, "hex"));

/** All ways to cut four bytes into one, two and three fragments, empty ones among them. */
function* cuts(bytes: Uint8Array): Generator<Buffer[]> {
  yield [Buffer.from(bytes)];
  for (let first = 0; first <= bytes.length; first++) {
    yield [Buffer.from(bytes.subarray(0, first)), Buffer.from(bytes.subarray(first))];
    for (let second = first; second <= bytes.length; second++) {
      const edges = [0, first, second, bytes.length];
      yield edges.slice(1).map((end, index) => Buffer.from(bytes.subarray(edges[index], end)));
    }
  }
}

function fragments(parts: readonly Uint8Array[]): Omit<WireFrame, "key">[] {
  return parts.map((payload, index) => ({ opcode: index === 0 ? 1 : 0, fin: index === parts.length - 1, payload }));
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("A10: is whole however it was cut", async () => {
    const target = await startTarget({ what: "ours", role });
    const peer = await target.open();
    for (const text of valid) {
      for (const parts of cuts(Buffer.from(text))) {
        for (const frame of fragments(parts)) peer.send(frame);
        expect(await peer.nextTexts(1)).toEqual([text]);
      }
    }
  });

  test("A10: fails with 1007 when it is not UTF-8, however it was cut", async () => {
    const target = await startTarget({ what: "ours", role });
    const codes: unknown[] = [];
    for (const bytes of invalid) {
      for (const parts of cuts(bytes)) {
        const peer = await target.open();
        peer.send(...fragments(parts));
        codes.push(closeStatus(await peer.nextFrame())?.code);
        peer.socket.destroy();
      }
    }
    expect(codes).toHaveLength(invalid.length * 21);
    expect(new Set(codes)).toEqual(new Set([1007]));
    expect((await target.look()).messages).toBe(0);
  });

  test("A10 control: ws 8.17.0 without its validation delivers what is not UTF-8", { tags: "slow" }, async () => {
    const target = await startTarget({ what: "old ws", role, options: { skipUTF8Validation: true } });
    for (const bytes of invalid) {
      const peer = await target.open();
      peer.send(...fragments([bytes]));
      expect((await peer.nextFrame())?.opcode).toBe(1);
    }
  });
});

test("A10 control: each fragment judged by itself refuses valid text", () => {
  for (const text of valid) {
    const judged = [...cuts(Buffer.from(text))].map((parts) => parts.every((part) => isUtf8(part)));
    expect(judged).toContain(true);
    expect(judged).toContain(false);
  }
});
