/**
 * Proves law 9 for src/protocol/: the test file of each source file, run alone, covers all of its lines and branches.
 *
 * As many of them run at once as there are processors; what is not covered is printed with its lines.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

const folder = "protocol";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const waiting = readdirSync(`src/${folder}`, { encoding: "utf8", recursive: true }).filter((name) =>
  name.endsWith(".ts"),
);
await Promise.all(Array.from({ length: availableParallelism() }, checkNext));

async function checkNext(): Promise<void> {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const source = `src/${folder}/${name}`;
    const problem = await problemOf(source, source.replace("src/", "test/").replace(".ts", ".test.ts"));
    if (problem === undefined) continue;
    console.error(problem);
    process.exitCode = 1;
  }
}

/** What is wrong with the coverage of `source` by `test`; undefined when nothing is. */
async function problemOf(source: string, test: string): Promise<string | undefined> {
  if (!existsSync(test)) return `${source}: there is no ${test}`;
  const { exitCode, output } = await runVitest([
    ...["run", test, "--coverage", `--coverage.include=${source}`, "--coverage.thresholds.100"],
    ...["--coverage.reporter=text", `--coverage.reportsDirectory=.cache/coverage/${source.replaceAll("/", "-")}`],
  ]);
  if (exitCode === 0) return undefined;
  const uncovered = /^ \S+\.ts +\|.*\|(.+)$/m.exec(stripVTControlCharacters(output))?.[1]?.trim();
  return uncovered ? `${source}: ${test} does not cover ${uncovered}` : `${source}: ${test} fails\n${output.trimEnd()}`;
}

function runVitest(args: readonly string[]): Promise<{ exitCode: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
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
