/**
 * Checks that imports only point backwards: protocol → reconnecting → resume → typed → transport → connection → topics →
 * client | server | browser → cluster → workers → json → ws → testing → entries → cli.
 *
 * Folders of one layer (client and server) never import each other, no file imports itself by way of others (type-only
 * imports count), a folder and its parent or its neighbour import each other one way only, and protocol/ stays pure: it
 * imports nothing from outside, and names no timer, clock or logger and nothing of Node, but for one file that finds Node's
 * functions where there are any. What runs in pages too, reconnecting/, resume/, typed/ and browser/, imports nothing of Node. Programs
 * beside src/ that stand for its users reach it by the package's name, never by path.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The layers from the first to the last; "entries" are the files directly in src/. */
const layers: readonly (readonly string[])[] = [
  ["protocol"],
  ["reconnecting"],
  ["resume"],
  ["typed"],
  ["transport"],
  ["connection"],
  ["topics"],
  ["client", "server", "browser"],
  ["cluster"],
  ["workers"],
  ["json"],
  ["ws"],
  ["testing"],
  ["entries"],
  ["cli"],
];
/** Folders that run in pages: what they import must be there, too. */
const portable: readonly string[] = ["reconnecting", "resume", "typed", "browser"];
/** Names that a pure file does not use: timers, clocks and loggers, and globals that only Node has. */
const impure =
  /\b(?:set(?:Timeout|Interval|Immediate)|queueMicrotask|Date\.now|performance\.now|console|process|Buffer|NodeJS|global|require|__dirname|__filename)\b/;
/** The one file of protocol/ that may name what only Node has. */
const natives = join("src", "protocol", "runtime", "natives.ts");
const outsiders: readonly string[] = ["examples", "demo", "conformance", "bench", "soak"];

interface SourceFile {
  readonly path: string;
  readonly code: string;
  readonly imports: readonly string[];
}

/** Returns a sentence for each broken rule in the tree under `root`, in path order; empty when all is well. */
export function checkLayers(root: string): string[] {
  const sources = readTree(join(root, "src"));
  return [
    ...sources.flatMap((file) => brokenRules(root, file)),
    ...cycles(root, sources),
    ...bothWays(root, sources),
    ...outsiders.flatMap((folder) => readTree(join(root, folder))).flatMap((file) => reachesIntoSrc(root, file)),
  ];
}

function brokenRules(root: string, { path, code, imports }: SourceFile): string[] {
  const from = folderOf(root, path);
  const name = relative(root, path);
  const rank = rankOf(from);
  if (rank === -1) return [`${name}: the folder ${from} has no place in the order of layers`];
  const broken: string[] = [];
  for (const specifier of imports) {
    const problem = specifier.startsWith(".")
      ? wrongWay(from, folderOf(root, resolve(dirname(path), specifier)))
      : from === "protocol"
        ? "protocol is pure"
        : portable.includes(from) && `${from} runs in pages too`;
    if (problem) broken.push(`${name}: imports ${specifier}, but ${problem}`);
  }
  const word = from === "protocol" && name !== natives ? impure.exec(code)?.[0] : undefined;
  if (word !== undefined) broken.push(`${name}: names ${word}, but protocol is pure`);
  return broken;
}

function wrongWay(from: string, to: string): string | false {
  if (from === to) return false;
  if (rankOf(to) === -1) return `${to} has no place in the order of layers`;
  if (rankOf(to) === rankOf(from)) return `${from} and ${to} stand side by side`;
  return rankOf(to) > rankOf(from) && `${to} comes after ${from}`;
}

/** One sentence for each cycle that a walk along the imports closes. */
function cycles(root: string, sources: readonly SourceFile[]): string[] {
  const byPath = new Map(sources.map((file) => [file.path, file]));
  const done = new Set<SourceFile>();
  const trail: SourceFile[] = [];
  const found: string[] = [];
  const walk = (file: SourceFile): void => {
    if (done.has(file)) return;
    const start = trail.indexOf(file);
    if (start !== -1) {
      const loop = [...trail.slice(start), file].map(({ path }) => relative(root, path));
      found.push(`${loop[0]}: is in a cycle of imports: ${loop.join(" → ")}`);
      return;
    }
    trail.push(file);
    for (const specifier of file.imports) {
      const next = byPath.get(resolve(dirname(file.path), specifier));
      if (next !== undefined) walk(next);
    }
    trail.pop();
    done.add(file);
  };
  sources.forEach(walk);
  return found;
}

/**
 * One sentence for each pair of a folder and its parent, or of two folders side by side, that import each other. An
 * index.ts does not count: it gathers the names of its folder for users, and no file beside it imports it.
 */
function bothWays(root: string, sources: readonly SourceFile[]): string[] {
  const src = join(root, "src");
  const paths = new Set(sources.map(({ path }) => path));
  const arrows = new Map<string, string>();
  for (const { path, imports } of sources.filter((file) => basename(file.path) !== "index.ts")) {
    for (const specifier of imports) {
      const target = resolve(dirname(path), specifier);
      const rooms = specifier.startsWith(".") && paths.has(target) ? roomsBetween(src, path, target) : undefined;
      if (rooms === undefined) continue;
      const key = rooms.join(" → ");
      if (!arrows.has(key)) arrows.set(key, `${relative(root, path)} → ${relative(root, target)}`);
    }
  }
  return [...arrows].flatMap(([key, example]) => {
    const [from = "", to = ""] = key.split(" → ");
    const back = from < to ? arrows.get(`${to} → ${from}`) : undefined;
    return back === undefined ? [] : [`src/${from} and src/${to} import each other: ${example} and ${back}`];
  });
}

/** The two folders that an import joins, just below the folder that both ends share; undefined within one folder. */
function roomsBetween(src: string, from: string, to: string): readonly [from: string, to: string] | undefined {
  const one = dirname(relative(src, from)).split(sep);
  const other = dirname(relative(src, to)).split(sep);
  const common = one.findIndex((name, index) => name !== other[index]);
  const shared = common === -1 ? one.length : common;
  // Between the folders of src themselves the order of layers decides.
  if (shared === 0 || (shared === one.length && shared === other.length)) return undefined;
  return [one.slice(0, shared + 1).join("/"), other.slice(0, shared + 1).join("/")];
}

function reachesIntoSrc(root: string, { path, imports }: SourceFile): string[] {
  const src = join(root, "src") + sep;
  return imports
    .filter((specifier) => specifier.startsWith(".") && resolve(dirname(path), specifier).startsWith(src))
    .map((specifier) => `${relative(root, path)}: imports ${specifier}, but users of the package import it by name`);
}

function rankOf(folder: string): number {
  return layers.findIndex((layer) => layer.includes(folder));
}

function folderOf(root: string, path: string): string {
  const parts = relative(join(root, "src"), path).split(sep);
  if (parts[0] === "..") return "outside src";
  return parts.length === 1 ? "entries" : (parts[0] as string);
}

function readTree(folder: string): SourceFile[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return entry.name === "node_modules" || entry.name === "dist" ? [] : readTree(path);
      return /\.m?[jt]sx?$/.test(entry.name) ? [readSource(path)] : [];
    });
}

const comments = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/.*|\/\*[\s\S]*?\*\//g;
const statements = /^\s*(?:import|export)\b(?:[^;"'()=]*?\bfrom)?\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;

function readSource(path: string): SourceFile {
  const code = readFileSync(path, "utf8").replace(comments, "$1");
  return { path, code, imports: [...code.matchAll(statements)].map((match) => (match[1] ?? match[2]) as string) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const broken = checkLayers(fileURLToPath(new URL("..", import.meta.url)));
  for (const line of broken) console.error(line);
  process.exitCode = broken.length > 0 ? 1 : 0;
}
