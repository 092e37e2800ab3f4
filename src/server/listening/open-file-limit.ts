/**
 * The number of connections that a process can have before it runs out of file descriptors (fault D20).
 */

import { readdirSync, readFileSync } from "node:fs";

/** The file descriptors that are kept for other files, and for clients that are told to come later. */
const spareFiles = 16;

/** Undefined until it is read for the first time. */
let known: number | undefined;

/**
 * 95 % of the limit on open files; where that limit is small, less by the files that are open already.
 *
 * Infinity where the system does not tell its limit to this process.
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
    // There is no /proc in a chroot, nor under the permission model of Node.
    return Number.POSITIVE_INFINITY;
  }
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  return Math.max(1, Math.min(Math.floor(soft * 0.95), soft - open - spareFiles));
}
