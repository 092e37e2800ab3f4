/**
 * The command line of the conformance suite: `npm run conformance -- --help`.
 *
 * Without a target it tests our own library from dist/, in both roles. The exit code is 1 when a `must` case failed
 * for a target, 2 when the command cannot be carried out.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs, styleText } from "node:util";
import type { Case } from "./case.ts";
import { CASES } from "./cases/index.ts";
import type { Role } from "./judge/observation.ts";
import { type Result, runCases } from "./judge/runner.ts";
import { ClientProcesses, ServerProcess, serverAt } from "./judge/sources.ts";
import { describeExpectation } from "./judge/verdict.ts";
import { PEERS, type Peer } from "./peers.ts";
import { htmlReport } from "./report/html.ts";
import { mergeRuns, type Run, readRuns, writeRuns, writeTable } from "./report/runs.ts";
import { Progress, summary } from "./report/terminal.ts";

const HELP = `Tests a WebSocket server or client against RFC 6455 and RFC 7692.

  npm run conformance                                our own server and client, from dist/
  npm run conformance -- --server ws://host:port/    an echo server, ws: or wss:
  npm run conformance -- --client "node me.js {url}" an echo client program
  npm run conformance -- --peer ws --peer gorilla    peers from conformance/peers.ts, or "all"

  --case ID        only this case; * stands for anything; may be given again
  --group NAME     only this group; may be given again
  --all            the long cases too
  --trace          print the byte trace of every case that is run
  --slow           print the twenty slowest cases
  --list           print the cases and what they expect
  --json FILE      write the results, traces included
  --table FILE     write the verdicts alone as JSON, one case a line
  --html FILE      write a report as one page
  --add FILE       take earlier results from a JSON file into what is written
  --role ROLE      with --peer: only "server" or "client"
  --name NAME      the target's name in the report
  --concurrency N  connections at a time (16; 4 programs for a client)
  --deadline MS    how long one awaited event may take (3000)
  --cert FILE --key FILE   listen with TLS for a client under test
`;

const OPTIONS = {
  server: { type: "string" },
  client: { type: "string" },
  peer: { type: "string", multiple: true },
  case: { type: "string", multiple: true },
  group: { type: "string", multiple: true },
  all: { type: "boolean" },
  trace: { type: "boolean" },
  list: { type: "boolean" },
  slow: { type: "boolean" },
  json: { type: "string" },
  html: { type: "string" },
  table: { type: "string" },
  add: { type: "string", multiple: true },
  role: { type: "string" },
  name: { type: "string" },
  concurrency: { type: "string" },
  deadline: { type: "string", default: "3000" },
  cert: { type: "string" },
  key: { type: "string" },
  help: { type: "boolean" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

interface Target {
  readonly name: string;
  readonly role: Role;
  readonly version: string;
  readonly run: (cases: readonly Case[], options: Values, progress: Progress) => Promise<Result[]>;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS, allowPositionals: false });
  if (values.help) return print(HELP);
  const cases = chosen(values);
  if (values.list) return print(cases.map(listLine).join(""));
  if (cases.length === 0) throw new Error("No case has such an id or group");
  const runs: Run[] = [];
  for (const target of targets(values)) runs.push(await runTarget(target, cases, values));
  const earlier = (values.add ?? []).filter(existsSync).flatMap((file) => readRuns(readFileSync(file, "utf8")));
  const merged = mergeRuns(earlier, runs);
  if (values.json !== undefined) writeFileSync(values.json, writeRuns(merged));
  if (values.table !== undefined) writeFileSync(values.table, writeTable(merged));
  if (values.html !== undefined) writeFileSync(values.html, htmlReport(CASES, merged));
  return runs.some((run) => summary(run, CASES).failed > 0) ? 1 : 0;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function chosen(values: Values): Case[] {
  const patterns = (values.case ?? []).map(
    (id) => new RegExp(`^${id.replace(/[.+^]/g, "\\$&").replaceAll("*", ".*")}$`),
  );
  return CASES.filter((test) => {
    if (patterns.length > 0) return patterns.some((pattern) => pattern.test(test.id));
    return (values.group === undefined || values.group.includes(test.group)) && (values.all || !test.long);
  });
}

function listLine(test: Case): string {
  const head = `${test.id}  [${test.level}, ${test.roles.join(" and ")}${test.long ? ", long" : ""}]  ${test.ids.join(" ")}`;
  return `${head}\n    ${test.title}\n    ${describeExpectation(test)}\n`;
}

function targets(values: Values): Target[] {
  const found: Target[] = [];
  if (values.server !== undefined) found.push(serverTarget(values.server, values.name));
  if (values.client !== undefined) found.push(clientTarget(values.client, values.name ?? values.client, ""));
  const names = values.peer ?? (found.length === 0 && values.add === undefined ? ["openline"] : []);
  for (const peer of PEERS) {
    if (!names.includes(peer.name) && (peer.variant || !names.includes("all"))) continue;
    if (values.role !== undefined && values.role !== peer.role) continue;
    const target = peerTarget(peer);
    if (target !== undefined) found.push(target);
    else if (names.includes("all"))
      process.stderr.write(`Left out: the peer ${peer.name} is not installed
`);
    else throw new Error(`The peer ${peer.name} is not installed; docs/conformance/README.md says how`);
  }
  const unknown = names.find((name) => name !== "all" && !PEERS.some((peer) => peer.name === name));
  if (unknown !== undefined) throw new Error(`There is no peer ${unknown}`);
  return found;
}

function peerTarget(peer: Peer): Target | undefined {
  const version = peer.version();
  if (version === undefined) return undefined;
  if (peer.role === "client") return clientTarget(peer.command.map(quote).join(" "), peer.name, version);
  const run: Target["run"] = async (cases, values, progress) => {
    const server = new ServerProcess(peer.command);
    try {
      await server.start();
      return await runCases(cases, server, runOptions(values, 16, progress));
    } finally {
      server.stop();
    }
  };
  return { name: peer.name, role: "server", version, run };
}

function serverTarget(url: string, name = url): Target {
  const run: Target["run"] = (cases, values, progress) =>
    runCases(cases, serverAt(url), runOptions(values, 16, progress));
  return { name, role: "server", version: "", run };
}

function clientTarget(command: string, name: string, version: string): Target {
  if (!command.includes("{url}")) throw new Error("The client's command has no {url}");
  const run: Target["run"] = async (cases, values, progress) => {
    const tls =
      values.cert && values.key ? { cert: readFileSync(values.cert), key: readFileSync(values.key) } : undefined;
    const clients = new ClientProcesses(command, tls);
    const options = runOptions(values, 4, progress);
    try {
      await clients.start(Math.min(options.concurrency, cases.length));
      return await runCases(cases, clients, options);
    } finally {
      clients.stop();
    }
  };
  return { name, role: "client", version, run };
}

function quote(word: string): string {
  return /^[\w./{}:@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function runOptions(values: Values, concurrency: number, progress: Progress): Parameters<typeof runCases>[2] {
  return {
    concurrency: Number(values.concurrency ?? concurrency),
    deadline: Number(values.deadline),
    onResult: (result, done, total) => progress.step(result, done, total),
  };
}

async function runTarget(target: Target, cases: readonly Case[], values: Values): Promise<Run> {
  const mine = cases.filter(({ roles }) => roles.includes(target.role));
  const progress = new Progress(target, process.stderr);
  const results = await target.run(mine, values, progress);
  progress.clear();
  const run: Run = { name: target.name, role: target.role, version: target.version, results };
  process.stdout.write(`${summary(run, CASES).text}\n`);
  if (values.slow) for (const line of slowest(results)) process.stdout.write(line);
  if (values.trace) for (const result of results) process.stdout.write(traceText(result));
  return run;
}

function slowest(results: readonly Result[]): string[] {
  const sorted = results.toSorted((a, b) => (b.duration ?? 0) - (a.duration ?? 0));
  return sorted
    .slice(0, 20)
    .map(({ id, seen, duration = 0 }) => `  ${duration.toFixed(0).padStart(6)} ms  ${id}: ${seen}\n`);
}

function traceText({ id, verdict, seen, trace }: Result): string {
  return `\n${id}: ${verdict}: ${seen}\n${trace.map((line) => `  ${line}\n`).join("")}`;
}

try {
  process.exitCode = await main();
} catch (error) {
  const paint = process.stderr.isTTY ? (text: string): string => styleText("red", text) : String;
  process.stderr.write(`${paint((error as Error).message)}\n`);
  process.exitCode = 2;
}
