/** The judge alone: each statement is true of facts that bear it out, false of others, and silent where nothing was seen. */
import { describe, expect, test } from "vitest";
import {
  atMost,
  filesReturn,
  growsLess,
  HEAP_NOISE,
  is,
  judge,
  MIB,
  noteGrowth,
  noteP99,
  notes,
  sees,
} from "../../attack/judge.ts";
import { type Run, writeJson, writeTable } from "../../attack/report.ts";
import type { Bystanders, Facts, ProcessFigures, Row, Seen, Statement } from "../../attack/row.ts";

const CALM: Bystanders = { sent: 1000, missing: 0, lost: 0, p50: 1, p99: 5, max: 9 };
const AT_REST: ProcessFigures = { rssBefore: 50 * MIB, rssPeak: 50 * MIB, cpu: 10, filesBefore: 120, filesAfter: 120 };

const facts = (changes: Partial<Facts> = {}): Facts => ({
  alive: true,
  process: AT_REST,
  bystanders: CALM,
  seen: {},
  ...changes,
});
const row = (...statements: Statement[]): Row => ({
  id: "A00",
  name: "Row",
  does: "Nothing",
  attack: () => Promise.resolve({}),
  statements,
});
const grown = (by: number): Facts => facts({ process: { ...AT_REST, rssPeak: AT_REST.rssBefore + by } });
const saw = (seen: Seen): Facts => facts({ seen });

describe("every row", () => {
  test("is held when a fresh client is echoed and the others lose nothing", () => {
    expect(judge(row(), facts())).toEqual({ verdict: "held", reasons: [], notes: [] });
  });

  test.each<[what: string, changes: Partial<Facts>, reason: string]>([
    ["nobody is echoed any more", { alive: false }, "a fresh client is echoed afterwards: no echo within 5 s"],
    ["the process died and came back", { death: "it ended" }, "a fresh client is echoed afterwards: it ended"],
    ["an echo is missing", { bystanders: { ...CALM, missing: 1 } }, "1 echoes missing, 0 connections lost"],
    ["a connection is lost", { bystanders: { ...CALM, lost: 2 } }, "0 echoes missing, 2 connections lost"],
    ["the attack broke", { seen: { broke: "no answer" } }, "the attack can be carried out: no answer"],
  ])("is failed when %s", (_, changes, reason) => {
    const { verdict, reasons } = judge(row(), facts(changes));
    expect(verdict).toBe("failed");
    expect(reasons).toEqual([expect.stringContaining(reason)]);
  });

  test("of a server that died says only that", () => {
    const dead = facts({ alive: false, death: "it ended", bystanders: { ...CALM, lost: 100 }, seen: { broke: "x" } });
    expect(judge(row(), dead).reasons).toEqual(["a fresh client is echoed afterwards: it ended"]);
  });
});

describe("statements", () => {
  test.each<[what: string, statement: Statement, good: Facts, bad: Facts, reason: string]>([
    [
      "growth",
      growsLess(8 * MIB),
      grown(8 * MIB + HEAP_NOISE - 1),
      grown(8 * MIB + HEAP_NOISE),
      "memory grows by less than 8 MiB and 48 MiB of heap: 56 MiB",
    ],
    ["growth without noise", growsLess(MIB, 0), grown(MIB - 1), grown(MIB), "memory grows by less than 1 MiB: 1 MiB"],
    [
      "open files",
      filesReturn,
      facts({ process: { ...AT_REST, filesAfter: 122 } }),
      facts({ process: { ...AT_REST, filesAfter: 123 } }),
      "open files come back to what they were: 120 before, 123 after",
    ],
    ["a number", sees("ms", atMost(10), "at most 10"), saw({ ms: 10 }), saw({ ms: 11 }), "at most 10: 11"],
    ["a word", sees("end", is("open"), "stays open"), saw({ end: "open" }), saw({ end: "fin" }), "stays open: fin"],
  ])("%s: true, false, and silent when nothing was seen", (_, statement, good, bad, reason) => {
    expect(judge(row(statement), good)).toEqual({ verdict: "held", reasons: [], notes: [] });
    expect(judge(row(statement), bad)).toEqual({ verdict: "failed", reasons: [reason], notes: [] });
    const { process: _process, ...unseen } = facts();
    expect(judge(row(statement), unseen)).toEqual({ verdict: "held", reasons: [], notes: [] });
  });

  test.each<[what: string, statement: Statement, bad: Facts, note: string]>([
    ["growth", noteGrowth(MIB), grown(99 * MIB), "memory grows by less than 1 MiB and 48 MiB of heap: 99 MiB"],
    ["p99", noteP99(20), facts({ bystanders: { ...CALM, p99: 20 } }), "the others' p99 is below 20 ms: 20 ms"],
    ["what was seen", notes("end", is("fin"), "ends"), saw({ end: "open" }), "ends: open"],
  ])("%s as a note fails nothing", (_, statement, bad, note) => {
    expect(judge(row(statement), bad)).toEqual({ verdict: "held", reasons: [], notes: [note] });
  });
});

test("the JSON and the table show the same verdicts, and nothing a name holds breaks the table", () => {
  const runs: Run[] = [
    {
      name: "one",
      version: "1.0",
      measured: "today",
      results: [
        {
          id: "A00",
          ...judge(row(), facts({ seen: { a: 1.234567, b: "x|y" } })),
          facts: facts({ seen: { a: 1.234567, b: "x|y" } }),
          seconds: 1,
        },
      ],
    },
    {
      name: "two",
      version: "",
      measured: "today",
      results: [{ id: "A00", verdict: "failed", reasons: ["it | died"], notes: [], seconds: 1 }],
    },
  ];
  const text = writeTable([row()], runs);
  expect(text).toContain("| row | | one 1.0 | two |\n| --- | --- | --- | --- |\n| A00 | Row | held | **failed** |");
  expect(text).toContain("- A00 failed: it \\| died");
  expect(text).toContain("- one 1.0: a 1.23, b x\\|y");
  const [first, second] = (JSON.parse(writeJson(runs)) as { runs: Run[] }).runs;
  expect(first?.results[0]).toMatchObject({ verdict: "held", facts: { seen: { a: 1.23 } } });
  expect(second?.results[0]).toMatchObject({ verdict: "failed", reasons: ["it | died"] });
});
