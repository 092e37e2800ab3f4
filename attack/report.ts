/** What the tool writes: lines for a terminal, JSON with every figure, and a table in Markdown with servers side by side. */
import { MIB, mib } from "./judge.ts";
import type { Facts, Row } from "./row.ts";
import type { Result } from "./run.ts";

/** The results of one server. */
export interface Run {
  readonly name: string;
  readonly version: string;
  /** Where and when, and how busy the machine was. */
  readonly measured: string;
  readonly results: readonly Result[];
}

/** One row's line in a terminal, with what is to be said about it below. */
export function terminalLine(row: Row, { verdict, reasons, notes, facts, seconds }: Result): string {
  const figures = facts === undefined ? "" : `  ${figuresOf(facts)}`;
  const head = `${verdict.padEnd(6)} ${row.id}  ${row.name}  (${seconds.toFixed(1)} s)${figures}`;
  const below = [...reasons.map((reason) => `${verdict}: ${reason}`), ...notes.map((note) => `note: ${note}`)];
  const seen = facts === undefined ? [] : [seenOf(facts)].filter(Boolean);
  return [head, ...[...below, ...seen].map((line) => `         ${line}`)].join("\n");
}

/** The last line: how many rows came out how. */
export function summary({ name, version, results }: Run): string {
  const count = (verdict: Result["verdict"]): number => results.filter((result) => result.verdict === verdict).length;
  const title = [name, version].filter(Boolean).join(" ");
  return `${title}: ${results.length} rows: ${count("held")} held, ${count("failed")} failed, ${count("n/a")} n/a`;
}

/** All results, one row a line, so that a change reads well in a diff. */
export function writeJson(runs: readonly Run[]): string {
  const body = runs.map(({ results, ...run }) => {
    const rows = results.map((result) => JSON.stringify(result, rounded));
    return `${JSON.stringify(run).slice(0, -1)},"results":[\n${rows.join(",\n")}\n]}`;
  });
  return `{"runs":[\n${body.join(",\n")}\n]}\n`;
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toFixed(2)) : value;
}

/** The table in Markdown: verdicts side by side, then what failed and what was noted, then the figures. */
export function writeTable(rows: readonly Row[], runs: readonly Run[]): string {
  const asked = rows.filter(({ id }) => runs.some(({ results }) => results.some((result) => result.id === id)));
  const names = runs.map(({ name, version }) =>
    version === "" || name.endsWith(version) ? name : `${name} ${version}`,
  );
  const table = (cell: (result: Result) => string): string[] => [
    `| row | | ${names.join(" | ")} |`,
    `| --- | --- |${" --- |".repeat(runs.length)}`,
    ...asked.map(({ id, name }) => {
      const cells = runs.map(({ results }) => results.find((result) => result.id === id));
      return `| ${id} | ${name} | ${cells.map((result) => (result === undefined ? "" : cell(result))).join(" | ")} |`;
    }),
  ];
  const lines = [
    "# The matrix",
    "",
    "Written by the tool; [how each row is judged](README.md).",
    "",
    ...runs.map(({ measured }, i) => `- ${names[i]}: ${measured}`),
    "",
    ...table(({ verdict, notes }) => `${verdict === "failed" ? "**failed**" : verdict}${notes.length > 0 ? " *" : ""}`),
    "",
    "`*`: with a note below. A note is no failure.",
    "",
    "## What failed, what was noted, what could not be asked",
    "",
    ...runs.flatMap((run, i) => remarks(asked, run, names[i]!)),
    "## Memory: how much the process grew, at its peak",
    "",
    ...table(({ facts }) => growthOf(facts)),
    "",
    "## CPU: what the process used",
    "",
    ...table(({ facts }) => (facts?.process === undefined ? "" : `${(facts.process.cpu / 1000).toFixed(1)} s`)),
    "",
    "## The others: milliseconds until an echo, p50 / p99 / longest",
    "",
    ...table(({ facts }) => (facts === undefined || facts.bystanders.sent === 0 ? "" : latency(facts))),
    "",
    "## What each attack saw",
    "",
    ...asked.flatMap((row) => sightings(row, runs, names)),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

function remarks(rows: readonly Row[], { results }: Run, name: string): string[] {
  const lines = rows.flatMap(({ id }) => {
    const result = results.find((one) => one.id === id);
    if (result === undefined) return [];
    const reasons = result.reasons.map((reason) => `- ${id} ${result.verdict}: ${plain(reason)}`);
    return [...reasons, ...result.notes.map((note) => `- ${id} note: ${plain(note)}`)];
  });
  return [`### ${name}`, "", ...(lines.length > 0 ? lines : ["Nothing."]), ""];
}

function sightings({ id, name, does }: Row, runs: readonly Run[], names: readonly string[]): string[] {
  const lines = runs.flatMap(({ results }, i) => {
    const facts = results.find((result) => result.id === id)?.facts;
    return facts === undefined || seenOf(facts) === "" ? [] : [`- ${names[i]}: ${plain(seenOf(facts))}`];
  });
  return lines.length === 0 ? [] : [`### ${id} ${name}`, "", `${plain(does)}.`, "", ...lines, ""];
}

function plain(text: string): string {
  return text.replace(/[|<>*_^`]/g, "\\$&");
}

function seenOf({ seen }: Facts): string {
  return Object.entries(seen)
    .map(([name, value]) => `${name} ${typeof value === "number" ? Number(value.toFixed(2)) : value}`)
    .join(", ");
}

function figuresOf(facts: Facts): string {
  const { process } = facts;
  const own = process === undefined ? "" : `${growthOf(facts)} to ${mib(process.rssPeak)}, CPU ${process.cpu} ms, `;
  return `${own}others ${latency(facts)} ms`;
}

function growthOf(facts: Facts | undefined): string {
  const { process } = facts ?? {};
  return process === undefined ? "" : `+${((process.rssPeak - process.rssBefore) / MIB).toFixed(0)} MiB`;
}

function latency({ bystanders: { p50, p99, max } }: Facts): string {
  return [p50, p99, max].map((ms) => ms.toFixed(ms < 10 ? 1 : 0)).join(" / ");
}
