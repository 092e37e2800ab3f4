/**
 * The matrix against our own server, from dist/ and with its defaults, through the command line: every row is held.
 *
 * @module-tag slow
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Run } from "../../attack/report.ts";
import { ROWS } from "../../attack/rows/index.ts";
import type { Result } from "../../attack/run.ts";
import { commandLine, type Ended } from "../support/program.ts";

const command = commandLine("attack/main.ts");
const folder = mkdtempSync(join(tmpdir(), "attack-"));
/** Those that wait for most of their time; beside them, a server of its own is put to the others. */
const waiting = ["A11", "C05", "D01", "D05", "D16", "D20"];
const working = ROWS.map(({ id }) => id).filter((id) => !waiting.includes(id));
const tables = ["working", "waiting"].map((name) => join(folder, `${name}.md`));
let outcomes: readonly Ended[];
let results: readonly Result[];

beforeAll(async () => {
  const started = [working, waiting].map(async (ids, i) => {
    const json = join(folder, `${i}.json`);
    const outcome = await command("--only", ids.join(), "--json", json, "--table", tables[i]!);
    expect(outcome.errors).toBe("");
    return { outcome, results: (JSON.parse(readFileSync(json, "utf8")) as { runs: Run[] }).runs[0]!.results };
  });
  const ended = await Promise.all(started);
  outcomes = ended.map(({ outcome }) => outcome);
  results = ended.flatMap((one) => one.results);
}, 240_000);

afterAll(() => rmSync(folder, { recursive: true }));

test.each(ROWS.map(({ id, name }) => [id, name] as const))("%s %s", (id) => {
  const result = results.find((one) => one.id === id);
  expect(result).toMatchObject({ verdict: id === "D09" ? "n/a" : "held" });
  // How long others wait depends on what else the machine does; everything else that is noted is ours to answer for.
  expect(result?.notes.filter((note) => !note.includes("p99"))).toEqual([]);
});

test("the others were there, and the process was measured", () => {
  const facts = results.flatMap((result) => (result.facts === undefined ? [] : [result.facts]));
  expect(facts).toHaveLength(ROWS.length - 1);
  expect(facts.every(({ process }) => process !== undefined && process.rssPeak > 0)).toBe(true);
  expect(facts.filter(({ bystanders }) => bystanders.sent >= 100)).toHaveLength(ROWS.length - 2);
});

test("the exit code, the last line and the table say so", () => {
  expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
  expect(outcomes[0]!.out).toContain(`${working.length} rows: ${working.length - 1} held, 0 failed, 1 n/a`);
  expect(outcomes[1]!.out).toContain(`${waiting.length} rows: ${waiting.length} held, 0 failed`);
  expect(readFileSync(tables[0]!, "utf8")).toContain("| A03 | Ping flood with unread pongs | held");
  expect(readFileSync(tables[1]!, "utf8")).toMatch(/^\| D01 \| .* \| held/m);
});
