/**
 * Medians and ranges, and whether a row's targets are met.
 */
import type { RowResult } from "./machine.ts";
import type { Peer } from "./peers.ts";
import type { Target } from "./rows.ts";
import type { Sample } from "./run.ts";

/** A peer's figure in a row. */
export interface Figure {
  readonly peer: Peer;
  /** The median of the rounds, or the least of them. */
  readonly value: number;
  readonly lowest: number;
  readonly highest: number;
  readonly samples: readonly Sample[];
}

/** How a target stands. */
export interface Verdict {
  readonly target: Target;
  /** The figure, or its ratio to the best of the peers that the target names. */
  readonly value: number;
  readonly met: boolean;
}

/** The middle one of the values; of an even number, the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The figures of a row, in the order of its peers. */
export function figuresOf({ row, samples }: RowResult): Figure[] {
  return samples.map(({ peer, taken }) => {
    const values = taken.map(({ figure }) => figure);
    const [lowest, highest] = [Math.min(...values), Math.max(...values)];
    return { peer, value: row.leastCounts ? lowest : median(values), lowest, highest, samples: taken };
  });
}

/** The verdicts on a row's targets, without those for which a figure is missing. */
export function verdictsOf(result: RowResult): Verdict[] {
  const figures = new Map(figuresOf(result).map((figure) => [figure.peer.id, figure.value]));
  return result.row.targets.flatMap((target) => {
    const subject = figures.get(target.subject ?? "openline");
    const others = (target.of ?? []).flatMap((id) => figures.get(id) ?? []);
    if (subject === undefined || (target.of && others.length === 0)) return [];
    const value = target.of ? subject / Math.min(...others) : subject;
    return [{ target, value, met: value <= target.bound }];
  });
}
