/** B07: compressed messages that become large, while other connections want their turn. */
import { constants, deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { echoesOn, KiB, MiB, pour, repeated, startTarget, type Target } from "../support/target.ts";

/** A compressed message of so many zeros, which takes a thousandth of that. */
function zeros(role: Role, length: number, count: number): Buffer {
  const payload = deflateRawSync(new Uint8Array(length), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  return repeated(role, count, { opcode: 2, rsv: 4, payload });
}

/** Sends 60 MiB in a chunk of 60 KiB, and meanwhile a message on each of some other connections. */
async function flood(target: Target, length: number): Promise<void> {
  const others = await target.openMany(20);
  const flooder = await target.open(true);
  const before = (await target.look()).binaryLength;
  const count = Math.floor((60 * MiB) / length);
  const flooding = pour(flooder, zeros(target.role, length, count), 1);
  expect(await Promise.all(others.map(echoesOn))).toEqual(others.map(() => true));
  await flooding;
  await target.until((look) => look.binaryLength - before === count * length);
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("B07: of compressed messages of 1 MiB one comes out in a turn", async () => {
    const target = await startTarget({ what: "ours", role, options: { compression: true } });
    await flood(target, MiB);
    expect((await target.look()).mostInATurn).toBe(1);
    expect(await target.echoes()).toBe(true);
  });

  test("B07: those that are inflated at once are held against the budget of 2 ms each for itself", async () => {
    const target = await startTarget({ what: "ours", role, options: { compression: true }, spin: 1 });
    await flood(target, 250 * KiB);
    // The first look notes the time, the next see 1 and 2 ms gone; a turn may end one chunk and begin another.
    expect((await target.look()).mostInATurn).toBeLessThanOrEqual(8);
    expect(await target.echoes()).toBe(true);
  });
});

test("B07 control: a server that inflates each message at once does all in one turn", { tags: "slow" }, async () => {
  const target = await startTarget({ what: "inflates at once", role: "server" });
  await flood(target, MiB);
  expect((await target.look()).mostInATurn).toBeGreaterThan(16);
});
