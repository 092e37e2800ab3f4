/**
 * A05: storms of what needs no answer, and of connections that reset, of which nothing may stay.
 *
 * @module-tag slow
 */
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { closeFrame } from "../support/raw-peer.ts";
import { echoesOn, MiB, mostGrowth, pour, repeated, startTarget, type Target } from "../support/target.ts";

const million = 1_000_000;

/** Sends so many Pongs; a message of another connection comes back before they are all handled. */
async function stormOfPongs(target: Target, count: number): Promise<void> {
  const peer = await target.open();
  const other = await target.open();
  const before = (await target.look()).pongs;
  const pongs = repeated(target.role, 1000, { opcode: 10, payload: Buffer.alloc(8, "p") });
  const storm = pour(peer, pongs, count / 1000);
  expect(await echoesOn(other)).toBe(true);
  const { pongs: meanwhile } = await target.look();
  await storm;
  const { pongs: all } = await target.until((look) => look.pongs - before >= count);
  expect(meanwhile).toBeLessThan(all);
  expect(await echoesOn(peer)).toBe(true);
}

/** Opens connections, closes half of them and resets all; waits until they are gone. */
async function stormOfResets(target: Target): Promise<void> {
  const peers = await target.openMany(500);
  for (const [index, peer] of peers.entries()) {
    if (index % 2 === 0) peer.send(closeFrame(1000), { opcode: 10 }, closeFrame(1000));
    peer.reset();
  }
  await target.until(({ open, sockets }) => open === 0 && sockets === 0);
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("A05: of a million Pongs nothing stays, and others get their answer meanwhile", async () => {
    const target = await startTarget({ what: "ours", role });
    const grown = await target.growth(() => stormOfPongs(target, million));
    expect(grown).toBeLessThan(mostGrowth);
    const retained = await target.retention(() => stormOfPongs(target, million / 10));
    expect(retained).toBeLessThan(1 * MiB);
    expect(await target.echoes()).toBe(true);
  });

  test("A05: of 500 connections that close and reset at once nothing stays", async () => {
    const target = await startTarget({ what: "ours", role });
    await stormOfResets(target);
    const retained = await target.retention(() => stormOfResets(target));
    expect(retained).toBeLessThan(1 * MiB);
    expect(await target.echoes()).toBe(true);
  });
});

test("A05 control: a server that remembers what Pongs say grows with the storm", async () => {
  const target = await startTarget({ what: "remembers Pongs", role: "server" });
  const grown = await target.growth(() => stormOfPongs(target, million));
  expect(grown).toBeGreaterThan(mostGrowth);
});

test("A05 control: of a server that lists every connection the storm of resets stays", async () => {
  const target = await startTarget({ what: "registers connections", role: "server" });
  await stormOfResets(target);
  const retained = await target.retention(() => stormOfResets(target));
  expect(retained).toBeGreaterThan(1 * MiB);
});
