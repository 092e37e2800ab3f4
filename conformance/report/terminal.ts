/**
 * What a person sees in the terminal: a line of progress while it runs, then a table by group and what went wrong.
 */
import { styleText } from "node:util";
import { type Case, GROUPS } from "../case.ts";
import type { Result } from "../judge/runner.ts";
import { describeExpectation, type Verdict } from "../judge/verdict.ts";
import type { Run } from "./runs.ts";

const COLOURS = { pass: "green", accepted: "yellow", fail: "red", skip: "gray" } as const;

function paint(verdict: Verdict, text: string): string {
  return process.stdout.isTTY ? styleText(COLOURS[verdict], text) : text;
}

/** One line that is written over and over; nothing at all where the output is no terminal. */
export class Progress {
  readonly #out: NodeJS.WriteStream;
  readonly #label: string;
  #failed = 0;
  constructor(target: { name: string; role: string }, out: NodeJS.WriteStream) {
    this.#out = out;
    this.#label = `${target.name} (${target.role})`;
  }
  /** Takes a result. */
  step(result: Result, done: number, total: number): void {
    if (result.verdict === "fail") this.#failed++;
    if (!this.#out.isTTY) return;
    const failed = this.#failed === 0 ? "" : `, ${this.#failed} not as expected so far`;
    this.#out.write(
      `\r\x1b[2K${this.#label}: ${done}/${total}${failed}  ${result.id}`.slice(0, (this.#out.columns ?? 80) + 4),
    );
  }
  /** Removes the line. */
  clear(): void {
    if (this.#out.isTTY) this.#out.write("\r\x1b[2K");
  }
}

/** How a run went: its text, and how many `must` cases failed. */
export function summary(run: Run, cases: readonly Case[]): { text: string; failed: number } {
  const byId = new Map(cases.map((test) => [test.id, test]));
  const of = (results: readonly Result[], verdict: Verdict): Result[] => results.filter((r) => r.verdict === verdict);
  const lines = [`\n${run.name}${run.version === "" ? "" : ` ${run.version}`} as a ${run.role}`];
  for (const group of Object.keys(GROUPS)) {
    const mine = run.results.filter(({ id }) => byId.get(id)?.group === group);
    if (mine.length === 0) continue;
    const counts = (["pass", "accepted", "fail", "skip"] as const).map((verdict) => {
      const count = of(mine, verdict).length;
      return count === 0 ? "".padStart(14) : paint(verdict, `${count} ${verdict}`.padStart(14));
    });
    lines.push(`  ${group.padEnd(20)}${counts.join("")}`);
  }
  const failures = of(run.results, "fail");
  for (const { id, seen } of failures) {
    const test = byId.get(id);
    lines.push(`  ${paint("fail", test?.level === "may" ? "differs" : "fails")} ${id}: ${test?.title ?? ""}`);
    lines.push(`        wanted: ${test === undefined ? "" : describeExpectation(test)}`, `        seen:   ${seen}`);
  }
  const failed = failures.filter(({ id }) => byId.get(id)?.level !== "may").length;
  const total = (["pass", "accepted", "fail", "skip"] as const).map(
    (verdict) => `${of(run.results, verdict).length} ${verdict}`,
  );
  lines.push(`  ${run.results.length} cases: ${total.join(", ")}`);
  return { text: lines.join("\n"), failed };
}
