/** The closing line of a run: every way a test can end is counted, and a run that broke never looks like an empty one. */
import { expect, test } from "vitest";
import { countTests } from "../../scripts/count-tests.ts";

function file(status: string, ...tests: readonly string[]) {
  return { status, assertionResults: tests.map((each) => ({ status: each })) };
}

test("counts over all files; skipped and todo tests are skipped", () => {
  const testResults = [file("passed", "passed", "pending", "todo"), file("failed", "failed", "passed", "skipped")];
  expect(countTests({ testResults })).toBe("2 passed, 1 failed, 3 skipped");
});

test("counts a file that failed before its tests as one failure", () => {
  expect(countTests({ testResults: [file("failed"), file("failed", "passed")] })).toBe("1 passed, 2 failed, 0 skipped");
});

test("counts a missing report as one failure", () => {
  expect(countTests(undefined)).toBe("0 passed, 1 failed, 0 skipped");
});
