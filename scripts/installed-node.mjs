/**
 * Other versions of Node than the one that runs, as npm packages them: for `npm run ok` and for `npm run bench`.
 *
 * Each is installed once, into .cache/, and stays there. Plain JavaScript, because the bench runs it before anything is
 * compiled.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The newest Node that the tests pass on. A newer one goes here once `npm run ok` passes with it. */
export const newestNode = "26.10.0";

/** What each major version means by itself. */
const versions = [newestNode, "24.21.0", "22.23.3"];

/**
 * Returns the path of that version's program, installed if need be; ends the process with a message and exit code 1 when it
 * cannot be.
 *
 * @param {string} version such as `26.10.0`, or `26` and `26.10`, which mean the one of `versions` that begins so, and
 *   otherwise the latest there is when it is installed
 */
export function installedNode(version) {
  const wanted = versions.find((known) => known.startsWith(`${version}.`)) ?? version;
  const folder = join(root, `.cache/node-${wanted}`);
  const program = join(folder, "node_modules/node/bin/node");
  if (existsSync(program)) return program;
  console.log(`Installing node@${wanted} …`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  const args = ["install", `node@${wanted}`, "--no-save", "--loglevel=error", "--no-audit", "--no-fund"];
  const shell = process.platform === "win32";
  const { status, error } = spawnSync("npm", args, { cwd: folder, shell, stdio: ["ignore", "inherit", "inherit"] });
  if (status === 0 && existsSync(program)) return program;
  console.error(`Cannot install Node ${wanted}: "npm ${args.join(" ")}": ${error?.message ?? `exit code ${status}`}`);
  process.exit(1);
}
