/**
 * The soak of one server: it runs under a mixed load for a long time, with everything checked: each message, memory, descriptors.
 *
 * --minutes N      for how long (3)                  --rate N    messages a second that clients send (5000)
 * --connections N  how many are open (10000)         --churn N   how many end a second, and begin (50)
 * --out FOLDER     where the series, its picture and the result go (.cache/soak)
 *
 * Needs Linux. The exit code is 0 when all held; a rate or a number that was not reached is told and is no failure.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Client } from "./client.ts";
import { errorsInWords, type LoadCounts, type LoadOrder, type ServerCounts, type ServerOrder } from "./orders.ts";
import { Program } from "./programs.ts";
import { reached, type SoakPlan, writeReport } from "./report.ts";
import type { Sample } from "./series.ts";
import { judge, moreHandles, type Outcome, type ServerState } from "./verdict.ts";

type ServerProgram = Program<ServerOrder, ServerCounts>;
type LoadProgram = Program<LoadOrder, LoadCounts>;

/** What one load process takes. */
const connectionsPerLoad = 6000;
/** Of a hundred connections … */
const abusersPerHundred = 1;
/** How many share a topic. */
const subscribersPerTopic = 50;
/** How long the server may take to let go of what is left after all have gone, in seconds. */
const settling = 60;

const plan = readPlan();
const server: ServerProgram = new Program("server.ts", ["--expose-gc"]);
const { port } = await server.counts();
await prime();
const before: ServerState = { counts: await server.counts({ order: "collect" }), descriptors: server.descriptors };
const loads = startLoads();
const samples: Sample[] = [];
const toldErrors = new Set<string>();
const startedAt = performance.now();
try {
  await sampleAll();
  const load = sum(await Promise.all(loads.map((program) => program.counts({ order: "finish" }))));
  const after = await settled();
  server.order({ order: "stop" });
  const outcome: Outcome = { minutes: plan.minutes, samples, load, before, after, ...(await server.exited) };
  conclude(outcome);
} catch (error) {
  console.error(error);
  process.exit(1);
}

/** Each kind of connection once, so that what the process keeps for good is there before it is counted. */
async function prime(): Promise<void> {
  const counts = sum([]);
  for (const id of [1, 2, 3]) {
    const client = await Client.open({ port, id, topic: 0 }, counts);
    for (let i = 0; i < 10; i++) client.send();
    await client.finish("leave");
  }
  if (counts.errors > 0) throw new Error(`The first connections failed: ${counts.firstErrors}`);
}

function startLoads(): LoadProgram[] {
  const { connections, rate, churn } = plan;
  const count = Math.ceil(connections / connectionsPerLoad);
  const share = (total: number) => Math.max(1, Math.round(total / count));
  const topics = Math.max(1, Math.round(connections / subscribersPerTopic));
  return Array.from({ length: count }, (_, index) => {
    const program: LoadProgram = new Program("load.ts");
    const load = { port, topics, connections: share(connections), rate: share(rate), churn: churn / count };
    const abusers = share((connections * abusersPerHundred) / 100);
    // 10^8 apart, so that no two have a connection of the same number.
    program.order({ order: "start", plan: { ...load, abusers, firstId: 100 + index * 1e8 } });
    return program;
  });
}

/** Takes samples until the time is over: 720 at most, one a second at most; each sixth after collecting garbage. */
async function sampleAll(): Promise<void> {
  const every = Math.max(1000, (plan.minutes * 60_000) / 720);
  const tellEvery = Math.max(10_000, (plan.minutes * 60_000) / 60);
  let toldAt = startedAt;
  for (let next = startedAt; ; next = Math.max(next + every, performance.now())) {
    await delay(Math.max(0, next - performance.now()));
    samples.push(await sample(samples.length % 6 === 0));
    const now = performance.now();
    if (now - toldAt >= tellEvery) {
      tell(samples.at(-1)!, samples.findLast(({ time }) => time <= (toldAt - startedAt) / 1000) ?? samples[0]!);
      toldAt = now;
    }
    if (now - startedAt >= plan.minutes * 60_000) return;
  }
}

async function sample(collected: boolean): Promise<Sample> {
  const counts = await server.counts({ order: collected ? "collect" : "count" });
  const load = sum(await Promise.all(loads.map((program) => program.counts({ order: "count" }))));
  tellErrors(counts, load);
  const { rss, heap, external, connections, received, lag, worstLag } = counts;
  return {
    time: (performance.now() - startedAt) / 1000,
    ...{ rss, heap, external, collected, connections, received, lag, worstLag },
    descriptors: server.descriptors,
    answered: load.answered,
    delivered: load.delivered,
    opened: load.opened,
    errors: counts.errors + load.errors,
    loadRss: load.rss,
  };
}

function tell(now: Sample, before: Sample): void {
  const seconds = Math.round(now.time);
  const clock = `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
  const rate = Math.round((now.received - before.received) / (now.time - before.time || 1));
  const memory = `${Math.round(now.rss / 2 ** 20)} MiB, heap ${Math.round(now.heap / 2 ** 20)}`;
  console.log(
    `${clock}  ${now.connections} open  ${rate} messages/s  ${now.delivered} delivered  ${memory}  ` +
      `${now.descriptors} descriptors  lag ${Math.round(now.lag)} ms  ${now.errors} errors`,
  );
}

/** Each of the first errors once. */
function tellErrors(...all: readonly { readonly firstErrors: readonly string[] }[]): void {
  for (const error of all.flatMap(({ firstErrors }) => firstErrors)) {
    if (!toldErrors.has(error)) console.log(`  ${error}`);
    toldErrors.add(error);
  }
}

/** The server once its connections, descriptors and handles are back where they were, or when that takes too long. */
async function settled(): Promise<ServerState> {
  for (let waited = 0; ; waited++) {
    const state = { counts: await server.counts({ order: "collect" }), descriptors: server.descriptors };
    const more = moreHandles(before.counts.handles, state.counts.handles);
    const back = state.counts.connections === 0 && state.descriptors <= before.descriptors && more === "";
    if (back || waited === settling) return state;
    await delay(1000);
  }
}

function conclude(outcome: Outcome): void {
  const findings = judge(outcome);
  writeReport(plan, outcome, findings);
  const got = reached(outcome);
  console.log(`\nAsked for ${plan.rate} messages a second on ${plan.connections} connections,`);
  console.log(`reached ${got.rate} on ${got.connections}, and ${got.delivered} published messages delivered a second`);
  console.log(`${outcome.load.abused} acts of abuse answered as they should be`);
  for (const { ok, title, detail } of findings) console.log(`${ok ? "✓" : "✗"} ${title}: ${detail}`);
  tellErrors(outcome.after.counts, outcome.load);
  process.exitCode = findings.every(({ ok }) => ok) ? 0 : 1;
}

function sum(all: readonly LoadCounts[]): LoadCounts {
  const total = { open: 0, opened: 0, sent: 0, answered: 0, delivered: 0, cut: 0, abused: 0, errors: 0, rss: 0 };
  for (const counts of all) {
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += counts[name];
  }
  return { ...total, firstErrors: all.flatMap(({ firstErrors }) => firstErrors).slice(0, errorsInWords) };
}

function readPlan(): SoakPlan {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "3" },
      connections: { type: "string", default: "10000" },
      rate: { type: "string", default: "5000" },
      churn: { type: "string", default: "50" },
      out: { type: "string", default: ".cache/soak" },
    },
  });
  if (process.platform !== "linux") giveUp("descriptors are counted in /proc, which only Linux has");
  const number = (name: "minutes" | "connections" | "rate" | "churn"): number => {
    const value = Number(values[name]);
    if (!(value > 0)) giveUp(`--${name} ${values[name]} is no number above 0`);
    return value;
  };
  const files = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1]);
  // The server keeps a twentieth back, and abusers and the process itself need some.
  const most = Math.floor(files * 0.9) - 100;
  const wanted = number("connections");
  if (wanted > most) console.log(`Only ${most} connections: a process may have ${files} files open`);
  return {
    minutes: number("minutes"),
    connections: Math.min(wanted, most),
    rate: number("rate"),
    churn: number("churn"),
    out: values.out,
  };
}

function giveUp(why: string): never {
  console.error(`Cannot soak: ${why}`);
  process.exit(2);
}
