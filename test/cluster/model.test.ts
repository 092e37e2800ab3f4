/**
 * The guarantees of a cluster in a pure model with every fault: 1 order, 2 no duplicate, 3 no silent gap, 4 what is stored
 * comes or is said to be missing, 5 from `ready` on, 6 every node reaches the end when the faults are over.
 */
import { describe, expect, test } from "vitest";
import { Random } from "../../fuzz/random.ts";
import type { Numbering } from "../support/cluster-model/model-broker.ts";
import { drawWorld, runAll } from "../support/cluster-model/schedules.ts";
import type { Defence } from "../support/cluster-model/world.ts";

const small = { nodes: 2, clients: 1, size: 3, publishes: 2, faults: 1 };

describe("a cluster keeps guarantees 1 to 6", () => {
  describe.each<Numbering>(["clock", "count from each start"])("over a broker with offsets by %s", (numbering) => {
    test("in two thousand schedules with faults, drawn by a seed", () => {
      for (let seed = 1; seed <= 2000; seed++) runSeed(seed, { numbering });
    });

    test("in a hundred thousand schedules", { tags: "slow", timeout: 300_000 }, () => {
      for (let seed = 1; seed <= 100_000; seed++) runSeed(seed, { numbering });
    });
  });

  test("in all schedules of four steps with one fault among them", () => {
    expect(runAll({ ...small, steps: 4 })).toBeGreaterThan(3000);
  });

  test("in all schedules of seven steps", { tags: "slow", timeout: 300_000 }, () => {
    expect(runAll({ ...small, steps: 7 })).toBeGreaterThan(200_000);
  });
});

describe("control: a guarantee breaks without", () => {
  test.each<[Defence, RegExp]>([
    ["offsets that are no counters", /stored twice|knows nothing/],
    ["the mark of a retry", /was stored twice/],
    ["one call in flight", /came late \[1\]/],
    ["prev", /silent gap .* \[3\]/],
    ["the end of a forked epoch", /never comes to rest/],
    ["checks", /has not reached the end of the log \[6\]/],
    ["the ids before a gap", /twice \[2\]/],
    ["grants", /was said before it came/],
    ["offsets that are no counters", /is said to have recovered/],
    ["a count from each start", /knows nothing of/],
  ])("%s", (lacks, broken) => {
    expect(() => {
      for (let seed = 1; seed <= 20_000; seed++) runSeed(seed, { lacks, broken });
    }).toThrow(broken);
  });
});

interface Run {
  readonly numbering?: Numbering;
  readonly lacks?: Defence;
  /** Other failures of a control are not what is looked for. */
  readonly broken?: RegExp;
}

function runSeed(seed: number, { numbering = "clock", lacks, broken }: Run): void {
  const random = new Random(seed, "cluster");
  try {
    drawWorld(random, { lacks, numbering }).run(random);
  } catch (error) {
    if (broken && !broken.test((error as Error).message)) return;
    throw new Error(`Seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
}
