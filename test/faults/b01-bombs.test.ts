/** B01: a small compressed message that becomes a huge one. */
import { constants, deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { closeStatus } from "../support/raw-peer.ts";
import { KiB, MiB, startTarget, type Target } from "../support/target.ts";
import { cut, frameFrom, type WireFrame } from "../support/wire.ts";

const limit = 16 * MiB;
const mebibyte = deflateRawSync(new Uint8Array(MiB), { finishFlush: constants.Z_SYNC_FLUSH });

/** A compressed message of so many MiB of zeros, each of which takes a KiB. */
function zeros(mebibytes: number): { opcode: number; rsv: number; payload: Buffer } {
  return { opcode: 2, rsv: 4, payload: Buffer.concat(Array<Buffer>(mebibytes).fill(mebibyte)).subarray(0, -4) };
}

/** By how much it grows with a bomb of 100 MiB, after a message that is none. */
async function growthWithBomb(target: Target, until: (closes: readonly number[], length: number) => boolean) {
  const warmed = await target.open(true);
  warmed.send(zeros(1));
  await target.until(({ binaryLength }) => binaryLength === MiB);
  const peer = await target.open(true);
  const grown = await target.growth(async () => {
    peer.send(zeros(100));
    await target.until(({ closes, binaryLength }) => until(closes, binaryLength));
  });
  return { peer, grown };
}

type Frames = Omit<WireFrame, "key">[];

/** The ways in which a message can be sent, plain or compressed, whole or in fragments. */
const ways: readonly ((message: Uint8Array) => Frames)[] = [
  (message) => [{ opcode: 2, payload: message }],
  (message) => inFragments({ opcode: 2, payload: message }),
  (message) => [{ opcode: 2, rsv: 4, payload: deflated(message) }],
  (message) => inFragments({ opcode: 2, rsv: 4, payload: deflated(message) }),
];

function deflated(message: Uint8Array): Buffer {
  return deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

function inFragments(frame: { readonly opcode: number; readonly rsv?: number; readonly payload: Uint8Array }): Frames {
  const { payload } = frame;
  return [
    { ...frame, fin: false, payload: payload.subarray(0, -1) },
    { opcode: 0, payload: payload.subarray(-1) },
  ];
}

/** Sends a message of a length in every way, on a connection each; returns what came of it in all. */
async function sendInEveryWay(target: Target, length: number, bytewise: boolean) {
  const before = await target.look();
  for (const way of ways) {
    const peer = await target.open(true);
    const frames = [...way(new Uint8Array(length)), { opcode: 1, payload: "Is it?" }];
    const bytes = Buffer.concat(frames.map((frame) => frameFrom(peer.role, frame)));
    for (const chunk of cut(bytes, bytewise ? "bytewise" : "whole")) {
      peer.socket.write(chunk);
      if (bytewise) await new Promise((resolve) => setImmediate(resolve));
    }
    // The answer to the question, or the Close, which a reset may overtake.
    await peer.nextFrame();
    peer.socket.destroy();
  }
  const after = await target.until(({ closes }) => closes.length === before.closes.length + ways.length);
  const delivered = (after.binaryLength - before.binaryLength) / length;
  return { delivered, codes: new Set(after.closes.slice(before.closes.length)) };
}

/** Limits that are reached while inflating at once and elsewhere, in memory of a message's own and in segments. */
const limits = [
  [1000, true],
  [1000, false],
  [300 * KiB, false],
  [limit, false],
] as const;
/** All were delivered, and then it was the peer that left. */
const allDelivered = { delivered: ways.length, codes: new Set([1006]) };
const allRefused = { delivered: 0, codes: new Set([1009]) };

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("B01: a bomb of 100 MiB is stopped at the limit of 16, with 1009, and takes 16 more at most", {
    tags: "slow",
  }, async () => {
    const options = { compression: true, limits: { maxMessageSize: limit } };
    const target = await startTarget({ what: "ours", role, options });
    const { peer, grown } = await growthWithBomb(target, (closes) => closes.length === 1);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1009);
    expect(grown).toBeLessThan(limit + 16 * MiB);
    expect(await target.look()).toMatchObject({ binaryLength: MiB, closes: [1009] });
    expect(await target.echoes()).toBe(true);
  });

  test.each(limits)(
    "B01: %i bytes are delivered where they are the limit, and one more is 1009, bytewise: %s",
    async (maxMessageSize, bytewise) => {
      const options = { compression: true, limits: { maxMessageSize } };
      const target = await startTarget({ what: "ours", role, options });
      expect(await sendInEveryWay(target, maxMessageSize, bytewise)).toEqual(allDelivered);
      expect(await sendInEveryWay(target, maxMessageSize + 1, bytewise)).toEqual(allRefused);
      expect(await target.echoes()).toBe(true);
    },
  );

  test("B01 control: with the limit off, a byte more than those limits is delivered, too", {
    tags: "slow",
  }, async () => {
    const options = { compression: true, limits: { maxMessageSize: 1024 * MiB } };
    const target = await startTarget({ what: "ours", role, options });
    for (const [length, bytewise] of limits) {
      expect(await sendInEveryWay(target, length + 1, bytewise)).toEqual(allDelivered);
    }
  });

  test.each([
    ["ours", { compression: true, limits: { maxMessageSize: 1024 * MiB } }],
    ["old ws", { perMessageDeflate: true, maxPayload: 0 }],
  ] as const)("B01 control: without a limit, %s takes all that it claims", { tags: "slow" }, async (what, options) => {
    const target = await startTarget({ what, role, options });
    const { grown } = await growthWithBomb(target, (_, length) => length === 101 * MiB);
    expect(grown).toBeGreaterThan(64 * MiB);
  });
});
