/**
 * One bench at a time: two on the same CPUs would measure each other.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { workFolder } from "./peers.ts";

const path = `${workFolder}lock`;

/** Resolves when no other bench of this clone runs; the lock is given up when the process exits. */
export async function lock(): Promise<void> {
  for (let told = false; ; told = true) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = Number(readFileSync(path, "latin1"));
    if (!isRunning(owner)) rmSync(path, { force: true });
    else if (!told) console.log(`Waiting for another bench, process ${owner}`);
    await delay(500);
  }
  process.on("exit", () => rmSync(path, { force: true }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
