/** A09: what is still done for a peer that broke a rule. */
import { describe, expect, test } from "vitest";
import { drainSize } from "../../src/connection/options/limits.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { readBuffer } from "../../src/protocol/frames/mask-wasm.ts";
import { closeStatus, type RawPeer } from "../support/raw-peer.ts";
import { KiB, MiB, pour, startTarget, type Target } from "../support/target.ts";

/** The chunk with the offence, 64 KiB that are thrown away, and the chunk that goes beyond them: reads share a buffer. */
const mostRead = drainSize + 2 * readBuffer.length;
const piece = Buffer.alloc(64 * KiB, 0xff);

/** A connection that has broken a rule, and the bytes that were read before. */
async function offender(target: Target): Promise<{ peer: RawPeer; bytesRead: number }> {
  const peer = await target.open();
  const { bytesRead } = await target.look();
  peer.send({ opcode: 3 });
  return { peer, bytesRead };
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("A09: who goes on sending after a failure is read no further than 64 KiB", async () => {
    const target = await startTarget({ what: "ours", role });
    const { peer, bytesRead } = await offender(target);
    const sent = await pour(peer, piece, (64 * MiB) / piece.length);
    expect(sent * piece.length).toBeLessThan(64 * MiB);
    await peer.closed;
    const look = await target.until(({ sockets }) => sockets === 0);
    expect(look.bytesRead - bytesRead).toBeLessThanOrEqual(mostRead);
    expect(look.closes).toEqual([1002]);
    expect(await target.echoes()).toBe(true);
  });

  test("A09: who falls silent after a failure, and does not end, is let go all the same", async () => {
    const target = await startTarget({ what: "ours", role });
    const { peer } = await offender(target);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1002);
    await target.until(({ sockets }) => sockets === 0);
    expect(await target.echoes()).toBe(true);
  });

  test("A09 control: ws 8.17.0 reads on", { tags: "slow" }, async () => {
    const target = await startTarget({ what: "old ws", role });
    const { peer, bytesRead } = await offender(target);
    const sent = await pour(peer, piece, (8 * MiB) / piece.length);
    expect(sent * piece.length).toBe(8 * MiB);
    const look = await target.until((now) => now.bytesRead - bytesRead > 8 * MiB);
    expect(look.sockets).toBe(1);
  });
});
