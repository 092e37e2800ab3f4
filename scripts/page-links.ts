/** Links from one page to another: which of them lead to a file that is not there, or to a heading that it does not have. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A link of a page: where it leads, relative to the page, and the line it is on. */
interface PageLink {
  readonly target: string;
  readonly line: number;
}

/** The headings of a Markdown text by their anchors, which GitHub makes of them; code blocks have none. */
export function headingsOf(markdown: string): Map<string, string> {
  const headings = new Map<string, string>();
  for (const { text } of proseOf(markdown)) {
    const heading = /^#{1,6} +(.*?) *$/.exec(text)?.[1];
    if (heading === undefined) continue;
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "");
    const slug = plain
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- _]/gu, "")
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let again = 1; headings.has(anchor); again++) anchor = `${slug}-${again}`;
    headings.set(anchor, plain);
  }
  return headings;
}

/** A sentence for each link of the page at `path` below `root` that leads nowhere; other sites are not asked. */
export function brokenLinks(root: string, path: string, markdown: string): string[] {
  return linksOf(markdown).flatMap(({ target, line }) => {
    const [file = "", anchor] = target.split("#");
    const to = file === "" ? path : join(dirname(path), decodeURIComponent(file));
    if (file !== "" && !existsSync(join(root, to)))
      return [`${path}:${line}: there is no file for the link to ${target}`];
    if (anchor === undefined || !to.endsWith(".md")) return [];
    const text = file === "" ? markdown : readFileSync(join(root, to), "utf8");
    const headings = headingsOf(text);
    return headings.has(anchor) || text.includes(`<a id="${anchor}"></a>`)
      ? []
      : [`${path}:${line}: there is no heading for the link to ${target}`];
  });
}

function linksOf(markdown: string): PageLink[] {
  return proseOf(markdown).flatMap(({ text, line }) => {
    const links = text.replace(/`[^`]*`/g, "``").matchAll(/\]\(([^)\s]+)\)/g);
    return [...links].map(([, target = ""]) => ({ target, line })).filter(({ target }) => !/^[a-z]+:/i.test(target));
  });
}

/** The lines outside of code blocks, with their numbers. */
function proseOf(markdown: string): { readonly text: string; readonly line: number }[] {
  let fence: string | undefined;
  return markdown.split("\n").flatMap((text, index) => {
    const ticks = /^\s*(`{3,})/.exec(text)?.[1];
    if (ticks !== undefined && (fence === undefined || ticks === fence)) {
      fence = fence === undefined ? ticks : undefined;
      return [];
    }
    return fence === undefined ? [{ text, line: index + 1 }] : [];
  });
}
