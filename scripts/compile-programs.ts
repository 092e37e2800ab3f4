/** Compiles the programs that tests start into `.cache/programs`, before the first test and whenever tests run again. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { compiledFolder } from "./typescript-program.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const configPath = join(root, "tsconfig.programs.json");
const output = join(root, ".cache/programs");
/** Its time of modification is when the last compilation began. */
const stamp = join(output, "stamp");

export default function compilePrograms(project: TestProject): void {
  // A run that a test of another run starts finds them compiled.
  if (process.env[compiledFolder] !== undefined) return;
  process.env[compiledFolder] = output;
  compile();
  project.onTestsRerun(compile);
}

/** Does nothing when all is as it was; what does not typecheck is told by the gate `types`, not here. */
function compile(): void {
  const startedAt = new Date();
  const { include } = JSON.parse(readFileSync(configPath, "utf8")) as { include: readonly string[] };
  const inputs = [configPath, join(root, "tsconfig.json"), ...include.flatMap((folder) => filesOf(join(root, folder)))];
  const compiledAt = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (inputs.every((path) => statSync(path).mtimeMs < compiledAt)) return;
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", configPath], { cwd: root, stdio: "inherit" });
  writeFileSync(stamp, "");
  utimesSync(stamp, startedAt, startedAt);
}

function filesOf(folder: string): string[] {
  const names = readdirSync(folder, { encoding: "utf8", recursive: true });
  return names.filter((name) => /^(?!.*\bnode_modules\b).*\.ts$/.test(name)).map((name) => join(folder, name));
}
