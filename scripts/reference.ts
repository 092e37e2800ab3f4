/**
 * The pages under docs/reference/api, made from the types and their comments by typedoc, in `integrations/typedoc` since it
 * wants a compiler of its own: `npm run reference` writes them, and the gate `reference`, with `--check`, fails when one is
 * stale.
 *
 * It also fails on an exported name without a comment, and on a comment that leads elsewhere in place of saying what the name
 * is.
 */
import { spawnSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { headingsOf } from "./page-links.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const tools = join(root, "integrations/typedoc");
const pages = join(root, "docs/reference/api");

/** Runs typedoc with a file of options into `out`; returns what it complains about, a line each. */
export function makeReference(out: string, options = join(tools, "typedoc.json")): string[] {
  rmSync(out, { recursive: true, force: true });
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(tools, "node_modules/typedoc/bin/typedoc"), "--options", options, "--out", out],
    { cwd: tools, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } },
  );
  const paths = namesIn(out).map((page) => join(out, page));
  const headings = new Map(paths.map((path) => [path, headingsOf(readFileSync(path, "utf8"))]));
  for (const path of paths) correctLinks(path, headings);
  const lines = `${stdout}${stderr}`.split("\n");
  // "ws.WebSocketServer.off" is a member, and no name that an entry exports.
  const member = /^\[warning\] [\w/]+\.\w+\.\S+ \(/;
  return lines.filter(
    (line) => /^\[(?:warning|error)\]/.test(line) && !/Found \d+ errors/.test(line) && !member.test(line),
  );
}

/** To a heading whose name is there twice but for capitals, typedoc counts one too many; `headings` are those of each page. */
function correctLinks(path: string, headings: ReadonlyMap<string, ReadonlyMap<string, string>>): void {
  const text = readFileSync(path, "utf8");
  const corrected = text.replace(/\(([\w./-]*)#([a-z]+)-1\)/g, (link, page: string, name: string) => {
    const known = headings.get(page === "" ? path : join(dirname(path), page));
    return known === undefined || known.has(`${name}-1`) || !known.has(name) ? link : `(${page}#${name})`;
  });
  if (corrected !== text) writeFileSync(path, corrected);
}

/** Comments of the pages in `folder` that say nothing by themselves, a sentence each. */
export function emptyComments(folder: string): string[] {
  return namesIn(folder).flatMap((page) => {
    const lines = readFileSync(join(folder, page), "utf8").split("\n");
    return lines.flatMap((line, index) =>
      /^See (?:the head|`)/.test(line) ? [`${page}:${index + 1}: a comment says only "${line}"`] : [],
    );
  });
}

/** A sentence for each page that is in only one of the folders, or is not the same in both. */
export function differences(made: string, committed: string): string[] {
  const names = new Set([...namesIn(made), ...namesIn(committed)]);
  const textOf = (folder: string, page: string) =>
    namesIn(folder).includes(page) ? readFileSync(join(folder, page), "utf8").replaceAll("\r\n", "\n") : undefined;
  return [...names]
    .filter((page) => textOf(made, page) !== textOf(committed, page))
    .map((page) => `docs/reference/api/${page} is stale: npm run reference writes it`);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .sort();
  } catch {
    return [];
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  spawnSync(process.execPath, [join(root, "scripts/setup.mjs"), "install", "integrations/typedoc"], {
    stdio: "inherit",
  });
  const made = join(root, ".cache/reference");
  const problems = [...makeReference(made), ...emptyComments(made)];
  if (process.argv.includes("--check")) problems.push(...differences(made, pages));
  else {
    rmSync(pages, { recursive: true, force: true });
    cpSync(made, pages, { recursive: true });
  }
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
