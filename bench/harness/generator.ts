/**
 * Which load generator there is: the C program where a compiler is, else the one for Node.
 */
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { benchFolder, workFolder } from "./peers.ts";
import { type Command, worksHere } from "./processes.ts";

/** A load generator that can be started. */
export interface Generator {
  readonly command: Command;
  readonly title: string;
}

/** Compiles the generator when that is needed; `BENCH_GENERATOR=node` chooses the other one. */
export function prepareGenerator(): Generator {
  const source = `${benchFolder}load/load.c`;
  const program = `${workFolder}load`;
  if (process.env.BENCH_GENERATOR === "node" || process.platform !== "linux" || !worksHere("cc", ["--version"])) {
    console.log(
      "The load comes from Node, which is slower than some servers here: install a C compiler for good figures.",
    );
    return { command: [process.execPath, `${benchFolder}dist/load/load.js`], title: "load/load.ts" };
  }
  if (modifiedAt(program) < Math.max(modifiedAt(source), modifiedAt(`${benchFolder}load/meter.h`))) {
    execFileSync("cc", ["-O2", "-Wall", "-Wextra", "-o", program, source], { stdio: ["ignore", "ignore", "inherit"] });
  }
  return { command: [program], title: "load/load.c" };
}

function modifiedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
