/** Compiles the programs that tests start into `.cache/programs`, before the first test and whenever tests run again. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { compiledFolder } from "./typescript-program.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

export default function compilePrograms(project: TestProject): void {
  // A run that a test of another run starts finds them compiled.
  if (process.env[compiledFolder] !== undefined) return;
  process.env[compiledFolder] = `${root}.cache/programs`;
  compile();
  project.onTestsRerun(compile);
}

/** Does nothing when all is as it was; what does not typecheck is told by the gate `types`, not here. */
function compile(): void {
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.programs.json"], {
    cwd: root,
    stdio: "inherit",
  });
}
