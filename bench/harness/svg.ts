/**
 * Pictures as SVG text, in the colours of the reader's light or dark scheme.
 */
import type { Peer } from "./peers.ts";

/** What has a colour of its own. */
export type Ink = Peer["column"] | "text" | "quiet" | "grid" | "background";

/** The colours of the inks on a light page and on a dark one. */
const colours: Readonly<Record<Ink, readonly [light: string, dark: string]>> = {
  text: ["#1f2328", "#f0f6fc"],
  quiet: ["#59636e", "#9198a1"],
  grid: ["#d8dee4", "#30363d"],
  background: ["#ffffff", "#0d1117"],
  openline: ["#0969da", "#58a6ff"],
  ws: ["#bc4c00", "#f0883e"],
  bun: ["#8250df", "#bc8cff"],
  floor: ["#6e7781", "#8b949e"],
  bare: ["#9a6700", "#d29922"],
  others: ["#1a7f37", "#3fb950"],
};

/** A whole document of that size in CSS pixels. */
export function svg(width: number, height: number, title: string, parts: readonly string[]): string {
  const background = `<rect width="${width}" height="${height}" fill="currentColor" class="background"/>`;
  const content = [`<style>${styles()}</style>`, background, ...parts].join("\n");
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `role="img" font-family="system-ui, sans-serif">\n<title>${escaped(title)}</title>\n${content}\n</svg>\n`
  );
}

/** Each ink is a class that sets `color`, which every shape draws with. */
function styles(): string {
  const rules = (scheme: 0 | 1): string =>
    Object.entries(colours)
      .map(([ink, values]) => `.${ink}{color:${values[scheme]}}`)
      .join("");
  return `${rules(0)}@media(prefers-color-scheme:dark){${rules(1)}}`;
}

/** How a text is set. */
export interface TextStyle {
  readonly ink: Ink;
  readonly size?: number;
  readonly weight?: number;
  readonly anchor?: "start" | "middle" | "end";
}

/** A line of text. */
export function text(
  x: number,
  y: number,
  content: string,
  { ink, size = 12, weight = 400, anchor = "start" }: TextStyle,
): string {
  const style = `class="${ink}" fill="currentColor" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}"`;
  return `<text x="${round(x)}" y="${round(y)}" ${style}>${escaped(content)}</text>`;
}

/** As many digits as an eye can see. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Text as it stands in XML. */
export function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
