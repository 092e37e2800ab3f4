/** What every case owes its reader, and what the suite promises in number. */
import { expect, test } from "vitest";
import { GROUPS } from "../../conformance/case.ts";
import { CASES } from "../../conformance/cases/index.ts";
import { describeExpectation } from "../../conformance/judge/verdict.ts";
import { mergeRuns, type Run, readRuns, writeRuns, writeTable } from "../../conformance/report/runs.ts";

test("there are at least 600 cases for each side, with ids that begin with their group", () => {
  for (const role of ["server", "client"] as const) {
    expect(CASES.filter(({ roles }) => roles.includes(role)).length).toBeGreaterThanOrEqual(600);
  }
  expect(CASES.filter(({ id, group }) => !id.startsWith(`${group}.`))).toEqual([]);
  expect(new Set(CASES.map(({ group }) => group))).toEqual(new Set(Object.keys(GROUPS)));
});

test("every case has a sentence, rules and an expectation in words", () => {
  const poor = CASES.filter(
    (one) => one.title.length < 6 || one.ids.length === 0 || one.expect.length === 0 || describeExpectation(one) === "",
  );
  expect(poor).toEqual([]);
  const odd = CASES.flatMap(({ ids }) => ids).filter(
    (id) => !/^(R6455|R7692|WHATWG)-[\w.]+-\d+$|^[ABCD]\d\d$/.test(id),
  );
  expect(odd).toEqual([]);
});

const run: Run = {
  name: "a",
  role: "server",
  version: "1",
  results: [
    { id: "x", verdict: "pass", seen: "echoed", trace: ["> one", "< two"] },
    { id: "y", verdict: "fail", seen: "nothing", trace: ["> one"] },
  ],
};

test("results survive being written and read, traces included", () => {
  expect(readRuns(writeRuns([run]))).toEqual([run]);
});

test("later results take the place of earlier ones, case by case", () => {
  const fixed: Run = { ...run, results: [{ id: "y", verdict: "pass", seen: "echoed", trace: [] }] };
  const [merged] = mergeRuns([run], [fixed]);
  expect(merged?.results.map(({ id, verdict }) => `${id} ${verdict}`)).toEqual(["x pass", "y pass"]);
});

test("the table has one line a case", () => {
  expect(JSON.parse(writeTable([run]))).toEqual({ runs: ["a 1 server"], cases: { x: ["pass"], y: ["fail: nothing"] } });
});
