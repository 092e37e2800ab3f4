/**
 * A03: Pings from a peer that never reads their answers.
 *
 * @module-tag slow
 */
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { MiB, pour, repeated, startTarget, type Target } from "../support/target.ts";

/** Sends so many MiB of Pings and reads nothing; returns when the target has read them all or is done with the peer. */
async function pingWithoutReading(target: Target, mebibytes: number): Promise<void> {
  const peer = await target.open();
  peer.socket.pause();
  const { bytesRead } = await target.look();
  const pings = repeated(target.role, 1024, { opcode: 9, payload: Buffer.alloc(120, "p") });
  const times = Math.ceil((mebibytes * MiB) / pings.length);
  await pour(peer, pings, times);
  await target.until((look) => look.bytesRead - bytesRead >= times * pings.length || peer.socket.destroyed);
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("A03: grows by less than 8 MiB when Pings come and their Pongs are not read", async () => {
    const target = await startTarget({ what: "ours", role });
    await pingWithoutReading(target, 16);
    const grown = await target.growth(() => pingWithoutReading(target, 64));
    expect(grown).toBeLessThan(8 * MiB);
    expect(await target.echoes()).toBe(true);
    // Nothing of it ended the connections.
    expect(await target.look()).toMatchObject({ open: 3, closes: [] });
  });

  test("A03 control: ws 8.17.0 keeps every Pong", async () => {
    const target = await startTarget({ what: "old ws", role });
    const grown = await target.growth(() => pingWithoutReading(target, 32));
    expect(grown).toBeGreaterThan(16 * MiB);
  });
});
