/**
 * What is written down: the machine, the way of measuring, and every row's samples.
 */
import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { benchFolder, type Peer } from "./peers.ts";
import type { Row } from "./rows.ts";
import type { RunSettings, Sample } from "./run.ts";

/** Where it was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** GiB. */
  readonly memory: number;
  readonly system: string;
  readonly node: string;
  /** The load average of the last minute, before and after. */
  readonly loadBefore: number;
  loadAfter: number;
}

/** The samples of one row. */
export interface RowResult {
  readonly row: Row;
  readonly samples: readonly { readonly peer: Peer; readonly taken: readonly Sample[] }[];
  /** Who was not measured and why; `failed` when it was there and gave wrong replies or none. */
  readonly missing: readonly Missing[];
  /** Where it was measured later than the other rows of the results: when, and by what. */
  readonly again?: Pick<Results, "date" | "command" | "commit">;
}

/** A peer without a figure. */
export interface Missing {
  readonly peer: string;
  readonly title: string;
  readonly reason: string;
  readonly failed: boolean;
}

/** All that one command measured. */
export interface Results {
  readonly date: string;
  readonly command: string;
  /** The commit that was measured, as `git describe` names it; undefined where there is no git. */
  readonly commit: string | undefined;
  readonly machine: Machine;
  readonly generator: string;
  /** Milliseconds. */
  readonly warmup: number;
  readonly duration: number;
  readonly rows: RowResult[];
}

/** This machine now. */
export function machine(): Machine {
  const load = loadavg()[0] ?? 0;
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memory: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release().split("-")[0]}`,
    node: process.versions.node,
    loadBefore: load,
    loadAfter: load,
  };
}

/** Results without rows yet. */
export function newResults(here: Machine, command: string, generator: string, settings: RunSettings): Results {
  const { warmup, duration } = settings;
  const date = new Date().toISOString();
  return { date, command, commit: commit(), machine: here, generator, warmup, duration, rows: [] };
}

/** The commit that is measured, as `git describe` names it. */
export function commit(): string | undefined {
  if (process.env.OPENLINE_DIST !== undefined) return "another build";
  try {
    const options = { cwd: benchFolder, encoding: "utf8", stdio: "pipe" } as const;
    return execFileSync("git", ["describe", "--always", "--dirty"], options).trim();
  } catch {
    return undefined;
  }
}
