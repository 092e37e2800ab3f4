/**
 * Ends the process when one input takes too many seconds, and says which: a parser that never returns is a failure.
 *
 * A thread of its own, because the main one is busy; plain JavaScript, because threads start without the loader.
 */
import { writeSync } from "node:fs";
import { workerData } from "node:worker_threads";

const { shared, most } = workerData;
const progress = new Int32Array(shared, 0, 2);
const current = new Uint8Array(shared, 8);
let seen = 0;
let seconds = 0;

setInterval(() => {
  const runs = Atomics.load(progress, 0);
  seconds = runs === seen && runs > 0 ? seconds + 1 : 0;
  seen = runs;
  if (seconds < most) return;
  const bytes = Array.from(current.subarray(0, progress[1]), (byte) => byte.toString(16).padStart(2, "0"));
  writeSync(1, `✗ An input takes longer than ${most} seconds:\n  ${bytes.join(" ")}\n`);
  process.kill(process.pid, "SIGKILL");
}, 1000);
