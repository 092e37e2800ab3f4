/**
 * Sums up the report of vitest's JSON reporter in the one line that every CI can read.
 *
 * A test file that fails before its tests run has no failed test in the report; it counts as one failure here, and so
 * does a report that was never written: a broken run must not look like an empty one.
 */

/** The part of vitest's JSON report that is read. */
export interface TestReport {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** Returns `N passed, N failed, N skipped`; todo tests count as skipped, `undefined` (no report) as one failure. */
export function countTests(report: TestReport | undefined): string {
  if (report === undefined) return "0 passed, 1 failed, 0 skipped";
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const file of report.testResults) {
    const failedBefore = failed;
    for (const { status } of file.assertionResults) {
      if (status === "passed") passed++;
      else if (status === "failed") failed++;
      else skipped++;
    }
    if (file.status === "failed" && failed === failedBefore) failed++;
  }
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
