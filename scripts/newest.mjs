/**
 * The gate `newest`: runs a part of the tests under the newest Node, `newestNode`, whatever Node runs this.
 *
 * vitest itself runs on it, and so do its workers and every `node` that they start. Arguments are handed on to vitest, so
 * that `node scripts/newest.mjs test/client` runs those alone.
 */
import { spawnSync } from "node:child_process";
import { delimiter, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { installedNode, newestNode } from "./installed-node.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const program = installedNode(newestNode);
console.log(`on Node ${newestNode}`);
const { status } = spawnSync(
  program,
  ["node_modules/vitest/vitest.mjs", "run", "--config=scripts/newest-config.ts", ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: `${dirname(program)}${delimiter}${process.env.PATH}`, NEWEST_NODE: newestNode },
  },
);
process.exitCode = status ?? 1;
