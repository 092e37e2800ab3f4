/**
 * B03: what a connection costs once it has compressed a message each way.
 *
 * @module-tag slow
 */
import { deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { KiB, startTarget, type Target } from "../support/target.ts";

const text = `{"id":1,"name":"a message of 150 bytes","rest":"${"x".repeat(101)}"}`;
const payload = deflateRawSync(Buffer.from(text), { finishFlush: 2 }).subarray(0, -4);

/** What each of so many connections costs, open and after a compressed message each way: in use, and resident. */
async function costOfEach(target: Target, count: number): Promise<{ held: number; rss: number }> {
  const converse = async (connections: number) => {
    for (const peer of await target.openMany(connections, true)) {
      peer.send({ opcode: 1, rsv: 4, payload });
      expect(await peer.nextFrame()).toMatchObject({ opcode: 1, rsv: 4 });
    }
  };
  await converse(100);
  const before = await target.settle();
  await converse(count);
  const after = await target.settle();
  return { held: (after.held - before.held) / count, rss: (after.rss - before.rss) / count };
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("B03: without context takeover a connection costs at most 8 KiB", async () => {
    const options = { compression: { threshold: 0 } };
    const target = await startTarget({ what: "ours", role, options });
    const cost = await costOfEach(target, 1000);
    expect(cost.held).toBeLessThanOrEqual(8 * KiB);
    // The room that the heap takes ahead is shared by fewer than the 8000 of the figure: it comes on top.
    expect(cost.rss).toBeLessThanOrEqual(24 * KiB);
    expect(await target.look()).toMatchObject({ open: 1100, closes: [] });
  });

  test("B03 control: with ws 8.17.0 more than ten times as much", async () => {
    const options = { perMessageDeflate: { threshold: 0 } };
    const target = await startTarget({ what: "old ws", role, options });
    expect((await costOfEach(target, 200)).rss).toBeGreaterThan(80 * KiB);
  });
});
