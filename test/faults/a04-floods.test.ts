/** A04: a flood of tiny messages, while other connections want their turn. */
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { echoesOn, mostGrowth, pour, repeated, startTarget, type Target } from "../support/target.ts";

/** After 64 messages the clock is read for the first time, after 64 more it is compared; a turn may see two chunks. */
const mostInATurn = 2 * 128;
const count = 8192;

/** Sends tiny messages on one connection and, meanwhile, one on each of 20 others. */
async function flood(target: Target): Promise<void> {
  const others = await target.openMany(20);
  const flooder = await target.open();
  const flooding = pour(flooder, repeated(target.role, count, { opcode: 2, payload: "x" }), 1);
  await target.until(({ binaryLength }) => binaryLength > 0);
  expect(await Promise.all(others.map(echoesOn))).toEqual(others.map(() => true));
  const { binaryLength } = await target.look();
  await flooding;
  await target.until((look) => look.binaryLength === count);
  // The others did not have to wait for the end of it.
  expect(binaryLength).toBeLessThan(count);
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  // An application that takes 50 µs for a message could work on a whole chunk for half a second.
  const spin = 0.05;

  test("A04: with the budget of 2 ms, one turn handles at most as many tiny messages as that allows", async () => {
    const target = await startTarget({ what: "ours", role, spin });
    const grown = await target.growth(() => flood(target));
    expect((await target.look()).mostInATurn).toBeLessThanOrEqual(mostInATurn);
    expect(grown).toBeLessThan(mostGrowth);
    expect(await target.echoes()).toBe(true);
  });

  test.each([
    ["ours without the budget", "ours", { limits: { readBudget: 1e9 } }],
    ["ws 8.17.0", "old ws", {}],
  ] as const)(
    "A04 control: %s works on all that it has read in one turn",
    { tags: "slow" },
    async (_, what, options) => {
      const target = await startTarget({ what, role, options, spin });
      const flooder = await target.open();
      await pour(flooder, repeated(role, count, { opcode: 2, payload: "x" }), 1);
      await target.until((look) => look.binaryLength === count);
      expect((await target.look()).mostInATurn).toBeGreaterThan(4 * mostInATurn);
    },
  );
});
