/**
 * The tables: the short one for the README, all figures with ranges, verdicts, and how it was measured.
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Results, RowResult } from "./machine.ts";
import { saidOf } from "./measured-again.ts";
import type { Peer } from "./peers.ts";
import { type Figure, figuresOf, median, type Verdict, verdictsOf } from "./statistics.ts";

const columns: readonly { readonly id: Peer["column"]; readonly title: string }[] = [
  { id: "openline", title: "openline" },
  { id: "ws", title: "ws" },
  { id: "bun", title: "Bun" },
  { id: "floor", title: "raw sockets" },
  { id: "bare", title: "bare handles" },
];
/** `<!-- results E2 openline/ws -->0.087<!-- -->`: a figure of a file of results, or the ratio of two. */
const placeholder = /(<!-- ([\w-]+) ([\w@]+) ([\w-]+)(?:\/([\w-]+))? -->)[^<]*(<!-- -->)/g;
const marker = /(<!-- bench -->\n)[\s\S]*?(<!-- \/bench -->)/;

/** The whole report. */
export function markdown(results: Results): string {
  const parts = [
    "# Figures",
    howMeasured(results),
    shortTable(results),
    "## Against the figures to reach",
    verdictTable(results),
    "## All figures",
    "Median and range of the rounds, in the rows L1 the least of them; rate, CPU and the other latencies are medians. `busy` is the part of the time that the measured " +
      "process was on its CPU, and the load on its own: a load near 100 % would limit the server. `waited` is the part that " +
      "other programs took from the two; a run over 10 % was made again, the better of the two counts.",
    longTable(results),
    missingList(results),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** The rows that everybody asks for; the others are in the results, where the README leads. */
const inReadme = /^(?:E\d|T2|B[12]|Z1|C1|H1|M\d)$/;

/** Writes the short table between the markers of a file; returns a sentence that says what came of it. */
export function updateReadme(path: string, results: Results): string {
  const text = readFileSync(path, "utf8");
  if (!marker.test(text)) return "README.md is as it was: it has no <!-- bench --> and <!-- /bench -->";
  const first = { ...results, rows: results.rows.filter(({ row }) => inReadme.test(row.id)) };
  const section = `${shortTable(first)}\n\n${howMeasured(first)}\n`;
  writeFileSync(
    path,
    text.replace(marker, (_, begin: string, end: string) => `${begin}${section}${end}`),
  );
  return "The table in README.md is new";
}

/**
 * Writes the figures that stand in a page's sentences, as far as they belong to the results of that name and were measured;
 * returns how many were written. `floor` is the best of the raw sockets.
 */
export function updateFigures(path: string, name: string, { rows }: Results): number {
  let count = 0;
  const figureOf = (id: string, peer: string | undefined): number | undefined => {
    const row = rows.find((result) => result.row.id === id);
    const figures = row
      ? figuresOf(row).filter((figure) => peer === figure.peer.id || peer === figure.peer.column)
      : [];
    const named = figures.find((figure) => figure.peer.id === peer);
    return (
      named?.value ??
      (peer === "floor" && figures.length > 0 ? Math.min(...figures.map(({ value }) => value)) : undefined)
    );
  };
  const text = readFileSync(path, "utf8").replace(placeholder, (whole, head, results, id, peer, other, end) => {
    const value = results === name ? figureOf(id, peer) : undefined;
    const divisor = other === undefined ? 1 : figureOf(id, other);
    if (value === undefined || divisor === undefined) return whole;
    count++;
    return `${head}${digits(value / divisor)}${end}`;
  });
  writeFileSync(path, text);
  return count;
}

function howMeasured({ machine, command, commit, date, generator, rows }: Results): string {
  const versions = new Map<string, string>();
  for (const { peer } of rows.flatMap(({ samples }) => samples)) {
    const version = peer.version?.();
    const name = peer.title.replace(/(\.serve|'s| (with|without|on|client|connect|WebSocket)\b).*/, "");
    if (version !== undefined && !versions.has(name)) versions.set(name, version);
  }
  const peers = [...versions].map(([name, version]) => `${name} ${version}`).join("; ");
  const at = commit === undefined ? "" : ` at ${commit}`;
  const load = `${machine.loadBefore.toFixed(1)} before and ${machine.loadAfter.toFixed(1)} after`;
  return (
    `Measured with \`${command}\` on ${date.slice(0, 10)}${at}: Node ${machine.node}; ${peers}; ${machine.cpu}, ` +
    `${machine.cores} CPUs, ${machine.memory} GiB, ${machine.system}, load average ${load}. The server has one CPU, the ` +
    `load (\`bench/${generator}\`) another. CPU is user and system time of the measured process; less is better.` +
    saidOf(rows)
  );
}

function shortTable({ rows }: Results): string {
  const others = rows.some((row) => figuresOf(row).some(({ peer }) => peer.column === "others"));
  const titles = ["", "", ...columns.map(({ title }) => title), ...(others ? ["others"] : [])];
  const lines = rows.map((row) => {
    const figures = figuresOf(row);
    const cells = columns.map(({ id }) => cell(figures.filter(({ peer }) => peer.column === id)));
    const rest = figures.filter(({ peer }) => peer.column === "others");
    const last = rest.map((figure) => `${figure.peer.title} ${digits(figure.value)}`).join("; ");
    return [`**${row.row.id}**`, `${row.row.title}, ${row.row.unit}`, ...cells, ...(others ? [last] : [])];
  });
  return table(titles, lines);
}

/** The figures of one column: the best floor, or each with its name where there are several. */
function cell(figures: readonly Figure[]): string {
  if (figures.length === 0) return "–";
  if (figures[0]!.peer.column === "floor") return digits(Math.min(...figures.map((figure) => figure.value)));
  if (figures.length === 1) return digits(figures[0]!.value);
  return figures.map(({ peer, value }) => `${digits(value)} (${peer.title.replace("openline ", "")})`).join("; ");
}

function verdictTable({ rows }: Results): string {
  const lines = rows.flatMap((row) =>
    verdictsOf(row).map((verdict) => [
      row.row.id,
      verdict.target.level,
      wanted(row, verdict),
      digits(verdict.value),
      verdict.met ? "yes" : "**no**",
    ]),
  );
  return lines.length === 0 ? "None of these rows has one." : table(["row", "", "at most", "is", "met"], lines);
}

function wanted({ row }: RowResult, { target }: Verdict): string {
  const subject = target.subject === undefined ? "" : `${target.subject}: `;
  return `${subject}${target.bound}${target.of ? ` × ${target.of.join(" or ")}` : ` ${row.unit}`}`;
}

function longTable({ rows }: Results): string {
  const titles = [
    "row",
    "peer",
    "figure",
    "range",
    "per second",
    "busy",
    "load busy",
    "waited",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "slowest µs",
    "",
  ];
  const lines = rows.flatMap((row) =>
    figuresOf(row).map((figure) => [
      row.row.id,
      figure.peer.title,
      `${digits(figure.value)} ${row.row.unit}`,
      `${digits(figure.lowest)} – ${digits(figure.highest)}`,
      ...loadCells(figure),
      figure.samples[0]?.remark ?? "",
    ]),
  );
  return table(titles, lines);
}

function loadCells({ samples }: Figure): string[] {
  const loads = samples.flatMap(({ load }) => load ?? []);
  if (loads.length === 0) return Array.from({ length: 8 }, () => "–");
  const middle = (pick: (load: (typeof loads)[number]) => number): number => median(loads.map(pick));
  const percent = (part: number): string => `${Math.round(part * 100)} %`;
  const latency = (value: number): string => (value === 0 ? "–" : digits(value));
  return [
    Math.round(middle(({ rate }) => rate)).toLocaleString("en"),
    percent(middle(({ busy }) => busy)),
    loads[0]!.loadBusy === 0 ? "–" : percent(middle(({ loadBusy }) => loadBusy)),
    percent(middle(({ waited }) => waited)),
    latency(middle(({ p50 }) => p50)),
    latency(middle(({ p99 }) => p99)),
    latency(middle(({ p999 }) => p999)),
    latency(middle(({ slowest }) => slowest)),
  ];
}

function missingList({ rows }: Results): string {
  const lines = rows.flatMap(({ row, missing }) =>
    missing.map(({ title, reason }) => `- ${row.id}, ${title}: ${reason}`),
  );
  return lines.length === 0 ? "" : `## Not measured\n\n${lines.join("\n")}`;
}

/** A table of Markdown. */
export function table(titles: readonly string[], lines: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(titles), line(titles.map(() => "---")), ...lines.map(line)].join("\n");
}

/** Three digits that count, never as 1.2e+3. */
export function digits(value: number): string {
  if (value >= 100 || value === 0) return Math.round(value).toLocaleString("en");
  return value.toPrecision(value < 0.1 ? 2 : 3);
}
