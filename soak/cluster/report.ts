/**
 * What a cluster's soak leaves behind: a page with the verdict, the series as CSV, and a picture of it in light and dark.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawPanels, type Panel } from "../picture.ts";
import { commit, here } from "../report.ts";
import type { Finding } from "../verdict.ts";
import { type FaultKind, faults } from "./faults.ts";
import type { BrokerName, LoadCounts } from "./orders.ts";

/** What was asked for. */
export interface ClusterPlan {
  readonly broker: BrokerName;
  readonly clients: number;
  /** Messages that are published a second. */
  readonly rate: number;
  readonly topics: number;
  /** How often broker and nodes are killed, each way, and how often each other fault comes. */
  readonly kills: number;
  readonly rounds: number;
  /** Which faults. */
  readonly faults: readonly FaultKind[];
  /** In milliseconds. */
  readonly probeInterval: number;
  /** Where the report goes. */
  readonly out: string;
}

/** One fault: when it began, in seconds since the beginning, and how long after its end all had heard of something new, in ms. */
export interface FaultRound {
  readonly kind: FaultKind;
  readonly at: number;
  readonly level: number;
}

/** Counts at a time, in seconds since the beginning. */
export type ClusterSample = LoadCounts & { readonly time: number };

/** All that a soak came to. */
export interface ClusterOutcome {
  readonly seconds: number;
  readonly samples: readonly ClusterSample[];
  readonly rounds: readonly FaultRound[];
  readonly load: LoadCounts;
  /** What is to be said of nodes that did not end as they should. */
  readonly ends: readonly string[];
  /** The broker's name and version. */
  readonly broker: string;
}

/** Writes the report into the plan's folder, with the broker in the names of its files; returns what must hold. */
export function writeReport(plan: ClusterPlan, outcome: ClusterOutcome): Finding[] {
  const findings = judgeCluster(outcome);
  mkdirSync(plan.out, { recursive: true });
  const write = (name: string, content: string) => writeFileSync(join(plan.out, `${plan.broker}${name}`), content);
  write(".csv", toCsv(outcome.samples));
  const title = `${outcome.broker}, three nodes, ${plan.clients} clients, ${plan.rate} messages a second`;
  for (const theme of ["light", "dark"] as const) {
    write(`-${theme}.svg`, drawPanels(title, panels(outcome), theme, marks(outcome)));
  }
  write(".md", resultPage(plan, outcome, findings));
  return findings;
}

function judgeCluster({ load, ends }: ClusterOutcome): Finding[] {
  const finding = (title: string, ok: boolean, detail: string): Finding => ({ ok, title, detail });
  const gaps = Object.values(load.gaps).reduce((sum, times) => sum + times, 0);
  return [
    finding(
      "nothing lost, doubled or reordered without a gap that says so",
      load.errors === 0,
      `${count(load.heard)} messages heard, ${count(gaps)} gaps told, ${load.errors} errors`,
    ),
    finding(
      "every client that came back knows whether it missed something",
      load.recovered > 0 && load.errors === 0,
      `${count(load.recovered)} recovered, ${count(load.notRecovered)} told that they had not`,
    ),
    finding("the nodes ended by themselves, in silence", ends.length === 0, ends.join("; ") || "exit code 0"),
  ];
}

const columns = [
  "open",
  "connected",
  "stored",
  "refused",
  "unknown",
  "heard",
  "waiting",
  "recovered",
  "notRecovered",
] as const;

function toCsv(samples: readonly ClusterSample[]): string {
  const rows = samples.map((sample) =>
    [sample.time.toFixed(1), ...columns.map((name) => sample[name]), gapsOf(sample), sample.errors].join(","),
  );
  return `${["time_s", ...columns, "gaps", "errors"].join(",")}\n${rows.join("\n")}\n`;
}

function gapsOf({ gaps }: LoadCounts): number {
  return Object.values(gaps).reduce((sum, times) => sum + times, 0);
}

function panels({ samples }: ClusterOutcome): Panel[] {
  const line = (value: (sample: ClusterSample) => number) => samples.map((one) => [one.time, value(one)] as const);
  const perSecond = (value: (sample: ClusterSample) => number) =>
    samples.slice(1).map((sample, index) => {
      const before = samples[index]!;
      return [sample.time, Math.max(0, (value(sample) - value(before)) / (sample.time - before.time))] as const;
    });
  return [
    {
      title: "Messages a second",
      lines: [{ title: "stored", points: perSecond(({ stored }) => stored) }],
    },
    {
      title: "Messages that clients heard, a second",
      lines: [{ title: "heard", points: perSecond(({ heard }) => heard) }],
    },
    { title: "Messages that wait to be stored", lines: [{ title: "waiting", points: line(({ waiting }) => waiting) }] },
    { title: "Clients", lines: [{ title: "connected", points: line(({ open }) => open) }] },
    { title: "Gaps that clients were told of, since the beginning", lines: [{ title: "gaps", points: line(gapsOf) }] },
  ];
}

/** Where each kind of fault begins. */
function marks({ rounds }: ClusterOutcome): { readonly at: number; readonly title: string }[] {
  return faults.flatMap(({ kind, short }) => {
    const first = rounds.find((round) => round.kind === kind);
    return first ? [{ at: first.at, title: short }] : [];
  });
}

function resultPage(plan: ClusterPlan, outcome: ClusterOutcome, findings: readonly Finding[]): string {
  const { load, rounds, seconds, samples, broker } = outcome;
  const rate = samples.length === 0 ? 0 : samples.at(-1)!.stored / samples.at(-1)!.time;
  const rows = faults.map(({ kind, title }) => {
    const levels = rounds
      .filter((round) => round.kind === kind)
      .map(({ level }) => level)
      .sort((a, b) => a - b);
    if (levels.length === 0) return `| ${title} | not tried | | | |`;
    const gaps = Object.entries(load.gaps).filter(([key]) => key.startsWith(`${kind} `));
    const told = gaps.map(([key, times]) => `${count(times)} ${key.split(" ")[1]}`).join(", ");
    const [middle, worst] = [levels[levels.length >> 1]!, levels.at(-1)!].map((ms) => (ms / 1000).toFixed(1));
    return `| ${title} | ${levels.length} | ${middle} s | ${worst} s | ${told || "none"} |`;
  });
  return `# A soak of a cluster over ${broker}

\`npm run soak -- ${argumentsOf(plan)}\` on ${new Date().toISOString().slice(0, 10)}${commit()}: ${Math.round(seconds / 60)} minutes, ${here()}.

Three nodes${plan.broker === "redis" ? ", each with another client of Redis" : ""}, ${count(plan.clients)} clients of ${plan.topics} topics, a quarter of
which come back by the resume protocol, and a quarter with a position of their own. In each second ${churnOf(plan)} clients leave and go to another node.

|  | what must hold |  |
| --- | --- | --- |
${findings.map(({ ok, title, detail }) => `| ${ok ? "✓" : "✗"} | ${title} | ${detail} |`).join("\n")}

| what went wrong | times | level after | at most | gaps told |
| --- | --- | --- | --- | --- |
${rows.join("\n")}

*Level* is when every client has heard something that was published after the fault was over. In a network that is cut, and at
a broker that is stopped, a node has to find out by itself; both last for one and a half \`probeInterval\` and 1.5 s.

|  | |
| --- | --- |
| messages stored, and how many a second, of ${count(plan.rate)} asked for | ${count(load.stored)}, ${count(Math.round(rate))} |
| messages that were certainly not stored, as their publishers were told | ${count(load.refused)} |
| messages of which nobody knows: told so, or the node killed before it could tell | ${count(load.unknown)} |
| messages heard | ${count(load.heard)} |
| connections | ${count(load.connected)} |
| of messages that the broker lost: missed, and told of | ${count(load.missing)} |
| of messages that the broker lost and got again: heard a second time, behind a gap, by who had come back | ${count(load.again)} |

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="${plan.broker}-dark.svg">
  <img alt="Messages, clients and gaps over time" src="${plan.broker}-light.svg">
</picture>

The series is [${plan.broker}.csv](${plan.broker}.csv).
`;
}

function churnOf({ clients }: ClusterPlan): string {
  return String(Math.round(clients * 5) / 1000);
}

/** The arguments that ask for the plan. */
function argumentsOf({ broker, clients, rate, topics, kills, rounds, probeInterval }: ClusterPlan): string {
  const load = `--clients ${clients} --rate ${rate} --topics ${topics}`;
  return `--cluster ${broker} ${load} --kills ${kills} --rounds ${rounds} --probe-interval ${probeInterval}`;
}

function count(value: number): string {
  return value.toLocaleString("en");
}
