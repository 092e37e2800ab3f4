/**
 * What is done to a cluster while it is soaked, and what its clients may be told of it: one table.
 */
import type { Gap } from "openline";

/** What goes wrong. */
export type FaultKind = "kept" | "lost" | "connections" | "stopped" | "cut" | "node" | "stale";

/** One kind of fault. */
export interface Fault {
  readonly kind: FaultKind;
  /** For the report, and short, for the picture. */
  readonly title: string;
  readonly short: string;
  /** Whether it is a kill, of which there are as many as `--kills` says; else `--rounds`. */
  readonly isKill: boolean;
  /** What clients may hear of it but `unavailable`, which whoever comes back in it may hear. */
  readonly gaps: readonly Gap["reason"][];
}

/** The faults in their order. */
export const faults: readonly Fault[] = [
  { kind: "kept", title: "the broker killed, its data kept", short: "killed, kept", isKill: true, gaps: [] },
  { kind: "lost", title: "the broker killed, its data lost", short: "killed, lost", isKill: true, gaps: ["epoch"] },
  { kind: "connections", title: "the broker's connections killed", short: "connections", isKill: false, gaps: [] },
  { kind: "stopped", title: "the broker stopped (SIGSTOP)", short: "stopped", isKill: false, gaps: [] },
  { kind: "cut", title: "the network of one node cut", short: "cut", isKill: false, gaps: [] },
  { kind: "node", title: "a node killed", short: "node killed", isKill: true, gaps: [] },
  {
    kind: "stale",
    title: "the broker back with an old state",
    short: "old state",
    isKill: false,
    gaps: ["fork", "epoch"],
  },
];

/** Whether a client may be told of such a gap in this fault. */
export function explains(kind: FaultKind | undefined, reason: Gap["reason"]): boolean {
  const fault = faults.find((one) => one.kind === kind);
  return fault !== undefined && (reason === "unavailable" || fault.gaps.includes(reason));
}
