/**
 * Flame graphs of servers under the load of row E2: the same run as the row's, with V8's sampling profiler on.
 *
 * The profiler costs time itself, so the µs of the pictures are the shares of the profile times the figure without it.
 */
import { readFileSync, rmSync } from "node:fs";
import { drawFlameGraph, flamesOf } from "./flame-graph.ts";
import { digits } from "./markdown.ts";
import { type Peer, servers, workFolder } from "./peers.ts";
import { rows } from "./rows.ts";
import { type RunSettings, run } from "./run.ts";

/** Between two samples, in µs. */
const interval = 100;

/** The pictures of each server of `peers` that Node runs, by file name. */
export async function flamePictures(settings: RunSettings): Promise<Map<string, string>> {
  const row = rows.find(({ id }) => id === "E2")!;
  const files = new Map<string, string>();
  for (const peer of [servers.ws, servers.openline] satisfies Peer[]) {
    const { figure } = await run(row, peer, settings);
    const path = `${workFolder}${peer.id}.cpuprofile`;
    rmSync(path, { force: true });
    await run(row, profiled(peer, `${peer.id}.cpuprofile`), settings);
    const root = flamesOf(JSON.parse(readFileSync(path, "utf8")), settings.duration * 1000);
    const title = `${peer.title}, ${row.title}: ${digits(figure)} ${row.unit}`;
    files.set(`flame-${peer.id}.svg`, drawFlameGraph({ title, root, total: figure, unit: row.unit }));
    console.log(title);
  }
  return files;
}

function profiled(peer: Peer, name: string): Peer {
  const [program, ...args] = peer.command;
  const flags = [
    "--cpu-prof",
    `--cpu-prof-interval=${interval}`,
    `--cpu-prof-dir=${workFolder}`,
    `--cpu-prof-name=${name}`,
  ];
  return { ...peer, command: [program, ...flags, ...args] };
}
