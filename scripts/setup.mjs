/**
 * Makes a fresh clone ready to run: installs what package-lock.json names, compiles src/, then installs and builds demo/.
 *
 * Each step runs only when its result is missing or older than what it is made from, and says so in one line. Plain
 * JavaScript, because it runs before anything is installed. `node scripts/setup.mjs install` stops after the first step;
 * with the path of a folder behind it, it installs what that folder's package-lock.json names instead.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const skippedFolders = new Set(["node_modules", "dist", ".cache"]);

/**
 * Brings the clone up to date; ends the process with a message and exit code 1 when a step fails.
 *
 * @param {{ build: boolean, demo?: boolean }} steps `build: false` installs the root's packages and does no more;
 *   `demo: false` leaves demo/ as it is
 */
export function setUp({ build, demo = true }) {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) giveUp(`Node ${process.versions.node} is too old, 20.19 is needed`);
  install(".");
  if (!build) return;
  buildOnce(
    "src",
    ["src", "tsconfig.json", "tsconfig.cjs.json", "scripts/commonjs.mjs", "package.json", "package-lock.json"],
    "dist",
    ".",
  );
  if (!demo || !existsSync(join(root, "demo/package.json"))) return;
  install("demo");
  buildOnce("demo", ["demo", stampOf("src")], "demo/dist", "demo");
}

function install(folder) {
  const lock = join(folder, "package-lock.json");
  if (modifiedAt(join(folder, "node_modules/.package-lock.json")) >= modifiedAt(lock)) return;
  console.log(`Installing the packages of ${lock} …`);
  npm(folder, ["ci", "--include=dev", "--loglevel=error", "--no-audit", "--no-fund"]);
}

function buildOnce(name, inputs, output, folder) {
  const stamp = join(root, stampOf(name));
  if (existsSync(join(root, output)) && modifiedAt(stampOf(name)) >= Math.max(...inputs.map(modifiedAt))) return;
  console.log(`Building ${name} …`);
  const startedAt = new Date();
  npm(folder, ["run", "--silent", "build"]);
  mkdirSync(join(root, ".cache"), { recursive: true });
  writeFileSync(stamp, "");
  utimesSync(stamp, startedAt, startedAt);
}

function stampOf(name) {
  return `.cache/built-${name}`;
}

/** The newest modification time of a file under `path`, in ms since 1970; 0 when nothing is there. */
function modifiedAt(path) {
  const stats = statSync(join(root, path), { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.mtimeMs;
  const inside = readdirSync(join(root, path)).filter((name) => !skippedFolders.has(name));
  return Math.max(0, ...inside.map((name) => modifiedAt(join(path, name))));
}

function npm(folder, args) {
  const { status, error } = spawnSync("npm", args, {
    cwd: join(root, folder),
    stdio: ["ignore", args[0] === "ci" ? "ignore" : "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) giveUp(`"npm ${args.join(" ")}" failed in ${folder}: ${error?.message ?? `exit code ${status}`}`);
}

function giveUp(why) {
  console.error(`Cannot set up: ${why}`);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [step, folder] = process.argv.slice(2);
  if (step === "install" && folder !== undefined) install(folder);
  else setUp({ build: step !== "install" });
}
