/**
 * Rows that were measured again: they take the place of the same rows in results that were saved before, and say when and
 * with what.
 */
import type { Results, RowResult } from "./machine.ts";
import type { Peer } from "./peers.ts";
import type { Row } from "./rows.ts";

/** Results as they stand in the JSON: of a row its id counts, of a peer its id. */
export interface SavedResults extends Omit<Results, "rows"> {
  readonly rows: readonly (Omit<RowResult, "row" | "samples"> & {
    readonly row: { readonly id: string };
    readonly samples: readonly {
      readonly peer: { readonly id: string };
      readonly taken: RowResult["samples"][0]["taken"];
    }[];
  })[];
}

/**
 * The saved results with the fresh rows in place of their own. Rows and peers that are measured no more are left out, and
 * so is the whole where it was measured on another machine or Node: undefined then.
 */
export function measuredAgain(saved: SavedResults, fresh: Results, rows: readonly Row[]): Results | undefined {
  const here = ({ cpu, cores, node }: Results["machine"]): string => `${cpu}, ${cores}, ${node}`;
  if (here(saved.machine) !== here(fresh.machine)) return undefined;
  const { date, command, commit } = fresh;
  const again = new Map(fresh.rows.map((result) => [result.row.id, { ...result, again: { date, command, commit } }]));
  const all = rows.flatMap((row) => again.get(row.id) ?? revived(row, saved) ?? []);
  return { ...saved, rows: all };
}

function revived(row: Row, saved: SavedResults): RowResult | undefined {
  const result = saved.rows.find((one) => one.row.id === row.id);
  if (result === undefined) return undefined;
  const samples = result.samples.flatMap(({ peer: { id }, taken }) => {
    const peer: Peer | undefined = row.peers.find((one) => one.id === id);
    return peer ? [{ peer, taken }] : [];
  });
  return { ...result, row, samples };
}

/** A sentence for each command that measured rows again; empty where none did. */
export function saidOf(rows: readonly RowResult[]): string {
  const commands = new Map<string, string[]>();
  for (const { row, again } of rows) {
    if (again === undefined) continue;
    const at = again.commit === undefined ? "" : ` at ${again.commit}`;
    const how = `with \`${again.command}\` on ${again.date.slice(0, 10)}${at}`;
    commands.set(how, [...(commands.get(how) ?? []), row.id]);
  }
  return [...commands].map(([how, ids]) => ` Measured again ${how}: ${ids.join(", ")}.`).join("");
}
