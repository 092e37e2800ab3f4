/**
 * What a soak leaves behind: the series as CSV, a picture of it in light and dark, and the verdict as a page.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { drawPanels, type Panel } from "./picture.ts";
import { fitLine, type Sample, toCsv } from "./series.ts";
import { type Finding, type Outcome, warmUp } from "./verdict.ts";

/** What was asked for. */
export interface SoakPlan {
  readonly minutes: number;
  readonly connections: number;
  /** Messages of clients a second. */
  readonly rate: number;
  /** Connections that end a second. */
  readonly churn: number;
  /** Where the report goes. */
  readonly out: string;
}

const MiB = 1024 * 1024;

/** Messages of clients and of topics a second and connections, on average after the warm-up. */
export function reached({ samples, minutes }: Pick<Outcome, "samples" | "minutes">): {
  readonly rate: number;
  readonly connections: number;
  readonly delivered: number;
} {
  const steady = samples.filter(({ time }) => time >= warmUp(minutes) && time <= minutes * 60);
  const [first, last] = [steady[0], steady.at(-1)];
  if (first === undefined || last === undefined || first === last) return { rate: 0, connections: 0, delivered: 0 };
  const perSecond = (count: (sample: Sample) => number) => (count(last) - count(first)) / (last.time - first.time);
  return {
    rate: Math.round(perSecond(({ received }) => received)),
    delivered: Math.round(perSecond(({ delivered }) => delivered)),
    connections: Math.round(steady.reduce((sum, { connections }) => sum + connections, 0) / steady.length),
  };
}

/** Writes `series.csv`, `series-light.svg`, `series-dark.svg` and `result.md` into the plan's folder. */
export function writeReport(plan: SoakPlan, outcome: Outcome, findings: readonly Finding[]): void {
  mkdirSync(plan.out, { recursive: true });
  const write = (name: string, content: string) => writeFileSync(join(plan.out, name), content);
  write("series.csv", toCsv(outcome.samples));
  const title = `${plan.minutes} minutes, ${plan.connections} connections`;
  for (const theme of ["light", "dark"] as const) {
    write(`series-${theme}.svg`, drawPanels(title, panels(outcome), theme));
  }
  write("result.md", resultPage(plan, outcome, findings));
}

function panels({ samples, minutes }: Outcome): Panel[] {
  const line = (value: (sample: Sample) => number, chosen = samples) =>
    chosen.map((sample) => [sample.time, value(sample)] as const);
  const collected = samples.filter((sample) => sample.collected && sample.time >= warmUp(minutes));
  const fit = fitLine(line(({ rss }) => rss / MiB, collected));
  const rates = samples.slice(1).map((sample, index) => {
    const before = samples[index]!;
    return [sample.time, Math.max(0, (sample.received - before.received) / (sample.time - before.time))] as const;
  });
  return [
    {
      title: "Memory of the server, MiB",
      lines: [
        { title: "resident", points: line(({ rss }) => rss / MiB) },
        { title: "heap", points: line(({ heap }) => heap / MiB) },
        { title: "fitted", points: collected.map(({ time }) => [time, fit.at(time)]), dashed: true },
      ],
    },
    { title: "Connections of the server", lines: [{ title: "open", points: line(({ connections }) => connections) }] },
    { title: "Messages of clients a second, each answered", lines: [{ title: "received", points: rates }] },
    {
      title: "How late the server's event loop was, ms, garbage collections on command included",
      lines: [{ title: "99 of 100", points: line(({ lag }) => lag) }],
    },
  ];
}

function resultPage(plan: SoakPlan, outcome: Outcome, findings: readonly Finding[]): string {
  const { load, after, samples } = outcome;
  const got = reached(outcome);
  // Those of the beginning took the place of none.
  const churn = Math.max(0, load.opened - plan.connections) / (plan.minutes * 60);
  const rows: readonly (readonly [string, string, string])[] = [
    ["messages of clients a second, each answered", count(plan.rate), count(got.rate)],
    ["connections", count(plan.connections), count(got.connections)],
    ["connections that ended and began a second", count(plan.churn), churn.toFixed(1)],
    ["messages received and answered", "", count(after.counts.received)],
    ["published messages delivered", "", `${count(load.delivered)}, ${count(got.delivered)} a second`],
    ["connections opened", "", count(load.opened)],
    ["acts of abuse answered as they should be", "", count(load.abused)],
    ["highest resident memory", "", `${(Math.max(...samples.map(({ rss }) => rss)) / MiB).toFixed(0)} MiB`],
  ];
  return `# A soak of ${plan.minutes} minutes

\`npm run soak -- ${argumentsOf(plan)}\` on ${new Date().toISOString().slice(0, 10)}${commit()}: ${here()}.

|  | asked for | reached |
| --- | --- | --- |
${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}

|  | what must hold |  |
| --- | --- | --- |
${findings.map(({ ok, title, detail }) => `| ${ok ? "✓" : "✗"} | ${title} | ${detail} |`).join("\n")}

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="series-dark.svg">
  <img alt="Memory, connections, messages and lag over time" src="series-light.svg">
</picture>

The series is [series.csv](series.csv).
`;
}

/** The arguments that ask for the plan. */
function argumentsOf({ minutes, connections, rate, churn }: SoakPlan): string {
  return `--minutes ${minutes} --connections ${connections} --rate ${rate} --churn ${churn}`;
}

/** The commit that was soaked, where there is git. */
export function commit(): string {
  try {
    const options = { cwd: import.meta.dirname, encoding: "utf8", stdio: "pipe" } as const;
    return ` at ${execFileSync("git", ["describe", "--always", "--dirty"], options).trim()}`;
  } catch {
    return "";
  }
}

/** The machine, as a line. */
export function here(): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  const cpu = `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} CPUs`;
  const system = `${type()} ${release().split("-")[0]}`;
  const load = loadavg().map((average) => average.toFixed(1));
  return `Node ${process.versions.node}, ${cpu}, ${memory} GiB, ${system}, load average ${load.at(-1)} at the end`;
}

function count(value: number): string {
  return value.toLocaleString("en");
}
