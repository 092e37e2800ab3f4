/**
 * `npm run ok`: every gate a change must pass, one line each; a gate that fails does not stop the ones after it. With
 * `--all` come those that are rare or take long.
 *
 * What a failed gate printed follows its line, and what each printed is in `.cache/ok/`. The last line counts the tests, in
 * the form that `.ci/run` promises, once: not those again that other runtimes repeat. The exit code is 0 only when
 * every gate passed.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs, styleText } from "node:util";
import { countTests, type TestReport } from "./count-tests.ts";

type Gate = readonly [name: string, command: string];

const root = fileURLToPath(new URL("..", import.meta.url));
const outputs = ".cache/ok";
const reportPath = `${outputs}/tests.json`;

/** Has every connection on a socket of Node's, as where the runtime's handles cannot be used. */
const withoutHandles = "OPENLINE_BARE_HANDLES=0";

/** A small load on a cluster, and each fault three times: a minute. */
const fewFaults = "--clients 150 --rate 150 --topics 25 --kills 3 --rounds 3 --probe-interval 1000";

/** Minutes of threads and processes, which Node 20 and the newest are enough for. */
const costly = "--exclude='test/workers/**' --exclude=test/server/listening/cluster.test.ts";

/** The gates of one step run beside each other, as many at once as there are processors; the steps, one after another. */
const steps: readonly (readonly Gate[])[] = [
  [["build", "node scripts/setup.mjs"]],
  [
    ["docs", "tsx scripts/check-docs.ts"],
    ["declarations", "tsx scripts/check-declarations.ts"],
    ["lint", "biome lint --error-on-warnings"],
    ["format", "biome check --linter-enabled=false"],
    ["types", "tsc -p tsconfig.test.json"],
    ["portable", "tsc -p tsconfig.portable.json"],
    ["layers", "tsx scripts/layers.ts"],
    ["kernels", "tsx scripts/kernels.ts --check"],
    ["sizes", "tsx scripts/check-sizes.ts"],
    ["package", "tsx scripts/check-package.ts"],
    ["pages", "tsx scripts/pages.ts --check"],
    ["reference", "tsx scripts/reference.ts --check"],
  ],
  [["tests", `vitest run --coverage --tags-filter=!rare ${reportTo(reportPath)}`]],
  [["Node 26", onRuntime("26", "--tags-filter=!slow")]],
  ...["24", "22"].map((version): Gate[] => [[`Node ${version}`, onRuntime(version, `--tags-filter=!slow ${costly}`)]]),
  [
    ["Bun", onRuntime("bun", "--tags-filter=!slow --maxWorkers=3")],
    ["Deno", onRuntime("deno", "--tags-filter=!slow --maxWorkers=3")],
  ],
  [
    [
      "sockets",
      `${withoutHandles} vitest run test/server test/transport test/faults/c test/faults/d --tags-filter=!slow`,
    ],
  ],
  [["coverage", "tsx scripts/check-coverage.ts"]],
  [["conformance", "tsx conformance/main.ts"]],
  [
    ["soak", "tsx soak/main.ts --minutes 3 --connections 2000 --rate 1500 --churn 20"],
    ["fuzz", "tsx fuzz/main.ts --minutes 1 --seed 1"],
    ["Redis soak", `tsx soak/main.ts --cluster redis ${fewFaults}`],
    ["NATS soak", `tsx soak/main.ts --cluster nats ${fewFaults}`],
  ],
];

/** What `--all` adds: whole test runs on other versions of Node, and what takes many minutes. */
const rareSteps: readonly (readonly Gate[])[] = [
  [["all sockets", `${withoutHandles} vitest run --tags-filter=!rare`]],
  ...["26", "24", "22"].map((version): Gate[] => [
    [`all on Node ${version}`, onRuntime(version, "--whole --tags-filter=!rare")],
  ]),
  [["all on Bun", onRuntime("bun", "--tags-filter=!rare")]],
  [["all on Deno", onRuntime("deno", "--tags-filter=!rare")]],
  [["rare tests", "vitest run --tags-filter=rare"]],
  [["all cases", "tsx conformance/main.ts --all"]],
  [["long fuzz", "tsx fuzz/main.ts --minutes 20"]],
  [["long soak", "tsx soak/main.ts --minutes 60"]],
  [["long Redis soak", "tsx soak/main.ts --cluster redis"]],
  [["long NATS soak", "tsx soak/main.ts --cluster nats"]],
  [["mutation", "tsx mutation/main.ts"]],
];

const { values } = parseArgs({ options: { all: { type: "boolean", default: false } } });
process.chdir(root);
rmSync(outputs, { recursive: true, force: true });
mkdirSync(outputs, { recursive: true });
const failed: string[] = [];
for (const step of values.all ? [...steps, ...rareSteps] : steps) {
  const waiting = [...step];
  const passNext = async (): Promise<void> => {
    for (let gate = waiting.shift(); gate !== undefined; gate = waiting.shift()) await pass(gate);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, passNext));
}
if (failed.length > 0) console.log(`Not ok: ${failed.join(", ")}`);
console.log(countTests(readReport(reportPath)));
process.exitCode = failed.length > 0 ? 1 : 0;

async function pass([name, command]: Gate): Promise<void> {
  const startedAt = performance.now();
  const { exitCode, output } = await run(command);
  const seconds = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  writeFileSync(`${outputs}/${name.replaceAll(" ", "-")}.txt`, output);
  console.log(`${mark(exitCode === 0)} ${name.padEnd(12)} ${seconds.padStart(7)}${detail(name, output)}`);
  if (exitCode === 0) return;
  failed.push(name);
  console.log(`${output.trimEnd()}\n`);
}

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
  const elsewhere = /^\d+ passed, .* on \S+ \S+$/m.exec(output)?.[0];
  if (elsewhere !== undefined) return `  ${elsewhere}`;
  if (name !== "tests") return "";
  const lines = /^Lines\s*:\s*(\S+)/m.exec(output)?.[1];
  const covered = lines === undefined ? "" : `; ${lines} of the lines of src covered`;
  return `  ${countTests(readReport(reportPath))}${covered}`;
}

function onRuntime(runtime: string, args: string): string {
  return `tsx scripts/on-runtime.ts ${runtime} ${args}`;
}

function reportTo(path: string): string {
  return `--reporter=default --reporter=json --outputFile.json=${path}`;
}

function readReport(path: string): TestReport | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as TestReport) : undefined;
}
