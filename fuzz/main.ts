/**
 * `npm run fuzz`: tries made-up input on every parser, and says for each what must hold, how much was tried, what broke.
 *
 * --minutes N   for how long in all (1)             --target NAME   only this target
 * --runs N      how many inputs each, at most       --seed S        the same inputs again (drawn by chance)
 * --input LINE  only this input, with --target
 *
 * A failure prints the smallest input found that still fails and the command that repeats it; the exit code is then 1.
 */
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { type Failure, Fuzzer, minimise } from "./fuzzer.ts";
import { formatInput, parseCorpus, parseInput } from "./notation.ts";
import type { Target } from "./target.ts";
import { targets } from "./targets/index.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    runs: { type: "string" },
    target: { type: "string" },
    seed: { type: "string" },
    input: { type: "string" },
  },
});
const chosen = targets.filter(({ name }) => values.target === undefined || name === values.target);
if (chosen.length === 0)
  giveUp(`there is no target ${values.target}, but ${targets.map(({ name }) => name).join(", ")}`);
if (values.input !== undefined && values.target === undefined) giveUp("--input needs a --target");
const seed = readNumber("seed", values.seed, Math.floor(Math.random() * 2 ** 32));
const runs = readNumber("runs", values.runs, Number.POSITIVE_INFINITY);
const milliseconds = (readNumber("minutes", values.minutes, 1) * 60_000) / chosen.length;

const shared = new SharedArrayBuffer(8 + Math.max(...targets.map(({ maxLength }) => maxLength)));
const progress = new Int32Array(shared, 0, 2);
const current = new Uint8Array(shared, 8);
const watchdog = new Worker(new URL("./watchdog.mjs", import.meta.url), { workerData: { shared, most: 10 } });
// The watchdog must not keep the process alive.
watchdog.unref();

if (values.input === undefined) console.log(`Seed ${seed}`);
for (const target of chosen) {
  if (values.input === undefined) await fuzz(target);
  else await repeat(target, parseInput(values.input));
}

async function fuzz(target: Target): Promise<void> {
  const fuzzer = new Fuzzer(target, seed, watch);
  const startedAt = performance.now();
  const failure = await fuzzer.fuzz(readCorpus(target), { runs, until: startedAt + milliseconds });
  const perSecond = Math.round((fuzzer.runs / (performance.now() - startedAt)) * 1000);
  const mark = failure === undefined ? "✓" : "✗";
  const counts = `${fuzzer.runs} runs, ${perSecond} a second, ${fuzzer.outcomes} kinds of outcome`;
  console.log(`${mark} ${target.name.padEnd(18)} ${counts}`);
  if (failure !== undefined) report(target, await minimise(target, failure));
}

async function repeat(target: Target, input: Uint8Array): Promise<void> {
  try {
    watch(input);
    console.log(`✓ ${target.name}: ${await target.run(input)}`);
  } catch (error) {
    report(target, { input, error });
  }
}

function report(target: Target, { input, error }: Failure): void {
  const line = formatInput(input);
  console.log(error instanceof Error ? error.stack : error);
  console.log(`\nThe smallest input (${input.length} bytes):\n  ${line}\nTo repeat it:`);
  console.log(`  npm run fuzz -- --target ${target.name} --input '${line.replaceAll("'", "\\u0027")}'\n`);
  process.exitCode = 1;
}

/** Tells the watchdog what is tried now. */
function watch(input: Uint8Array): void {
  current.set(input.length > current.length ? input.subarray(0, current.length) : input);
  progress[1] = input.length;
  progress[0]!++;
}

function readCorpus({ name }: Target): Uint8Array[] {
  const file = new URL(`corpus/${name}.txt`, import.meta.url);
  return existsSync(file) ? parseCorpus(readFileSync(file, "utf8")) : [];
}

function readNumber(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (text.trim() === "" || !(number >= 0)) giveUp(`--${name} ${text} is no number`);
  return number;
}

function giveUp(why: string): never {
  console.error(`Cannot fuzz: ${why}`);
  process.exit(2);
}
