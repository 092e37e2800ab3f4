/**
 * B04: very many messages to compress at once.
 *
 * @module-tag slow
 */
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import type { RawPeer } from "../support/raw-peer.ts";
import { KiB, MiB, mostGrowth, startTarget, type Target } from "../support/target.ts";

const count = 30_000;

/** By how much it grows, and stays grown, when it sends 30 000 messages of 1 KiB, all in one turn. */
async function burst(target: Target, peers: readonly RawPeer[]): Promise<{ grown: number; left: number }> {
  const { rss } = await target.settle();
  const grown = await target.growth(async () => {
    await target.send(count / peers.length, KiB);
    await Promise.all(peers.map((peer) => takeAll(peer, count / peers.length)));
  });
  return { grown, left: (await target.settle()).rss - rss };
}

/** Reads so many messages, all of them compressed. */
async function takeAll(peer: RawPeer, messages: number): Promise<void> {
  const frames = await peer.nextFrames(messages);
  expect(frames.filter(({ rsv }) => rsv === 4)).toHaveLength(messages);
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test.each([1, 300])(
    "B04: 30 000 messages over %i connections take less than 64 MiB, and leave little",
    async (over) => {
      const target = await startTarget({ what: "ours", role, options: { compression: true } });
      const peers = await target.openMany(over, true);
      expect((await burst(target, peers)).grown).toBeLessThan(mostGrowth);
      const again = await burst(target, peers);
      expect(again.grown).toBeLessThan(mostGrowth);
      expect(again.left).toBeLessThan(16 * MiB);
      expect(await target.echoes()).toBe(true);
    },
  );

  test("B04 control: ws 8.17.0 without its limit of jobs takes more, and keeps it", async () => {
    const options = { perMessageDeflate: { threshold: 0, concurrencyLimit: 1e6 } };
    const target = await startTarget({ what: "old ws", role, options });
    const { grown, left } = await burst(target, await target.openMany(300, true));
    expect(grown).toBeGreaterThan(mostGrowth);
    expect(left).toBeGreaterThan(16 * MiB);
  });
});
