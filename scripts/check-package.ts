/**
 * Has publint and attw judge the package as packed: each entry is found by `import` and `require`, in every way in which
 * TypeScript resolves modules but the oldest, and its declarations are those of the module that is loaded.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { install, pack } from "./packed.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const tools = "integrations/package";

/** The programs and their arguments; the tarball's path comes last. */
const judges = [
  ["node_modules/publint/src/cli.js", "run", "--strict"],
  ["node_modules/@arethetypeswrong/cli/dist/index.js", "--profile", "node16", "--no-emoji", "--format", "ascii"],
] as const;

install(tools);
const tarball = pack("package");
for (const [program, ...args] of judges) {
  const { status } = spawnSync(process.execPath, [join(root, tools, program), ...args, tarball], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
