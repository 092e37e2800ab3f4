/**
 * Runs tests on a runtime: `tsx scripts/on-runtime.ts bun`, `deno`, `24` or `22.23.3`, whatever Node runs this.
 *
 * They are those that scripts/runtimes.ts selects for it, or all with `--whole`; `--save` keeps how many for the page. Further arguments are handed on to vitest,
 * so that `tsx scripts/on-runtime.ts bun test/client` runs those alone. vitest itself runs on the runtime, and so do its
 * workers and every program that they start. The last line counts the tests. Where everything that is selected ran, an
 * entry of `lacks` that no test was skipped for is a failure, too: what has been mended is no lack.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { delimiter, dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { countTests } from "./count-tests.ts";
import { installedNode } from "./installed-node.mjs";
import { install } from "./packed.ts";
import { lackOf, lacks, names, pinnedVersion, type Runtime, runtimeNames } from "./runtimes.ts";
import { saveCounts } from "./runtimes-page.ts";

interface Program {
  readonly runtime: Runtime;
  readonly version: string;
  readonly path: string;
  /** What stands between the program and vitest. */
  readonly args: readonly string[];
}

/** What is read of the report besides, to know which tests were skipped. */
interface Results {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

const root = fileURLToPath(new URL("..", import.meta.url));
const [wanted = "", ...given] = process.argv.slice(2);
const whole = given.includes("--whole");
const handedOn = given.filter((argument) => argument !== "--whole" && argument !== "--save");
const { runtime, version, path, args } = programOf(wanted);
const report = join(root, `.cache/runtimes/${runtime}-${version}.json`);
mkdirSync(dirname(report), { recursive: true });
rmSync(report, { force: true });
const vitest = [join(root, "node_modules/vitest/vitest.mjs"), "run", "--config=scripts/runtime-config.ts"];
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
const status = await runAlone(path, [...args, ...vitest, ...reporters, ...handedOn], {
  ...process.env,
  PATH: `${dirname(path)}${delimiter}${process.env.PATH}`,
  WANTED_RUNTIME: `${runtime} ${version}`,
  ...(whole && { WANTED_TESTS: "all" }),
});
if (!existsSync(report)) throw new Error(`vitest ended without a report on ${runtimeNames[runtime]} ${version}`);
const results = JSON.parse(readFileSync(report, "utf8")) as Results;
const stale = handedOn.some((argument) => !argument.startsWith("-")) ? [] : staleEntries(results);
for (const entry of stale) console.error(`Nothing was skipped on ${runtimeNames[runtime]} for "${entry}"`);
console.log(`${countTests(results)} on ${runtimeNames[runtime]} ${version}`);
if (given.includes("--save") && status === 0) saveCounts(runtime, version, countsOf(results));
process.exitCode = status === 0 && stale.length === 0 ? 0 : 1;

/**
 * Runs a program, and ends whatever it leaves running: on Bun and Deno a worker that is ended may leave the programs that its
 * tests started, which would hold up whoever reads their output. Returns the exit code, null after a signal.
 */
async function runAlone(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number | null> {
  const ownGroup = process.platform !== "win32";
  const child = spawn(program, args, { cwd: root, stdio: "inherit", env, detached: ownGroup });
  const end = (): void => {
    try {
      process.kill(ownGroup ? -child.pid! : child.pid!, "SIGKILL");
    } catch {
      // Nothing is left.
    }
  };
  const deadline = setTimeout(end, whole ? 7_200_000 : 1_800_000);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, end);
  const [status] = (await once(child, "exit")) as [number | null];
  clearTimeout(deadline);
  end();
  return status;
}

function programOf(name: string): Program {
  if (name !== "bun" && name !== "deno") {
    const path = installedNode(name);
    const version = execFileSync(path, ["--version"], { encoding: "utf8" }).trim().slice(1);
    return { runtime: "node", version, path, args: [] };
  }
  const folder = "integrations/runtimes";
  install(folder);
  const path = join(root, folder, "node_modules/.bin", name);
  const args = name === "bun" ? ["--bun"] : ["run", "--allow-all", "--no-prompt"];
  return { runtime: name, version: pinnedVersion(name), path, args };
}

/** The tests that were skipped, for lacks and for other reasons. */
function skippedTests({ testResults }: Results): { readonly file: string; readonly title: string }[] {
  return testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status !== "passed" && status !== "failed")
      .map(({ ancestorTitles, title }) => ({
        file: relative(root, name).split(sep).join("/"),
        title: [...ancestorTitles, title].join(" "),
      })),
  );
}

/** How many tests passed, and how many were skipped for lacks; those that a tag left out are neither. */
function countsOf(results: Results): { readonly passed: number; readonly skipped: number } {
  const statuses = results.testResults.flatMap(({ assertionResults }) => assertionResults.map(({ status }) => status));
  return {
    passed: statuses.filter((status) => status === "passed").length,
    skipped: skippedTests(results).filter(({ file, title }) => lackOf(runtime, file, title)).length,
  };
}

/** The entries of `lacks` for the runtime that no skipped test is named by. */
function staleEntries(results: Results): string[] {
  const skipped = skippedTests(results);
  const entries = lacks.filter(({ runtimes }) => runtimes.includes(runtime)).flatMap(({ tests }) => tests);
  return entries.filter((entry) => !skipped.some(({ file, title }) => names(entry, file, title)));
}
