/**
 * `npm run bench`: measures the rows, rounds interleaved over the peers, and writes one JSON and one Markdown file.
 *
 * What cannot be measured is named with its reason, in the tables too; the exit code is 1 when a program gave a wrong reply
 * or failed under load.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { parseArgs } from "node:util";
import { drawStorms } from "../storm/picture.ts";
import { stormMarkdown, targetsOf } from "../storm/report.ts";
import { allStorms } from "../storm/storm.ts";
import { flamePictures } from "./flames.ts";
import { prepareGenerator } from "./generator.ts";
import { lock } from "./lock.ts";
import { commit, type Machine, machine, newResults, type Results, type RowResult } from "./machine.ts";
import { markdown, updateFigures, updateReadme } from "./markdown.ts";
import { measuredAgain, type SavedResults } from "./measured-again.ts";
import { benchFolder, type Peer, stormPrograms, workFolder } from "./peers.ts";
import { Progress } from "./progress.ts";
import { type Row, rows } from "./rows.ts";
import { type RunSettings, run, type Sample } from "./run.ts";
import { pictures, scalingRows } from "./scaling.ts";
import { figuresOf } from "./statistics.ts";

const usage = `npm run bench -- [rows] [options]

  rows             such as E2 or E1,M3 or E (all that begin so); default all
  --all            every peer that can be found here: ws without its addon, gorilla/websocket, more clients
  --scaling        how cost grows with connections and sizes, as pictures
  --rounds N       default 5, for memory 3
  --duration MS    how long a load is measured in each round; default 800
  --peers A,B      only these peers, by id
  --node N         with that version of Node, such as 26, which npm installs into .cache/
  --flames         where the time of E2 goes: flame graphs of ws and openline
  --storm          many clients lose their server, beside the same without jitter: three minutes, and two CPUs to itself
  --clients N      how many; default 10000
  --save           writes bench/results/, docs/images/ and the table in README.md as well; with rows named, those take the
                   place of the same ones in what was saved on this machine
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: "boolean", default: false },
    scaling: { type: "boolean", default: false },
    flames: { type: "boolean", default: false },
    storm: { type: "boolean", default: false },
    clients: { type: "string" },
    node: { type: "string" },
    rounds: { type: "string" },
    duration: { type: "string", default: "800" },
    peers: { type: "string" },
    save: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const page = `${benchFolder}../docs/explanation/performance.md`;
const picturesFolder = `${benchFolder}../docs/images/`;
const written: string[] = [];

if (values.help) console.log(usage);
else process.exitCode = (await main()) ? 0 : 1;

async function main(): Promise<boolean> {
  const chosen = chooseRows(values.scaling ? scalingRows : rows);
  mkdirSync(workFolder, { recursive: true });
  await lock();
  if (values.storm) return await makeStorms();
  const generator = prepareGenerator();
  const settings: RunSettings = { generator: generator.command, warmup: 800, duration: wholeNumber("duration", 800) };
  const here = machine();
  warnOfOthers(here);
  if (values.flames) return await drawFlames(settings);
  const unable = prepare(chosen);
  const results = newResults(here, commandLine(), generator.title, settings);
  const progress = new Progress(chosen.reduce((sum, row) => sum + roundsOf(row) * peersOf(row, unable).length, 0));
  for (const row of chosen) results.rows.push(await measureRow(row, { settings, unable, progress }));
  results.machine.loadAfter = machine().loadAfter;
  progress.end();
  write(whole(results));
  return results.rows.every((row) => row.missing.every(({ failed }) => !failed));
}

async function drawFlames(settings: RunSettings): Promise<true> {
  const drawn = await flamePictures(settings);
  writeFiles(workFolder, drawn);
  if (values.save) writeFiles(picturesFolder, drawn);
  console.log(`Written: ${written.join(" ")}`);
  return true;
}

async function makeStorms(): Promise<boolean> {
  const here = machine();
  warnOfOthers(here);
  const settings = { ...stormPrograms, clients: wholeNumber("clients", 10_000), processes: 4, calm: 10_500 };
  const storms = await allStorms(settings, (line) => console.log(line));
  here.loadAfter = machine().loadAfter;
  const date = new Date().toISOString();
  const results = { date, command: commandLine(), commit: commit(), machine: here, storms };
  save("storm", results, stormMarkdown(results), new Map([["storm.svg", drawStorms(storms)]]));
  return storms.flatMap(targetsOf).every(({ met }) => met);
}

function chooseRows(from: readonly Row[]): Row[] {
  const wanted = positionals.flatMap((word) => word.split(",")).map((word) => word.toUpperCase());
  const matches = ({ id }: Row, word: string): boolean =>
    [id, id.split("@")[0], id.replace(/\d.*$/, "")].includes(word);
  for (const word of wanted) {
    if (from.some((row) => matches(row, word))) continue;
    console.error(`Cannot measure ${word}: the rows are ${from.map(({ id }) => id).join(" ")}`);
    process.exit(2);
  }
  return from.filter((row) => wanted.length === 0 || wanted.some((word) => matches(row, word)));
}

/** Makes every peer of the rows ready; gives the reasons of those that cannot be. */
function prepare(chosen: readonly Row[]): Map<string, string> {
  const unable = new Map<string, string>();
  const peers = new Map(chosen.flatMap(({ peers }) => peers.filter(isWanted)).map((peer) => [peer.id, peer]));
  for (const peer of peers.values()) {
    const reason = peer.prepare?.();
    if (reason === undefined) continue;
    unable.set(peer.id, reason);
    console.log(`Not measured: ${peer.title}: ${reason}`);
  }
  return unable;
}

function isWanted(peer: Peer): boolean {
  if (values.peers !== undefined) return values.peers.split(",").includes(peer.id);
  return values.all || peer.extra !== true;
}

function peersOf(row: Row, unable: ReadonlyMap<string, string>): Peer[] {
  return row.peers.filter((peer) => isWanted(peer) && !unable.has(peer.id));
}

function roundsOf(row: Row): number {
  return wholeNumber("rounds", row.rounds ?? 5);
}

function wholeNumber(name: "rounds" | "duration" | "clients", otherwise: number): number {
  const value = values[name] === undefined ? otherwise : Number(values[name]);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(`Cannot measure: --${name} must be a whole number from 1 on, not ${values[name]}`);
  process.exit(2);
}

interface Measuring {
  readonly settings: RunSettings;
  readonly unable: ReadonlyMap<string, string>;
  readonly progress: Progress;
}

/** All rounds of one row: A B C, A B C, … so that what disturbs the machine disturbs all alike. */
async function measureRow(row: Row, { settings, unable, progress }: Measuring): Promise<RowResult> {
  const samples = new Map<Peer, Sample[]>(peersOf(row, unable).map((peer) => [peer, []]));
  const missing = row.peers
    .filter((peer) => isWanted(peer) && unable.has(peer.id))
    .map((peer) => ({ peer: peer.id, title: peer.title, reason: unable.get(peer.id)!, failed: false }));
  const rounds = roundsOf(row);
  for (let round = 1; round <= rounds; round++) {
    for (const [peer, taken] of [...samples]) {
      progress.step(`${row.id} round ${round}/${rounds} ${peer.title}`);
      try {
        taken.push(await run(row, peer, settings));
      } catch (error) {
        const reason = (error as Error).message.trim().split("\n")[0] ?? "";
        samples.delete(peer);
        progress.skip(rounds - round);
        progress.say(`Not measured: ${row.id} ${peer.title}: ${reason}`);
        missing.push({ peer: peer.id, title: peer.title, reason, failed: !reason.startsWith("There is no ") });
      }
    }
  }
  const result = { row, samples: [...samples].map(([peer, taken]) => ({ peer, taken })), missing };
  progress.say(summary(result));
  return result;
}

function summary(result: RowResult): string {
  const figures = figuresOf(result).map(({ peer, value }) => `${peer.id} ${value.toPrecision(3)}`);
  return `${result.row.id.padEnd(3)} ${result.row.unit}: ${figures.join("  ")}`;
}

function commandLine(): string {
  const words = process.argv.slice(2);
  return `npm run bench${words.length > 0 ? ` -- ${words.join(" ")}` : ""}`;
}

function warnOfOthers({ loadBefore }: Machine): void {
  if (loadBefore < 0.7) return;
  console.log(`The machine is busy (load ${loadBefore.toFixed(1)}): only ratios within a row mean something.`);
}

/** The results, with the other rows of those that were saved before where only some were measured. */
function whole(results: Results): Results {
  const path = `${benchFolder}results/${fileName(values.scaling ? "scaling" : "results")}.json`;
  if (!values.save || positionals.length === 0 || !existsSync(path)) return results;
  const saved = JSON.parse(readFileSync(path, "utf8")) as SavedResults;
  return measuredAgain(saved, results, values.scaling ? scalingRows : rows) ?? results;
}

function fileName(kind: string): string {
  return `${kind}${values.node === undefined ? "" : `-node-${values.node}`}`;
}

function write(results: Results): void {
  const drawn = values.scaling ? pictures(results) : new Map<string, string>();
  const name = save(values.scaling ? "scaling" : "results", results, markdown(results), drawn);
  if (values.save)
    console.log(`Figures written into ${relative(process.cwd(), page)}: ${updateFigures(page, name, results)}`);
  if (values.save && name === "results") console.log(updateReadme(`${benchFolder}../README.md`, results));
}

/** Writes results and their page, and the pictures of the usual Node; returns the name that the files have. */
function save(kind: string, results: object, text: string, drawn: ReadonlyMap<string, string>): string {
  const name = fileName(kind);
  const files = new Map([
    [`${name}.json`, `${JSON.stringify(results, plain, 2)}\n`],
    [`${name}.md`, text],
  ]);
  writeFiles(workFolder, [...files, ...drawn]);
  if (values.save) writeFiles(`${benchFolder}results/`, files);
  if (values.save && values.node === undefined) writeFiles(picturesFolder, drawn);
  console.log(`\n${text}\nWritten: ${written.join(" ")}`);
  return name;
}

function writeFiles(folder: string, files: Iterable<readonly [name: string, content: string]>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of files) {
    writeFileSync(`${folder}${name}`, content);
    written.push(relative(process.cwd(), `${folder}${name}`));
  }
}

/** A peer in the JSON is its id, title and version. */
function plain(key: string, value: unknown): unknown {
  if (key === "row") {
    const { peers: _, ...row } = value as Row;
    return row;
  }
  if (key !== "peer" || typeof value !== "object") return value;
  const { id, title, version } = value as Peer;
  return { id, title, version: version?.() };
}
