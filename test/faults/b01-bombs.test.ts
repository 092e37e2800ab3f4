/** B01: a small compressed message that becomes a huge one. */
import { constants, deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frame.ts";
import { closeStatus } from "../support/raw-peer.ts";
import { MiB, startTarget, type Target } from "../support/target.ts";

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

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("B01: a bomb of 100 MiB is stopped at the limit of 16, with 1009, and takes 16 more at most", async () => {
    const options = { compression: true, limits: { maxMessageSize: limit } };
    const target = await startTarget({ what: "ours", role, options });
    const { peer, grown } = await growthWithBomb(target, (closes) => closes.length === 1);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1009);
    expect(grown).toBeLessThan(limit + 16 * MiB);
    expect(await target.look()).toMatchObject({ binaryLength: MiB, closes: [1009] });
    expect(await target.echoes()).toBe(true);
  });

  test("B01: a message of the limit itself is delivered", async () => {
    const options = { compression: true, limits: { maxMessageSize: limit } };
    const target = await startTarget({ what: "ours", role, options });
    (await target.open(true)).send(zeros(16));
    await target.until(({ binaryLength }) => binaryLength === limit);
  });

  test.each([
    ["ours", { compression: true, limits: { maxMessageSize: 1024 * MiB } }],
    ["old ws", { perMessageDeflate: true, maxPayload: 0 }],
  ] as const)("B01 control: without a limit, %s takes all that it claims", async (what, options) => {
    const target = await startTarget({ what, role, options });
    const { grown } = await growthWithBomb(target, (_, length) => length === 101 * MiB);
    expect(grown).toBeGreaterThan(64 * MiB);
  });
});
