/**
 * What Linux says of a process: memory, CPU time and open files, read from /proc.
 *
 * Each answer is `undefined` when the process is gone or belongs to somebody else.
 */
import { readdirSync, readFileSync } from "node:fs";

const PAGE = 4096;
const TICK = 10;

/** Resident memory in bytes. */
export function residentBytes(pid: number): number | undefined {
  return attempt(() => Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * PAGE);
}

/** User and system time in milliseconds. */
export function cpuTime(pid: number): number | undefined {
  return attempt(() => {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in parentheses may hold anything; utime and stime are fields 14 and 15.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK;
  });
}

/** How many files are open. */
export function openFiles(pid: number): number | undefined {
  return attempt(() => readdirSync(`/proc/${pid}/fd`).length);
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
