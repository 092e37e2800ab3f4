/** A07: one message in hundreds of thousands of fragments, tiny or empty. */
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { closeStatus } from "../support/raw-peer.ts";
import { MiB, pour, repeated, startTarget, type Target } from "../support/target.ts";
import { frameFrom, peerOf } from "../support/wire.ts";

const times = 500;
const thousand = (role: Role, payload: string): Buffer => repeated(role, 1000, { opcode: 0, fin: false, payload });

/** Half a million fragments of a byte, of one message; returns its unfinished connection when all were read. */
async function floodWithFragments(target: Target): Promise<void> {
  const peer = await target.open();
  const { bytesRead } = await target.look();
  const begin = frameFrom(peerOf(target.role), { opcode: 2, fin: false, payload: "x" });
  const tiny = thousand(target.role, "x");
  peer.socket.write(begin);
  await pour(peer, tiny, times);
  await target.until((look) => look.bytesRead - bytesRead === begin.length + times * tiny.length);
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("A07: half a million fragments of a byte take less than 4 MiB, and make a message", {
    tags: "slow",
  }, async () => {
    const target = await startTarget({ what: "ours", role });
    await floodWithFragments(target);
    expect(await target.growth(() => floodWithFragments(target))).toBeLessThan(4 * MiB);
    expect(await target.retention(() => floodWithFragments(target))).toBeLessThan(1.25 * MiB);
    expect(await target.echoes()).toBe(true);
    const peer = await target.open();
    const fragments = [{ opcode: 1, fin: false }, ...Array(20_000).fill({ opcode: 0, fin: false, payload: "x" })];
    peer.send(...fragments, { opcode: 0, payload: "end" });
    expect((await peer.nextFrame())?.payload.length).toBe(20_003);
  });

  test("A07: more than 1024 empty fragments in a row fail with 1008", async () => {
    const target = await startTarget({ what: "ours", role });
    const peer = await target.open();
    peer.send({ opcode: 2, fin: false });
    await pour(peer, thousand(role, ""), 10);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1008);
    expect(await target.echoes()).toBe(true);
  });

  test("A07 control: ws 8.17.0 keeps every fragment, and takes empty ones without end", { tags: "slow" }, async () => {
    const target = await startTarget({ what: "old ws", role });
    expect(await target.retention(() => floodWithFragments(target))).toBeGreaterThan(8 * MiB);
    const peer = await target.open();
    peer.send({ opcode: 2, fin: false });
    const { bytesRead } = await target.look();
    const empty = thousand(role, "");
    await pour(peer, empty, 10);
    await target.until((look) => look.bytesRead - bytesRead >= 10 * empty.length);
    expect(await target.look()).toMatchObject({ open: 2, closes: [] });
    expect([peer.received.length, peer.ended]).toEqual([0, false]);
  });
});
