/**
 * `npm run bench`: installs the peers, compiles the library and these programs, then measures in this same process, or
 * with `--node N` in one of that version.
 *
 * Plain JavaScript, because it runs before anything is compiled. With OPENLINE_DIST set, that build is measured and src/ is
 * left alone.
 */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { installedNode } from "../scripts/installed-node.mjs";
import { setUp } from "../scripts/setup.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));

setUp({ build: false });
if (modifiedAt("node_modules/.package-lock.json") < modifiedAt("package-lock.json")) {
  console.log("Installing the packages of bench/package-lock.json …");
  npm(here, ["ci", "--loglevel=error", "--no-audit", "--no-fund"]);
}
if (process.env.OPENLINE_DIST === undefined) npm(`${here}..`, ["run", "--silent", "build"]);
npm(here, ["run", "--silent", "build"]);
const version = wantedNode(process.argv.slice(2));
if (version === undefined) await import("./dist/harness/main.js");
else process.exitCode = measureWith(installedNode(version));

/** What `--node` says. */
function wantedNode(words) {
  const at = words.findIndex((word) => word === "--node" || word.startsWith("--node="));
  const value = at < 0 ? undefined : (words[at].split("=")[1] ?? words[at + 1]);
  if (at < 0 || /^\d+(\.\d+){0,2}$/.test(value)) return value;
  console.error(`Cannot measure: --node must be a version such as 26, not ${value}`);
  process.exit(2);
}

function measureWith(node) {
  const { status } = spawnSync(node, [`${here}dist/harness/main.js`, ...process.argv.slice(2)], { stdio: "inherit" });
  return status ?? 1;
}

function modifiedAt(path) {
  return statSync(`${here}${path}`, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function npm(cwd, args) {
  const shell = process.platform === "win32";
  const { status } = spawnSync("npm", args, { cwd, shell, stdio: ["ignore", "inherit", "inherit"] });
  if (status === 0) return;
  console.error(`Cannot set up the bench: "npm ${args.join(" ")}" failed`);
  process.exit(1);
}
