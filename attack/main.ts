/**
 * The command line of the attack matrix: `npm run attack -- --help`.
 *
 * Without a target it attacks our own server from dist/. The exit code is 1 when a row failed, 2 when the command cannot
 * be carried out. Only loopback servers are attacked.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import { parseArgs } from "node:util";
import { ALL, peer } from "./peers.ts";
import { type Run, summary, terminalLine, writeJson, writeTable } from "./report.ts";
import type { Row } from "./row.ts";
import { ROWS } from "./rows/index.ts";
import { runRows } from "./run.ts";
import { loopbackUrl, runningTarget, type Target } from "./target.ts";

const HELP = `Attacks a WebSocket echo server on this machine's loopback, and says what it stands.

  npm run attack                                        our own server, from dist/
  npm run attack -- --server ws://127.0.0.1:9001/echo   a server that runs
  npm run attack -- --peer ws --peer bun                servers that the tool starts, or "all": ${ALL.join(", ")}

  --only A03,A07   only these rows
  --pid N          with --server: the process whose memory, CPU time and open files are read
  --name NAME      with --server: its name in what is written
  --json FILE      write verdicts with all figures
  --table FILE     write tables in Markdown, servers side by side
  --list           print the rows
`;

const OPTIONS = {
  server: { type: "string" },
  peer: { type: "string", multiple: true },
  only: { type: "string", multiple: true },
  pid: { type: "string" },
  name: { type: "string" },
  json: { type: "string" },
  table: { type: "string" },
  list: { type: "boolean" },
  help: { type: "boolean" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS, allowPositionals: false });
  if (values.help) return print(HELP);
  const rows = chosen(values);
  if (values.list) return print(rows.map(({ id, name, does }) => `${id}  ${name}\n     ${does}\n`).join(""));
  const runs: Run[] = [];
  for (const target of await targets(values)) {
    print(`${[target.name, target.version].filter(Boolean).join(" ")}\n`);
    const before = load();
    const results = await runRows(rows, target, (row, result) => print(`${terminalLine(row, result)}\n`));
    const measured = `${machine()}, load average ${before} before and ${load()} after`;
    const run: Run = { name: target.name, version: target.version, measured, results };
    print(`${summary(run)}\n\n`);
    runs.push(run);
  }
  if (values.json !== undefined) writeFileSync(values.json, writeJson(runs));
  if (values.table !== undefined) writeFileSync(values.table, writeTable(rows, runs));
  return runs.some(({ results }) => results.some(({ verdict }) => verdict === "failed")) ? 1 : 0;
}

function load(): string {
  return (loadavg()[0] ?? 0).toFixed(1);
}

function machine(): string {
  const [cpu] = cpus();
  const day = new Date().toISOString().slice(0, 10);
  return `${day}, Node ${process.versions.node} attacking, ${cpus().length} × ${cpu?.model}, Linux ${release().split("-")[0]}`;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function chosen({ only = [] }: Values): readonly Row[] {
  const ids = only.flatMap((list) => list.split(",")).map((id) => id.trim());
  const unknown = ids.find((id) => !ROWS.some((row) => row.id === id));
  if (unknown !== undefined) throw new Error(`There is no row ${unknown}`);
  return ids.length === 0 ? ROWS : ROWS.filter(({ id }) => ids.includes(id));
}

async function targets({ server, pid, name, peer: peers = [] }: Values): Promise<Target[]> {
  const found: Target[] = [];
  if (pid !== undefined && !/^[1-9]\d*$/.test(pid)) throw new Error(`Cannot read the process ${pid}: it is no number`);
  if (server !== undefined) {
    found.push(runningTarget(await loopbackUrl(server), pid === undefined ? undefined : Number(pid), name ?? server));
  }
  const names = peers.length === 0 && server === undefined ? ["openline"] : peers;
  for (const one of names.flatMap((each) => (each === "all" ? ALL : [each]))) {
    const target = peer(one);
    if (target !== undefined) found.push(target);
    else if (names.includes("all")) process.stderr.write(`Left out: the peer ${one} is not installed\n`);
    else throw new Error(`The peer ${one} is not installed; docs/attack/README.md says how`);
  }
  return found;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
