/**
 * Parts of a source file, cut out by name when the page is built: the code that a view shows is read from the file that
 * runs, and a name that is no longer there fails the build.
 */

/**
 * The function or method called `name` in `source`, private or not, with the comment before it, at the margin.
 *
 * The source is formatted: a declaration ends at the first line with its own indent and a closing bracket. Throws an Error
 * when there is none of that name.
 */
export function excerpt(source: string, name: string): string {
  const lines = source.split("\n");
  const declaration = new RegExp(
    `^ *(?:export )?(?:static )?(?:async )?(?:function |const )?#?${name}(?:\\(| = ).*[{(]$`,
  );
  const start = lines.findIndex((line) => declaration.test(line));
  const indent = /^ */.exec(lines[start] ?? "")?.[0] ?? "";
  const end = lines.findIndex(
    (line, index) => index > start && /^[})]+;?$/.test(line.slice(indent.length)) && line.startsWith(indent),
  );
  if (start < 0 || end < 0) throw new Error(`Cannot show ${name}: the source has no such declaration`);
  let first = start;
  while (/^ *\/?\*/.test(lines[first - 1] ?? "")) first -= 1;
  return lines
    .slice(first, end + 1)
    .map((line) => line.slice(line.startsWith(indent) ? indent.length : 0))
    .join("\n");
}

/** The functions and methods called `names`, one after another. */
export function excerpts(source: string, names: readonly string[]): string {
  return names.map((name) => excerpt(source, name)).join("\n\n");
}
