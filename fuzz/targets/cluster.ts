/**
 * Invariant: whatever the network, the broker, nodes and clients do, and in whatever order, the guarantees of a cluster hold
 * in its pure model. The input is the order: each choice of the model takes two bytes of it.
 */
import { drawWorld } from "../../test/support/cluster-model/schedules.ts";
import type { Outcome, Target } from "../target.ts";

/** Schedules of a cluster with faults. */
export const clusterTarget: Target = { name: "cluster", maxLength: 600, dictionary: ["0000", "0001", "0800"], run };

function run(input: Uint8Array): Outcome {
  let at = 0;
  const below = (limit: number) => {
    const choice = ((input[at] ?? 0) * 256 + (input[at + 1] ?? 0)) % limit;
    at += 2;
    return choice;
  };
  const world = drawWorld({ below });
  world.run({ below });
  const { broker, clients } = world;
  const gaps = new Set(clients.flatMap((client) => client.gaps));
  return `${Math.min(9, broker.stored.length)} ${[...gaps].sort().join()} ${clients.some(({ resumed }) => resumed > 0)}`;
}
