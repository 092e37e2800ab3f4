/**
 * How many connections a process can have before it runs out of files (fault D20).
 */

import { readdirSync, readFileSync } from "node:fs";

/** What is left at least for other files, and for clients that are told to come later. */
const spareFiles = 16;

let known: number | undefined;

/**
 * 95 % of the limit on open files, without those open already where it is small; Infinity where the system does not
 * tell it, or not to this process.
 */
export function fileLimit(): number {
  known ??= process.platform === "linux" ? readFileLimit() : Number.POSITIVE_INFINITY;
  return known;
}

function readFileLimit(): number {
  let limits: string;
  let open: number;
  try {
    limits = readFileSync("/proc/self/limits", "latin1");
    open = readdirSync("/proc/self/fd").length;
  } catch {
    // Without /proc, as in a chroot, or under the permission model of Node, there is no default.
    return Number.POSITIVE_INFINITY;
  }
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  return Math.max(1, Math.min(Math.floor(soft * 0.95), soft - open - spareFiles));
}
