/**
 * Storms as a picture: above, how many attempts are due in each tenth of a second, below, how many of the clients are back;
 * each storm beside its control, and a column for each time that the server is away.
 */
import { type Ink, round, svg, text } from "../harness/svg.ts";
import type { Storm } from "./storm.ts";

const [width, height] = [880, 460];
const panel = { width: 350, left: 64, gap: 70 };
const rows = { due: { top: 66, bottom: 226 }, back: { top: 280, bottom: 410 } };

interface Scale {
  at(value: number): number;
}

/** The picture of all storms, as a whole SVG document. */
export function drawStorms(storms: readonly Storm[]): string {
  const title = `${storms[0]!.clients.toLocaleString("en")} clients lose their server and come back`;
  const lengths = [...new Set(storms.map(({ away }) => away))];
  const most = Math.max(...storms.flatMap(({ due }) => due));
  const parts = lengths.flatMap((away, column) => {
    const left = panel.left + column * (panel.width + panel.gap);
    const these = storms.filter((storm) => storm.away === away);
    return drawColumn(these, `away for ${away / 1000} s`, left, most);
  });
  const legend = [
    text(panel.left, 24, title, { ink: "text", size: 16, weight: 600 }),
    text(panel.left, height - 10, "openline with its defaults", { ink: "openline", weight: 600 }),
    text(panel.left + 190, height - 10, "the same without jitter", { ink: inkOf({ jitter: false }), weight: 600 }),
    text(width - 46, height - 10, "seconds since the server is back", { ink: "quiet", anchor: "end" }),
  ];
  return svg(width, height, title, [...legend, ...parts]);
}

function inkOf({ jitter }: Pick<Storm, "jitter">): Ink {
  return jitter ? "openline" : "ws";
}

function drawColumn(storms: readonly Storm[], title: string, left: number, most: number): string[] {
  const begin = Math.floor(-Math.max(...storms.map(({ gone }) => gone)) / 1000);
  const end = Math.ceil(Math.max(...storms.map(({ due, back, gone }) => endOf(due, back, gone))));
  const x: Scale = scale([begin, end], [left, left + panel.width]);
  const due = scale([0, most], [rows.due.bottom, rows.due.top]);
  const back = scale([0, 100], [rows.back.bottom, rows.back.top]);
  const seconds = ticks(begin, end);
  const counts = ticks(0, most);
  return [
    text(left, rows.due.top - 12, `${title}: attempts due, in a tenth of a second`, { ink: "quiet" }),
    text(left, rows.back.top - 12, "clients back, %", { ink: "quiet" }),
    ...counts.map((value) => gridLine(left, due.at(value), value)),
    ...[0, 50, 100].map((value) => gridLine(left, back.at(value), value)),
    ...seconds.map((value) => text(x.at(value), rows.back.bottom + 16, `${value}`, { ink: "quiet", anchor: "middle" })),
    `<line x1="${round(x.at(0))}" x2="${round(x.at(0))}" y1="${rows.due.top}" y2="${rows.back.bottom}" class="grid" stroke="currentColor"/>`,
    ...storms.map((storm) => bars(storm, x, due)),
    ...storms.map((storm) => curve(storm, x, back)),
  ];
}

/** The last second in which something happens. */
function endOf(due: readonly number[], back: readonly number[], gone: number): number {
  return (Math.max(due.length, back.length) * 100 - gone) / 1000;
}

function scale([low, high]: readonly [number, number], [from, to]: readonly [number, number]): Scale {
  return { at: (value) => from + ((value - low) / (high - low)) * (to - from) };
}

/** Round numbers in the range, about five. */
function ticks(low: number, high: number): number[] {
  const sizes = [1, 10, 100, 1000, 10_000].flatMap((power) => [power, 2 * power, 5 * power]);
  const step = sizes.find((size) => (high - low) / size <= 6) ?? high - low;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, index) => (first + index) * step);
}

/** The outline of a column for each tenth of a second. */
function bars({ due, gone, jitter }: Storm, x: Scale, y: Scale): string {
  const at = (tenth: number): number => round(x.at((tenth * 100 - gone) / 1000));
  const steps = due.map((count, tenth) => `V${round(y.at(count))}H${at(tenth + 1)}`);
  const path = `M${at(0)} ${round(y.at(0))}${steps.join("")}V${round(y.at(0))}Z`;
  return `<path d="${path}" class="${inkOf({ jitter })}" fill="currentColor" fill-opacity="0.35" stroke="currentColor"/>`;
}

function curve({ back, gone, clients, jitter }: Storm, x: Scale, y: Scale): string {
  let sum = 0;
  const points = back.map((count, tenth) => {
    sum += count;
    return `${round(x.at(((tenth + 1) * 100 - gone) / 1000))},${round(y.at((sum / clients) * 100))}`;
  });
  const line = `fill="none" stroke="currentColor" stroke-width="${jitter ? 3 : 2}"`;
  return `<polyline points="${points.join(" ")}" class="${inkOf({ jitter })}" ${line}/>`;
}

function gridLine(left: number, at: number, value: number): string {
  const ends = `x1="${left}" x2="${left + panel.width}" y1="${round(at)}" y2="${round(at)}"`;
  const label = text(left - 8, at + 4, value.toLocaleString("en"), { ink: "quiet", anchor: "end" });
  return `<line ${ends} stroke="currentColor" class="grid"/>${label}`;
}
