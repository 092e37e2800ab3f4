/**
 * `npm run mutation [-- <name> …] [--save]`: changes the files of src/protocol/ in small ways, one at a time, and runs the
 * file's own tests on each change; a change that no test notices survives.
 *
 * Prints the survivors and a row for each file; `--save` puts the rows into the page, whose other rows stay as they are.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const page = "docs/explanation/mutation-testing.md";
const reportPath = ".cache/mutation.json";

/** The part of Stryker's report that is read. */
interface Report {
  readonly files: Readonly<Record<string, { readonly mutants: readonly { readonly status: string }[] }>>;
}

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const { values, positionals } = parseArgs({ options: { save: { type: "boolean" } }, allowPositionals: true });
const files = readdirSync("src/protocol", { encoding: "utf8", recursive: true })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.replace(".ts", ""));
const unknown = positionals.find((name) => !files.includes(name));
if (unknown !== undefined) throw new Error(`Cannot change ${unknown}: the files are ${files.join(", ")}`);

setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
install();
mkdirSync(".cache", { recursive: true });
const rows = (positionals.length > 0 ? positionals : files.filter((name) => name !== "index")).map(measure);
console.log(rows.join("\n"));
if (values.save) save(rows);

function install(): void {
  if (modifiedAt("mutation/node_modules/.package-lock.json") >= modifiedAt("mutation/package-lock.json")) return;
  run("npm", ["ci", "--prefix", "mutation", "--no-audit", "--no-fund", "--loglevel=error"]);
}

/** Runs Stryker on one file, and returns its row of the table. */
function measure(name: string): string {
  const stryker = "mutation/node_modules/@stryker-mutator/core/bin/stryker.js";
  const source = `src/protocol/${name}.ts`;
  process.env.MUTATION_SOURCE = source;
  rmSync(reportPath, { force: true });
  run(process.execPath, [stryker, "run", "mutation/stryker.config.json", "--mutate", source]);
  const statuses = (JSON.parse(readFileSync(reportPath, "utf8")) as Report).files[source]!.mutants.map(
    ({ status }) => status,
  );
  const count = (...wanted: string[]): number => statuses.filter((status) => wanted.includes(status)).length;
  const killed = count("Killed", "Timeout");
  const survived = count("Survived", "NoCoverage");
  const score = ((100 * killed) / (killed + survived)).toFixed(1);
  return `| ${name} | ${killed + survived} | ${killed} | ${survived} | ${score} % |`;
}

/** Puts rows into the page's table, each in place of the one with the same first cell, if there is one. */
function save(measured: readonly string[]): void {
  const lines = readFileSync(page, "utf8").split("\n");
  const first = lines.findIndex((line) => line.startsWith("| --- |")) + 1;
  const behind = lines.findIndex((line, index) => index >= first && !line.startsWith("|"));
  const nameOf = (row: string): string | undefined => row.split("|")[1];
  const names = measured.map(nameOf);
  const kept = lines.slice(first, behind).filter((row) => !names.includes(nameOf(row)));
  lines.splice(first, behind - first, ...[...kept, ...measured].sort());
  writeFileSync(page, lines.join("\n"));
}

function modifiedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) throw new Error(`Cannot go on: ${command} ${args.join(" ")} failed`);
}
