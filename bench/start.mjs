/**
 * `npm run bench`: installs the peers, compiles the library and these programs, then measures in this same process.
 *
 * Plain JavaScript, because it runs before anything is compiled. With OPENLINE_DIST set, that build is measured and src/ is
 * left alone.
 */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setUp } from "../scripts/setup.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));

setUp({ build: false });
if (modifiedAt("node_modules/.package-lock.json") < modifiedAt("package-lock.json")) {
  console.log("Installing the packages of bench/package-lock.json …");
  npm(here, ["ci", "--loglevel=error", "--no-audit", "--no-fund"]);
}
if (process.env.OPENLINE_DIST === undefined) npm(`${here}..`, ["run", "--silent", "build"]);
npm(here, ["run", "--silent", "build"]);
await import("./dist/harness/main.js");

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
