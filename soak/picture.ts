/**
 * A soak's series as SVG text: panels one below the other over the same time, for a light or a dark page.
 */

/** One line of a panel. */
export interface PanelLine {
  readonly title: string;
  readonly points: readonly (readonly [seconds: number, value: number])[];
  /** Drawn with dashes, as what was computed. Default false. */
  readonly dashed?: boolean;
}

/** One panel, its axis from 0 on. */
export interface Panel {
  readonly title: string;
  readonly lines: readonly PanelLine[];
}

/** Something that happened, drawn over all panels. */
export interface Mark {
  /** In seconds. */
  readonly at: number;
  readonly title: string;
}

/** For a page with a light or a dark background. */
export type Theme = "light" | "dark";

const colours = {
  light: { text: "#1f2328", quiet: "#59636e", grid: "#d8dee4", lines: ["#0969da", "#bc4c00", "#8250df"] },
  dark: { text: "#f0f6fc", quiet: "#9198a1", grid: "#30363d", lines: ["#58a6ff", "#f0883e", "#bc8cff"] },
} as const;

const width = 820;
const area = { left: 64, right: 690, head: 48, panel: 120, gap: 44, foot: 36 };

/** The picture as a whole SVG document; its background is transparent. */
export function drawPanels(title: string, panels: readonly Panel[], theme: Theme, marks: readonly Mark[] = []): string {
  const colour = colours[theme];
  const head = area.head + (marks.length > 0 ? 24 : 0);
  const height = head + panels.length * (area.panel + area.gap) + area.foot;
  const end = Math.max(1, ...panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([x]) => x))));
  const x = (seconds: number) => area.left + ((area.right - area.left) * seconds) / end;
  const bottom = height - area.foot - area.gap;
  const parts = [
    label(area.left, 22, title, colour.text, "start", 16),
    ...marks.flatMap((mark, index) => drawMark(mark, index, x(mark.at), bottom, theme)),
    ...panels.flatMap((panel, index) =>
      drawPanel(panel, head + area.gap / 2 + index * (area.panel + area.gap), x, theme),
    ),
    ...times(end).map((seconds) => label(x(seconds), bottom + 40, timeLabel(seconds), colour.quiet, "middle")),
  ];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `role="img" font-family="system-ui, sans-serif">\n<title>${escaped(title)}</title>\n${parts.join("\n")}\n</svg>\n`
  );
}

/** A line over all panels; titles take turns in three rows, since some are close to each other. */
function drawMark({ title }: Mark, index: number, at: number, bottom: number, theme: Theme): string[] {
  const { grid, quiet } = colours[theme];
  const top = area.head - 10 + (index % 3) * 14;
  return [
    `<line x1="${round(at)}" x2="${round(at)}" y1="${top + 3}" y2="${bottom + area.gap / 2}" stroke="${grid}"/>`,
    label(at, top, title, quiet, "start", 11),
  ];
}

function drawPanel({ title, lines }: Panel, top: number, x: (seconds: number) => number, theme: Theme): string[] {
  const colour = colours[theme];
  const most = Math.max(1, ...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const y = (value: number) => top + area.panel * (1 - value / most);
  const names: { readonly text: string; at: number; readonly fill: string }[] = [];
  const drawn = lines.map(({ title: name, points, dashed }, index) => {
    const fill = colour.lines[index % colour.lines.length]!;
    names.push({ text: name, at: y(points.at(-1)?.[1] ?? 0), fill });
    const places = points.map(([seconds, value]) => `${round(x(seconds))},${round(y(value))}`).join(" ");
    const dashes = dashed ? ' stroke-dasharray="6 4"' : "";
    return `<polyline points="${places}" fill="none" stroke="${fill}" stroke-width="1.5"${dashes}/>`;
  });
  return [
    label(area.left, top - 10, title, colour.quiet, "start"),
    ...[0, ...steps(most, 3)].map((value) => gridLine(y(value), value.toLocaleString("en"), theme)),
    ...drawn,
    ...apart(names).map(({ text, at, fill }) => label(area.right + 8, at + 4, text, fill, "start")),
  ];
}

/** The same, so far apart that each can be read. */
function apart<Name extends { at: number }>(names: Name[]): Name[] {
  names.sort((a, b) => a.at - b.at);
  for (const [index, name] of names.entries()) {
    if (index > 0) name.at = Math.max(name.at, names[index - 1]!.at + 15);
  }
  return names;
}

/** From four to ten round times up to `end`, in seconds. */
function times(end: number): number[] {
  const step = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600].findLast((size) => end / size >= 4) ?? 1;
  return Array.from({ length: Math.floor(end / step) }, (_, index) => (index + 1) * step);
}

/** Round numbers up to `end`, at least `least` and at most about twice as many. */
function steps(end: number, least: number): number[] {
  const wide = 10 ** Math.floor(Math.log10(end / least));
  const step = [5, 2, 1].map((factor) => factor * wide).find((size) => end / size >= least) ?? wide;
  return Array.from({ length: Math.floor(end / step) }, (_, index) => (index + 1) * step);
}

function gridLine(at: number, text: string, theme: Theme): string {
  const { grid, quiet } = colours[theme];
  const line = `<line x1="${area.left}" x2="${area.right}" y1="${round(at)}" y2="${round(at)}" stroke="${grid}"/>`;
  return line + label(area.left - 8, at + 4, text, quiet, "end");
}

function label(x: number, y: number, content: string, fill: string, anchor: string, size = 12): string {
  const style = `fill="${fill}" font-size="${size}" text-anchor="${anchor}"`;
  return `<text x="${round(x)}" y="${round(y)}" ${style}>${escaped(content)}</text>`;
}

function timeLabel(seconds: number): string {
  return seconds >= 60 ? `${Math.round(seconds / 6) / 10} min` : `${seconds} s`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
