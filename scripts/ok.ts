/**
 * `npm run ok`: every gate a change must pass, one line each; a gate that fails does not stop the ones after it.
 *
 * What a failed gate printed follows its line. The last line counts the tests, in the form that `.ci/run` promises, once:
 * not those again that the gate `newest` repeats. The exit code is 0 only when every gate passed.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { styleText } from "node:util";
import { countTests, type TestReport } from "./count-tests.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const reportPath = ".cache/tests.json";
const newestReportPath = ".cache/newest.json";

const gates: readonly (readonly [name: string, command: string])[] = [
  ["build", "node scripts/setup.mjs"],
  ["types", "tsc -p tsconfig.test.json"],
  ["lint", "biome lint --error-on-warnings"],
  ["format", "biome check --linter-enabled=false"],
  ["layers", "tsx scripts/layers.ts"],
  ["portable", "tsc -p tsconfig.portable.json"],
  ["tests", `vitest run --coverage ${reportTo(reportPath)}`],
  ["newest", `node scripts/newest.mjs ${reportTo(newestReportPath)}`],
  ["coverage", "tsx scripts/check-coverage.ts"],
  ["declarations", "tsx scripts/check-declarations.ts"],
  ["docs", "tsx scripts/check-docs.ts"],
  [
    "rules",
    "tsx scripts/check-normative.ts --check && tsx scripts/check-faults.ts --check && tsx scripts/check-parity.ts --check",
  ],
  ["pages", "tsx scripts/print-reference.ts --check"],
  ["conformance", "tsx conformance/main.ts"],
  ["fuzz", "tsx fuzz/main.ts --minutes 1 --seed 1"],
  ["soak", "tsx soak/main.ts --minutes 3 --connections 2000 --rate 1500 --churn 20"],
];

process.chdir(root);
for (const path of [reportPath, newestReportPath]) rmSync(path, { force: true });
const failed: string[] = [];
for (const [name, command] of gates) {
  const startedAt = performance.now();
  const { exitCode, output } = await run(command);
  const seconds = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  console.log(`${mark(exitCode === 0)} ${name.padEnd(7)} ${seconds.padStart(7)}${detail(name, output)}`);
  if (exitCode === 0) continue;
  failed.push(name);
  console.log(`${output.trimEnd()}\n`);
}
if (failed.length > 0) console.log(`Not ok: ${failed.join(", ")}`);
console.log(countTests(readReport(reportPath)));
process.exitCode = failed.length > 0 ? 1 : 0;

function run(command: string): Promise<{ exitCode: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, { shell: true, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    child.once("error", reject);
    child.once("close", (exitCode) => resolve({ exitCode, output }));
  });
}

function mark(passed: boolean): string {
  const text = passed ? "✓" : "✗";
  return process.stdout.isTTY ? styleText(passed ? "green" : "red", text) : text;
}

function detail(name: string, output: string): string {
  if (name === "newest")
    return `  ${countTests(readReport(newestReportPath))} ${/^on Node \S+/m.exec(output)?.[0] ?? ""}`;
  if (name !== "tests") return "";
  const lines = /^Lines\s*:\s*(\S+)/m.exec(output)?.[1];
  const covered = lines === undefined ? "" : `; ${lines} of the lines of src covered`;
  return `  ${countTests(readReport(reportPath))}${covered}`;
}

function reportTo(path: string): string {
  return `--reporter=default --reporter=json --outputFile.json=${path}`;
}

function readReport(path: string): TestReport | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as TestReport) : undefined;
}
