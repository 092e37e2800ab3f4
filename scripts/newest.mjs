/**
 * The gate `newest`: runs a part of the tests under the newest Node, `newestNode`, whatever Node runs this.
 *
 * With a version as its first argument it runs all of them under that one: `node scripts/newest.mjs 24`. vitest itself runs
 * on it, and so do its workers and every `node` that they start. Other arguments are handed on to vitest, so that
 * `node scripts/newest.mjs test/client` runs those alone.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { delimiter, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { installedNode, newestNode } from "./installed-node.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const given = process.argv.slice(2);
const wanted = /^\d/.test(given[0] ?? "") ? given.shift() : undefined;
const program = installedNode(wanted ?? newestNode);
const version = execFileSync(program, ["--version"], { encoding: "utf8" }).trim().slice(1);
const config = wanted === undefined ? "scripts/newest-config.ts" : "vitest.config.ts";
console.log(`on Node ${version}`);
const { status } = spawnSync(program, ["node_modules/vitest/vitest.mjs", "run", `--config=${config}`, ...given], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, PATH: `${dirname(program)}${delimiter}${process.env.PATH}`, WANTED_NODE: version },
});
process.exitCode = status ?? 1;
