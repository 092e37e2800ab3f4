/**
 * The page docs/explanation/architecture.md: its picture and its table are made from the imports in src/, and what its prose
 * names in backticks must be there.
 *
 * A paragraph or an item that names files and functions says that each function is in one of those files. The prose is
 * written by hand; what stands between the two comments of the page is not.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";
import type { GeneratedPage } from "./generated-page.ts";

const pagePath = "docs/explanation/architecture.md";
const begin = "<!-- From here to the next comment made by scripts/architecture.ts: npm run fix. -->";
const end = "<!-- From here on written by hand. -->";

/** A file of `src/`, by its path from there with slashes. */
export interface Source {
  readonly path: string;
  readonly code: string;
  /** The files of `src/` that it imports, types included. */
  readonly imports: readonly string[];
}

/** The files of `src/` below `root`, by path. */
export function readSources(root: string): Source[] {
  const src = join(root, "src");
  const paths = readdirSync(src, { encoding: "utf8", recursive: true }).filter((path) => path.endsWith(".ts"));
  return paths
    .map((path) => relative(src, join(src, path)).split(sep).join("/"))
    .sort()
    .map((path) => {
      const code = readFileSync(join(src, path), "utf8");
      const specifiers = [...code.matchAll(/^(?:import|export)\b[^;"']*["'](\.[^"']+)["']/gm)];
      return { path, code, imports: specifiers.map(([, to = ""]) => posix.join(posix.dirname(path), to)) };
    });
}

/** The picture and the table. */
export function layersText(sources: readonly Source[]): string {
  const layers = [...new Set(sources.map(({ path }) => layerOf(path)))].sort();
  const boxes = layers.map((layer) => {
    const { length } = sources.filter(({ path }) => layerOf(path) === layer);
    return `  ${layer}["${layer}<br>${length === 1 ? "1 file" : `${length} files`}"]`;
  });
  const arrows = countImports(sources, layerOf).map(({ from, to, count }) => `  ${from} -->|${count}| ${to}`);
  const folders = [...new Set(sources.map(({ path }) => posix.dirname(path)))]
    .filter((folder) => folder !== ".")
    .sort();
  const counts = countImports(sources, posix.dirname);
  const rows = folders.map((folder) => {
    const { length } = sources.filter(({ path }) => posix.dirname(path) === folder);
    const imports = counts.filter(({ from }) => from === folder).map(({ to, count }) => `${to} ${count}`);
    return `| ${folder} | ${length} | ${imports.join(", ")} |`;
  });
  return [
    "```mermaid",
    "flowchart TD",
    ...boxes,
    ...arrows,
    "```",
    "",
    "| folder | files | imports from |",
    "| --- | --- | --- |",
    ...rows,
  ].join("\n");
}

/** A sentence for each name in backticks that is not in the sources, with the line where its item or paragraph begins. */
export function unknownNames(markdown: string, sources: readonly Source[]): string[] {
  return blocksOf(markdown).flatMap(({ text, line }) => {
    const names = [...text.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
    const files = sources.filter((source) => names.some((name) => isFile(name, source)));
    return names
      .filter((name) => !isThere(name, files.length > 0 ? files : sources, sources))
      .map((name) => {
        const isPath = name.endsWith("/") || name.endsWith(".ts");
        const where = isPath || files.length === 0 ? "src/" : files.map(({ path }) => path).join(" or ");
        return `${posix.basename(pagePath)}:${line}: there is no ${name} in ${where}`;
      });
  });
}

/** The page of what is committed. */
export function architecturePage(root: string): GeneratedPage {
  const sources = readSources(root);
  const page = readFileSync(join(root, pagePath), "utf8").replaceAll("\r\n", "\n");
  const [from, to] = [page.indexOf(`${begin}\n`), page.indexOf(`\n${end}`)];
  if (from === -1 || to < from) throw new Error(`Cannot make ${pagePath}: it lacks one of its two comments`);
  const [before, made, after] = [page.slice(0, from), page.slice(from, to), page.slice(to)];
  const prose = before + made.replace(/.+/g, "") + after;
  return {
    path: pagePath,
    text: `${before}${begin}\n\n${layersText(sources)}\n${after}`,
    problems: unknownNames(prose, sources),
  };
}

/** The folder right below `src/`, or the name of a file that is in none. */
function layerOf(path: string): string {
  return path.split("/")[0]!.replace(/\.ts$/, "");
}

/** Paragraphs, items of lists and rows of tables, each with the number of its first line. */
function blocksOf(markdown: string): { readonly text: string; readonly line: number }[] {
  const blocks: { text: string; line: number }[] = [];
  for (const [index, text] of markdown.split("\n").entries()) {
    const before = blocks.at(-1);
    if (!before?.text || text === "" || /^(?:- |\d+\. |\|)/.test(text)) blocks.push({ text, line: index + 1 });
    else before.text += ` ${text}`;
  }
  return blocks;
}

/** How many imports lead from one group of files to another, by the groups' names. */
function countImports(sources: readonly Source[], groupOf: (path: string) => string) {
  const counts = new Map<string, { readonly from: string; readonly to: string; count: number }>();
  for (const { path, imports } of sources) {
    for (const imported of imports) {
      const [from, to] = [groupOf(path), groupOf(imported)];
      if (from === to) continue;
      const pair = counts.get(`${from} ${to}`) ?? { from, to, count: 0 };
      counts.set(`${from} ${to}`, pair);
      pair.count++;
    }
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pair]) => pair);
}

function isFile(name: string, { path }: Source): boolean {
  return `/${path}`.endsWith(`/${name}`);
}

/** Whether there is such a file or folder, or, in one of the files, such a function, class, or member of a class. */
function isThere(name: string, files: readonly Source[], sources: readonly Source[]): boolean {
  if (name.endsWith(".ts")) return sources.some((source) => isFile(name, source));
  if (name.endsWith("/")) return sources.some(({ path }) => `/${path}`.includes(`/${name}`));
  const [, owner, member] = /^(?:(\w+)\.)?(#?\w+)$/.exec(name) ?? [];
  if (member === undefined) return false;
  return files.some(({ code }) => {
    if (owner === undefined) return declares(code, member);
    const at = code.search(new RegExp(`\\b(?:class|interface) ${owner}\\b`));
    return at !== -1 && new RegExp(`^ +(?:[a-z]+ |\\*)*${member}[(<:;?]`, "m").test(code.slice(at));
  });
}

function declares(code: string, name: string): boolean {
  return new RegExp(`\\b(?:function\\*?|class|interface|type|const|let) ${name}\\b`).test(code);
}
