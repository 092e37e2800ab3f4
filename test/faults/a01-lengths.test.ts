/** A01: lengths that cannot be meant, announced to a process whose memory is watched. */
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { closeStatus } from "../support/raw-peer.ts";
import { MiB, startTarget, type Target } from "../support/target.ts";
import { frameFrom, peerOf } from "../support/wire.ts";

const lengths: readonly (readonly [name: string, announced: bigint, code: number])[] = [
  ["2^31", 2n ** 31n, 1009],
  ["2^32", 2n ** 32n, 1009],
  ["2^53", 2n ** 53n, 1009],
  ["2^63 - 1", 2n ** 63n - 1n, 1009],
  ["the top bit", 2n ** 63n, 1002],
];

function header(role: Role, announced: bigint): Buffer {
  return frameFrom(peerOf(role), { opcode: 2, lengthBits: 64, announced });
}

/** The codes that each length is answered with, on a connection of its own. */
async function announceAll(target: Target): Promise<(number | undefined)[]> {
  const codes: (number | undefined)[] = [];
  for (const [, announced] of lengths) {
    const peer = await target.open();
    peer.socket.write(header(target.role, announced));
    codes.push(closeStatus(await peer.nextFrame())?.code);
    peer.socket.destroy();
  }
  return codes;
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("A01: a huge length is refused at its header, and less than 1 MiB is taken for it", async () => {
    const target = await startTarget({ what: "ours", role });
    for (let round = 0; round < 20; round++) await announceAll(target);
    const grown = await target.growth(async () => {
      expect(await announceAll(target)).toEqual(lengths.map(([, , code]) => code));
    });
    expect(grown).toBeLessThan(1 * MiB);
    expect(await target.echoes()).toBe(true);
  });

  test("A01: lengths within the limit take memory only as their bytes arrive", { tags: "slow" }, async () => {
    const target = await startTarget({ what: "ours", role });
    const attack = async () => {
      for (const peer of await target.openMany(50)) peer.socket.write(header(role, BigInt(16 * MiB)));
      expect(await target.echoes()).toBe(true);
    };
    await attack();
    const grown = await target.growth(attack);
    expect(grown).toBeLessThan(4 * MiB);
  });

  test("A01 control: without a limit, ws 8.17.0 waits for the rest of 2^31 bytes", { tags: "slow" }, async () => {
    const target = await startTarget({ what: "old ws", role, options: { maxPayload: 0 } });
    const peer = await target.open();
    peer.socket.write(header(role, 2n ** 31n));
    await target.until(({ bytesRead }) => bytesRead > 0);
    expect(await target.echoes()).toBe(true);
    expect([peer.received.length, peer.ended]).toEqual([0, false]);
  });
});

test("A01 control: a server that trusts lengths grows by what is announced", { tags: "slow" }, async () => {
  const target = await startTarget({ what: "trusts lengths", role: "server" });
  const peer = await target.open();
  const grown = await target.growth(async () => {
    const { bytesRead } = await target.look();
    peer.socket.write(header("server", BigInt(32 * MiB)));
    await target.until((look) => look.bytesRead > bytesRead);
  });
  expect(grown).toBeGreaterThan(16 * MiB);
});
