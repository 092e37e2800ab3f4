/** Schedules for the model of a cluster: drawn by a seed, or all of them up to a bound. */
import type { Random } from "../../../fuzz/random.ts";
import type { Numbering } from "./model-broker.ts";
import { type Defence, World, type WorldOptions } from "./world.ts";

/** A world of some size, drawn at random. */
export function drawWorld(
  random: Pick<Random, "below">,
  { lacks, numbering }: { lacks?: Defence | undefined; numbering?: Numbering } = {},
): World {
  return new World({
    nodes: 2 + random.below(2),
    clients: 2 + random.below(2),
    size: 2 + random.below(6),
    publishes: 12,
    faults: random.below(7),
    steps: 20 + random.below(120),
    ...(lacks && { lacks }),
    ...(numbering && { numbering }),
  });
}

/** Runs every schedule of such worlds, and returns how many there are. */
export function runAll(options: WorldOptions): number {
  const chosen: number[] = [];
  const limits: number[] = [];
  for (let count = 1; ; count++) {
    let at = 0;
    const below = (limit: number) => {
      limits[at] = limit;
      chosen[at] ??= 0;
      return chosen[at++]!;
    };
    new World({ ...options, isEven: true }).run({ below });
    chosen.length = at;
    while (chosen.length > 0 && chosen.at(-1)! + 1 >= limits[chosen.length - 1]!) chosen.pop();
    if (chosen.length === 0) return count;
    chosen[chosen.length - 1]!++;
  }
}
