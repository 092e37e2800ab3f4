/**
 * The report: one page without outside resources. Its data is compressed and read by the browser's own
 * DecompressionStream, so that every trace of every peer fits.
 */
import { readFileSync } from "node:fs";
import { deflateRawSync } from "node:zlib";
import { type Case, GROUPS } from "../case.ts";
import { describeExpectation } from "../judge/verdict.ts";
import { packRuns, type Run } from "./runs.ts";

/** The page for these cases and runs. */
export function htmlReport(cases: readonly Case[], runs: readonly Run[]): string {
  const asked = new Set(runs.flatMap(({ results }) => results.map(({ id }) => id)));
  const listed = cases
    .filter(({ id }) => asked.has(id))
    .map((test) => ({
      id: test.id,
      group: test.group,
      title: test.title,
      ids: test.ids,
      level: test.level,
      expect: describeExpectation(test),
    }));
  const data = JSON.stringify({ groups: GROUPS, cases: listed, ...packRuns(runs.map(shortened)) });
  return part("page.html")
    .replace("/*STYLE*/", () => part("page.css"))
    .replace("/*SCRIPT*/", () => part("page.js"))
    .replace("/*DATA*/", () => deflateRawSync(data, { level: 9 }).toString("base64"));
}

const PASSED_LINES = 16;
const OTHER_LINES = 48;

/** Traces as the page shows them: bounded, and without what is random on a client's side. */
function shortened(run: Run): Run {
  const results = run.results.map((result) => {
    const most = result.verdict === "pass" ? PASSED_LINES : OTHER_LINES;
    const { trace } = result;
    const lines = trace.length <= most ? trace : [...trace.slice(0, most), `· and ${trace.length - most} lines more`];
    return { ...result, trace: run.role === "client" ? lines.map(withoutChance) : lines };
  });
  return { ...run, results };
}

/** A client's masking keys and handshake keys say nothing in a table, and do not compress. */
function withoutChance(line: string): string {
  if (/^[<>] sec-websocket-(key|accept): /i.test(line)) return line.replace(/: .*/, ": …");
  return line.replace(/^(< .*? · )((?:[0-9a-f]{4}){1,2}|[0-9a-f]{20})[0-9a-f]{8} \|/, "$1$2 (key) |");
}

function part(name: string): string {
  return readFileSync(new URL(name, import.meta.url), "utf8");
}
