/**
 * One run: a row and a peer, each process fresh, one load; gives the figure of that round.
 */
import { setTimeout as delay } from "node:timers/promises";
import { certificateFiles } from "./certificate.ts";
import { checkLearned, type PayloadFiles, writePayload } from "./payloads.ts";
import { neutralServer, type Peer } from "./peers.ts";
import { type Command, LoadProcess, loadCpu, ServerProcess, serverCpu } from "./processes.ts";
import type { Row } from "./rows.ts";

/** What one run gives. */
export interface Sample {
  /** In the row's unit. */
  readonly figure: number;
  /** What the peer says of its way of working. */
  readonly remark: string;
  /** Where there was a load to measure. */
  readonly load?: LoadSample;
}

/** What is known of a load besides the figure. */
export interface LoadSample {
  /** Messages, deliveries or connections a second. */
  readonly rate: number;
  /** The part of the time that the measured process was on its CPU, and the load on its own. */
  readonly busy: number;
  readonly loadBusy: number;
  /** The part of the time that either was ready to run and had to wait for other programs, both added. */
  readonly waited: number;
  /** Latencies in µs; 0 where none are taken. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly slowest: number;
}

/** What the load generator and the client programs print; times in seconds, latencies in µs. */
export interface LoadResult {
  readonly replies: number;
  readonly seconds: number;
  readonly serverCpu: number;
  readonly loadCpu: number;
  readonly waited: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** The longest of all; the programs that are clients do not tell. */
  readonly slowest?: number;
  /** The replies that came, each once and in hexadecimal, where the load was not told what to expect. */
  readonly learned?: readonly string[];
}

/** How a run is made. */
export interface RunSettings {
  /** The load generator. */
  readonly generator: Command;
  /** How long the load runs before and while it is measured, in milliseconds. */
  readonly warmup: number;
  readonly duration: number;
}

const deflateOffer = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";
/** Messages that wait on one connection before a server counts as overwhelmed by a rate. */
const mostBehind = 65_536;
/** How long a server gets to come to rest before its memory is read, in milliseconds. */
const restTime = 500;

/** A run of which other programs took more than this part is made again … */
const tolerableWait = 0.1;
/** … so that it was made this often at most; the least disturbed one counts. */
const attempts = 2;

/**
 * Measures `row` once with `peer`.
 *
 * A load that wakes late finds more replies at once, and a server that writes each by itself then looks cheaper than it is.
 */
export async function run(row: Row, peer: Peer, settings: RunSettings): Promise<Sample> {
  let best = await attempt(row, peer, settings);
  for (let made = 1; made < attempts && waitOf(best) > tolerableWait; made++) {
    const next = await attempt(row, peer, settings);
    if (waitOf(next) < waitOf(best)) best = next;
  }
  return best;
}

function waitOf({ load }: Sample): number {
  return load?.waited ?? 0;
}

async function attempt(row: Row, peer: Peer, settings: RunSettings): Promise<Sample> {
  if (row.kind === "client") return runClient(row, peer, settings);
  if (row.kind === "nodes") return (await import("./nodes.ts")).runNodes(row, peer, settings);
  const publications = row.publications ?? 1;
  const environment = {
    ...peer.environment,
    BENCH_JOB: row.job,
    BENCH_CONNECTIONS: String(row.load.connections - (row.load.slow ?? 0)),
    BENCH_PUBLICATIONS: String(publications),
    BENCH_PUBLICATION_SIZE: String(row.publicationSize ?? 64),
    ...(row.figure === "longest pause" && { BENCH_PAUSES: "1" }),
    ...(row.load.secure && { BENCH_CERTIFICATE: certificateFiles().cert, BENCH_KEY: certificateFiles().key }),
  };
  const server = await ServerProcess.start(peer.command, environment, serverCpu);
  try {
    const measure = { server: loadServer, "idle memory": idleMemory, "peak memory": peakMemory }[row.kind];
    return await measure({ row, peer, server, settings });
  } finally {
    await server.stop();
  }
}

interface Run {
  readonly row: Row;
  readonly peer: Peer;
  readonly server: ServerProcess;
  readonly settings: RunSettings;
}

async function loadServer(run: Run): Promise<Sample> {
  const { row, server, settings } = run;
  const { generator, duration } = settings;
  const { warmup = settings.warmup, mode } = row.load;
  const { bystander, slow, secure } = row.load;
  const needsC = mode === "rate" || mode === "storm" || bystander !== undefined || slow !== undefined || secure;
  if (needsC && generator.length > 1)
    throw new Error("There is no C compiler here, and the load in Node cannot do this");
  const options = await loadOptions(run);
  const load = new LoadProcess(withOptions(generator, { ...options, warmup, duration }), loadCpu).finish<LoadResult>();
  if (row.figure === "longest pause") {
    await delay(warmup);
    server.forgetPauses();
  }
  const result = await load;
  if (compressed(row)) checkLearned(result.learned ?? [], row.job, row.publicationSize ?? row.load.size ?? 0);
  const sample = sampleOf(result, row.publications ?? 1, server.remark);
  if (row.figure === undefined) return sample;
  if (row.figure === "longest pause") {
    const { longest, all } = await server.pauses();
    return { ...sample, figure: longest, remark: `${Math.round((all / result.seconds) * 10) / 10} ms of each second` };
  }
  return { ...sample, figure: row.figure === "time" ? result.seconds * 1000 : (result[row.figure] ?? 0) };
}

function compressed({ job }: Row): boolean {
  return job === "deflate" || job === "publish deflated";
}

/** The measured process is the client here, so it has the CPU that servers have in the other rows. */
async function runClient(row: Row, peer: Peer, { warmup, duration }: RunSettings): Promise<Sample> {
  const server = await ServerProcess.start(neutralServer, {}, loadCpu);
  try {
    const { connections, inflight = 1 } = row.load;
    const options = { port: server.port, connections, inflight, warmup, duration };
    const client = new LoadProcess(withOptions(peer.command, options), serverCpu);
    return sampleOf(await client.finish<LoadResult>(), 1, "");
  } finally {
    await server.stop();
  }
}

/** What a load's result says of a peer, of which each reply counts as so many messages. */
export function sampleOf(result: LoadResult, perReply: number, remark: string): Sample {
  const count = result.replies * perReply;
  if (count === 0) throw new Error(`No reply came in ${result.seconds} s; other programs took ${result.waited} s`);
  const { seconds, p50, p99, p999, slowest = 0 } = result;
  return {
    figure: (result.serverCpu * 1e6) / count,
    remark,
    load: {
      rate: count / seconds,
      busy: result.serverCpu / seconds,
      loadBusy: result.loadCpu / seconds,
      waited: result.waited / seconds,
      p50,
      p99,
      p999,
      slowest,
    },
  };
}

async function idleMemory(run: Run): Promise<Sample> {
  const { row, server, settings } = run;
  const options = await loadOptions(run);
  // What the first connections cost once for all is no cost of a connection.
  const first = await hold(settings, { ...options, connections: 200 });
  await first.finish();
  const before = await restingSize(server);
  const load = await hold(settings, options);
  const after = await restingSize(server);
  const result = await load.finish<LoadResult>();
  if (compressed(row)) checkLearned(result.learned ?? [], row.job, row.load.size ?? 0);
  return { figure: (after - before) / row.load.connections / 1024, remark: server.remark };
}

async function peakMemory(run: Run): Promise<Sample> {
  const { row, server, settings } = run;
  const options = await loadOptions(run);
  const small = writePayload({ job: row.job, size: 64, publications: 1, publicationSize: 64, raw: false });
  const first = await hold(settings, { ...options, ...small, connections: 100 });
  await first.finish();
  const before = await restingSize(server);
  server.resetPeak();
  const load = await hold(settings, options);
  const peak = server.peakSize;
  await load.finish();
  return { figure: (peak - before) / 1024 / 1024, remark: server.remark };
}

/** A load that has done its part and holds its connections open. */
async function hold({ generator }: RunSettings, options: Options): Promise<LoadProcess> {
  const load = new LoadProcess(withOptions(generator, options), loadCpu);
  await load.ready();
  return load;
}

async function restingSize(server: ServerProcess): Promise<number> {
  await delay(restTime);
  await server.collectGarbage();
  await delay(restTime);
  return server.residentSize;
}

type Options = Readonly<Record<string, string | number>>;

/** A command with options behind it. */
export function withOptions([program, ...args]: Command, options: Options): Command {
  return [program, ...args, ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])];
}

async function loadOptions(run: Run): Promise<Options> {
  const { row, peer, server } = run;
  const { mode, connections, size, bystander, slow, browserHead, secure } = row.load;
  const raw = peer.raw === true && mode !== "handshake" && mode !== "storm";
  const { publications = 1, publicationSize = 64 } = row;
  const files: PayloadFiles | undefined =
    size === undefined ? undefined : writePayload({ job: row.job, size, publications, publicationSize, raw });
  const aside = writePayload({ job: "echo", size: 64, publications: 1, publicationSize: 64, raw });
  const rate = row.load.rate ?? bystander;
  const options = {
    port: server.port,
    pid: server.pid,
    connections,
    inflight: row.load.inflight ?? (rate === undefined ? 1 : mostBehind),
    raw: raw ? 1 : 0,
    ...(compressed(row) && { extensions: deflateOffer }),
    ...files,
    ...(bystander !== undefined && { aside: aside.send, "aside-expect": aside.expect }),
    ...(slow !== undefined && { slow }),
    ...(browserHead && { head: "browser" }),
    ...(secure && { tls: 1 }),
  };
  if (rate === undefined) return { mode, ...options };
  return { mode, ...options, rate: rate >= 1 ? rate : Math.round(rate * (await ownRate(run, options))) };
}

/** Messages a second that the peer sends back with one in flight on each connection. */
async function ownRate({ settings }: Run, options: Options): Promise<number> {
  const { generator, warmup, duration } = settings;
  const closed = { ...options, mode: "echo", inflight: 1, warmup, duration };
  const { replies, seconds } = await new LoadProcess(withOptions(generator, closed), loadCpu).finish<LoadResult>();
  return replies / seconds;
}
