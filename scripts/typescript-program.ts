/**
 * How Node starts a TypeScript program of this project: compiled where tests run, through tsx elsewhere.
 *
 * A program that tsx compiles as it loads takes 0.5 s of a processor to start with all of `src/`, a compiled one 0.15 s, and
 * tests start hundreds. `compile-programs.ts` compiles them before the first test and names the folder in the environment.
 */
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The environment variable that holds the folder of the compiled programs, which has the tree of the project. */
export const compiledFolder = "OPENLINE_COMPILED";

/** Arguments of `node` that run the program at an absolute path of this project; its own arguments go behind them. */
export function typescriptProgram(path: string): readonly string[] {
  const compiled = process.env[compiledFolder];
  if (compiled === undefined) return ["--import", "tsx", path];
  return [join(compiled, relative(root, path)).replace(/\.ts$/, ".js")];
}
