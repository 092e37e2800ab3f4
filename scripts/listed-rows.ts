/** Lists of what has to be shown, one row a line in cells between ` | `: rules, faults, and the parts of another library. */

/**
 * The rows of a list without its comments and empty lines, by id; `read` makes a row of a line's cells, or undefined of
 * cells that are none. Throws on such a line, and on an id named twice.
 */
export function readListed<Row extends { readonly id: string }>(
  list: string,
  what: string,
  read: (cells: readonly string[]) => Row | undefined,
): Row[] {
  const rows = new Map<string, Row>();
  for (const line of list.split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const row = read(line.split(" | "));
    if (row === undefined || rows.has(row.id)) throw new Error(`Cannot read the list of ${what}: ${line}`);
    rows.set(row.id, row);
  }
  return [...rows.values()];
}

/** What an optional last cell says behind its word, as in `no test: why`; undefined for a cell that does not begin so. */
export function saidBehind(word: string, cell: string | undefined): string | undefined {
  const start = `${word}: `;
  return cell?.startsWith(start) && cell.length > start.length ? cell.slice(start.length) : undefined;
}
