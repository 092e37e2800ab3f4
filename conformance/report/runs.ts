/**
 * Results as JSON. Traces are kept as numbers of lines in one shared list, since the same bytes go to every peer.
 */
import type { Role } from "../judge/observation.ts";
import type { Result } from "../judge/runner.ts";
import type { Verdict } from "../judge/verdict.ts";

/** The results of one target. */
export interface Run {
  readonly name: string;
  readonly role: Role;
  readonly version: string;
  readonly results: readonly Result[];
}

/** The file's form, and the form in which the report embeds it. */
export interface RunFile {
  readonly lines: readonly string[];
  readonly runs: readonly {
    readonly name: string;
    readonly role: Role;
    readonly version: string;
    /** By case id: the verdict, what was seen, and the numbers of the trace's lines. */
    readonly results: Readonly<Record<string, readonly [Verdict, string, readonly number[]]>>;
  }[];
}

/** Puts runs into the file's form. */
export function packRuns(runs: readonly Run[]): RunFile {
  const numbers = new Map<string, number>();
  const number = (line: string): number => {
    if (!numbers.has(line)) numbers.set(line, numbers.size);
    return numbers.get(line)!;
  };
  const packed = runs.map(({ name, role, version, results }) => ({
    name,
    role,
    version,
    results: Object.fromEntries(
      results.map(({ id, verdict, seen, trace }) => [id, [verdict, seen, trace.map(number)] as const]),
    ),
  }));
  return { lines: [...numbers.keys()], runs: packed };
}

/** The text of a results file: one case a line, so that a change reads well in a diff. */
export function writeRuns(runs: readonly Run[]): string {
  const { lines, runs: packed } = packRuns(runs);
  const body = packed.map(({ results, ...run }) => {
    const rows = Object.entries(results).map(([id, result]) => `${JSON.stringify(id)}:${JSON.stringify(result)}`);
    return `${JSON.stringify(run).slice(0, -1)},"results":{\n${rows.join(",\n")}\n}}`;
  });
  return `{"runs":[\n${body.join(",\n")}\n],\n"lines":[\n${lines.map((line) => JSON.stringify(line)).join(",\n")}\n]}\n`;
}

/** Verdicts alone, one case a line and one column a run: what is kept beside the code. `null`: not asked. */
export function writeTable(runs: readonly Run[]): string {
  const ids = [...new Set(runs.flatMap(({ results }) => results.map(({ id }) => id)))];
  const columns = runs.map(({ results }) => new Map(results.map((result) => [result.id, result])));
  const cell = (result: Result | undefined): string | null => {
    if (result === undefined) return null;
    return result.verdict === "pass" ? "pass" : `${result.verdict}: ${result.seen}`;
  };
  const rows = ids.map(
    (id) => `${JSON.stringify(id)}:${JSON.stringify(columns.map((column) => cell(column.get(id))))}`,
  );
  const names = runs.map(({ name, version, role }) => [name, version, role].filter(Boolean).join(" "));
  return `{"runs":${JSON.stringify(names)},\n"cases":{\n${rows.join(",\n")}\n}}\n`;
}

/** Reads a results file. */
export function readRuns(text: string): Run[] {
  const { lines, runs } = JSON.parse(text) as RunFile;
  return runs.map(({ name, role, version, results }) => ({
    name,
    role,
    version,
    results: Object.entries(results).map(([id, [verdict, seen, trace]]) => ({
      id,
      verdict,
      seen,
      trace: trace.map((number) => lines[number] ?? ""),
    })),
  }));
}

/** Later results take the place of earlier ones, case by case. */
export function mergeRuns(earlier: readonly Run[], later: readonly Run[]): Run[] {
  const merged = [...earlier];
  for (const run of later) {
    const at = merged.findIndex(({ name, role }) => name === run.name && role === run.role);
    if (at === -1) merged.push(run);
    else {
      const fresh = new Set(run.results.map(({ id }) => id));
      const kept = merged[at]!.results.filter(({ id }) => !fresh.has(id));
      merged[at] = { ...run, results: [...kept, ...run.results] };
    }
  }
  return merged;
}
