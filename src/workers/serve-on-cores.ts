/**
 * `serveOnCores`: one module in several processes or threads of one machine, which serve the same port.
 */

import cluster from "node:cluster";
import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { ClusterRecord } from "../cluster/cluster-options.ts";
import { checkNumber } from "../protocol/check-number.ts";
import { checkOptions, describe, type OptionTable } from "../protocol/check-options.ts";
import { type DrainOptions, resolveDrain } from "../server/drain.ts";
import { realTime } from "../transport/clock.ts";
import { findReusePort, Listeners } from "./primary/listeners.ts";
import { Member, type Membership, sleep } from "./primary/member.ts";
import { add, type Sum, type WorkersMetrics, zero } from "./primary/metrics.ts";
import { startProcess, startThread } from "./primary/started.ts";
import { isWorkerProcess } from "./seat/process-seat.ts";
import { threadSeat } from "./seat/thread-seat.ts";

/** The options of `serveOnCores`; times in milliseconds. */
export interface ServeOnCoresOptions {
  /**
   * The module that each worker runs: a path, or a URL of a file such as `new URL("./server.js", import.meta.url)`. It calls `serve`
   * with `cluster: workerCluster()`.
   */
  readonly entry: string | URL;
  /** How many workers. Default `availableParallelism()` of `node:os`. */
  readonly workers?: number;
  /** Whether the workers are threads, which needs `reusePort`, in place of processes. Default false. */
  readonly threads?: boolean;
  /** Whether SIGTERM and SIGINT drain all workers and end the process with 0; a second one ends it at once. Default true. */
  readonly signals?: boolean;
  /** The options of `drain` for signals, for `drain` and for `restart`. Default: those of `server.drain`. */
  readonly drain?: Omit<DrainOptions, "stopListening">;
  /** How long a worker may take until it serves. Default 30 s. */
  readonly startTimeout?: number;
  /** Where sentences about workers go. Default: warnings and errors to stderr. */
  readonly log?: (record: ClusterRecord) => void;
}

const table: OptionTable<ServeOnCoresOptions> = {
  entry: ["string", "object"],
  workers: "number",
  threads: "boolean",
  signals: "boolean",
  drain: "object",
  startTimeout: "number",
  log: "function",
};

/** A worker that dies sooner than this after it began to serve is started again later each time, in milliseconds. */
const soon = 10_000;
/** The first and the longest wait before a worker is started again, in milliseconds. */
const shortestWait = 100;
const longestWait = 10_000;
/** After so many starts in a row that failed, while no worker serves, it is over. */
const mostFailures = 10;

/** The place of one worker: when the worker dies, the next one has it. */
interface Place {
  member: Member;
  /** Deaths soon after the start, in a row. */
  deaths: number;
  /** Whether another worker is being started for it. */
  isHeld: boolean;
}

/**
 * Starts a module in several workers, and resolves when each of them serves. One that dies is started again.
 *
 * Rejects when a worker ends before it serves, with its error as `cause` where that is known, and with the code of the error
 * of `serve`, such as `EADDRINUSE`; then no worker is left. Rejects with a TypeError or a RangeError for options that cannot
 * be, for threads where the system has no `reusePort`, for processes where Node was given its program as text, and in a worker.
 */
export async function serveOnCores(options: ServeOnCoresOptions): Promise<Workers> {
  checkOptions(action, options, table);
  const { entry, workers = availableParallelism(), threads = false, startTimeout = 30_000 } = options;
  if (isWorkerProcess() || threadSeat() !== undefined) {
    throw new TypeError(`Cannot ${action}: this is one of its workers; the entry calls serve, and another module this`);
  }
  if (cluster.isWorker && !threads) throw new TypeError(`Cannot ${action}: this is a worker of node:cluster`);
  checkNumber(action, "workers", workers, { least: 1, most: 1024, whole: true });
  checkNumber(action, "startTimeout", startTimeout, "finiteTime");
  resolveDrain(options.drain ?? {});
  const path = pathOf(entry);
  const given = process.execArgv.find((option) => /^(?:-e|-p|-pe|--eval|--print|--input-type)(?:=|$)/.test(option));
  if (given !== undefined && !threads) {
    throw new TypeError(`Cannot ${action}: each worker would run the text of node ${given}, too; put it into a file`);
  }
  const hasReusePort = await findReusePort();
  if (threads && !hasReusePort) {
    throw new TypeError(
      `Cannot ${action}: threads need reusePort, which Node ${process.versions.node} has not on this system; ` +
        "processes do without",
    );
  }
  const start = () => (threads ? startThread(path) : startProcess(path));
  return startAll(new Workers(options, start, hasReusePort), workers);
}

const action = "serve on cores";

function pathOf(entry: unknown): string {
  const isUrl = entry instanceof URL || (typeof entry === "string" && entry.startsWith("file:"));
  if (!isUrl && typeof entry !== "string") {
    throw new TypeError(`Cannot ${action}: the option "entry" must be a path or a URL, not ${describe(entry)}`);
  }
  const url = entry instanceof URL ? entry.href : entry;
  if (/^[a-z][a-z\d+.-]+:/i.test(url) && !url.startsWith("file:")) {
    throw new TypeError(`Cannot ${action}: the option "entry" must be a path or a URL of file:, not ${describe(url)}`);
  }
  const path = isUrl ? fileURLToPath(entry) : resolve(entry);
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return path;
  throw new TypeError(`Cannot ${action}: the option "entry" is no file: ${path}`);
}

/** Starts the workers of an object. */
let startAll: (workers: Workers, count: number) => Promise<Workers>;

/** The workers of one machine, as `serveOnCores` returns them. */
export class Workers {
  readonly #options: ServeOnCoresOptions;
  readonly #start: () => ConstructorParameters<typeof Member>[0];
  readonly #membership: Membership;
  readonly #members = new Set<Member>();
  readonly #places = new Set<Place>();
  /** Resolves when all workers are gone. Rejects when none is left and none can be started any more. */
  readonly ended: Promise<void>;
  readonly #waits = new Set<() => void>();
  readonly #onSignal = () => void this.#signalled();
  /** The counts of workers that are gone. */
  #gone: Sum = zero;
  #restarts = 0;
  /** Starts that failed, in a row. */
  #failures = 0;
  #port = 0;
  #isLeaving = false;
  #settle!: (error: Error | undefined) => void;
  #restarting: Promise<void> | undefined;

  /** @internal Applications call `serveOnCores`. */
  constructor(
    options: ServeOnCoresOptions,
    start: () => ConstructorParameters<typeof Member>[0],
    hasReusePort: boolean,
  ) {
    const { signals = true, drain = {}, startTimeout = 30_000 } = options;
    this.#options = options;
    this.ended = new Promise((resolve, reject) => {
      this.#settle = (error) => (error ? reject(error) : resolve());
    });
    this.#start = start;
    const joined = new Set<Member>();
    const listeners = new Listeners<Member>(hasReusePort);
    this.#membership = { listeners, drain: signals ? resolveDrain(drain) : undefined, startTimeout, joined };
    if (signals) for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, this.#onSignal);
  }

  static {
    startAll = async (workers, count) => {
      try {
        // Where the first one cannot serve, no other can.
        await workers.#fill();
        await Promise.all(Array.from({ length: count - 1 }, () => workers.#fill()));
      } catch (error) {
        // A signal has come meanwhile: the process ends.
        if (workers.#isLeaving) await new Promise(() => {});
        await workers.#end(undefined, (member) => member.kill());
        throw error;
      }
      return workers;
    };
  }

  /** The port of the first server of each worker. */
  get port(): number {
    return this.#port;
  }

  /** The numbers of all workers, added up. Never rejects. */
  async metrics(): Promise<WorkersMetrics> {
    const members = [...this.#members].filter(({ servesSince }) => servesSince !== undefined);
    const told = await Promise.all(members.map((member) => member.count()));
    const sum = [...this.#members].reduce((all, { numbers }) => add(all, numbers), this.#gone);
    const workers = [...this.#members].filter(({ accepts }) => accepts).length;
    const silentWorkers = told.filter((isTold) => !isTold).length;
    return { ...sum, workers, silentWorkers, restarts: this.#restarts };
  }

  /**
   * Sends the clients of all workers away at the same time, as `server.drain` does, and ends the workers. One that takes
   * five seconds longer than the deadline is ended by force.
   *
   * Rejects with a RangeError for a close code or a number that cannot be.
   */
  async drain(options: Omit<DrainOptions, "stopListening"> = {}): Promise<void> {
    const resolved = resolveDrain({ ...this.#options.drain, ...options });
    await this.#end(undefined, (member) => member.drain(resolved));
  }

  /**
   * Starts a new worker in the place of each old one, one after another: when the new one serves, the old one listens no
   * more, drains and ends. A second call joins the first.
   *
   * Rejects when a new worker does not come to serve; those not replaced yet stay. Rejects with a RangeError as `drain` does.
   */
  async restart(options: Omit<DrainOptions, "stopListening"> = {}): Promise<void> {
    const resolved = resolveDrain({ ...this.#options.drain, ...options, stopListening: true });
    this.#restarting ??= this.#restartAll(resolved).finally(() => {
      this.#restarting = undefined;
    });
    await this.#restarting;
  }

  /** Closes the servers of all workers, as `server.close` does, and ends the workers. Never rejects. */
  close(): Promise<void> {
    return this.#end(undefined, (member) => member.close());
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(error: Error | undefined, leave: (member: Member) => Promise<void>): Promise<void> {
    this.#isLeaving = true;
    for (const cancel of this.#waits) cancel();
    await Promise.all([...this.#members].map(leave));
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.off(signal, this.#onSignal);
    this.#settle(error);
  }

  async #signalled(): Promise<void> {
    if (this.#isLeaving) {
      for (const member of this.#members) void member.kill();
      process.exit(1);
    }
    await this.drain();
    process.exit(0);
  }

  /** Starts a worker; resolves with it when it serves. */
  async #startOne(): Promise<Member> {
    const member = new Member(this.#start(), this.#membership);
    this.#members.add(member);
    void member.ended.then(() => {
      this.#members.delete(member);
      this.#gone = add(this.#gone, member.lastCounts);
    });
    await member.served();
    this.#failures = 0;
    this.#port = member.port;
    return member;
  }

  async #fill(): Promise<void> {
    const place = { member: await this.#startOne(), deaths: 0, isHeld: false };
    this.#places.add(place);
    void this.#watch(place);
  }

  /** Starts the next worker of a place when its worker dies. */
  async #watch(place: Place): Promise<void> {
    const { member } = place;
    const { how } = await member.ended;
    if (this.#isLeaving || place.isHeld || place.member !== member) return;
    place.deaths = realTime.now() - member.servesSince! < soon ? place.deaths + 1 : 0;
    this.#log("warn", `A worker ended ${how}, and is started again`);
    await this.#refill(place);
  }

  async #refill(place: Place): Promise<void> {
    for (;;) {
      const { over, cancel } = sleep(Math.min(longestWait, shortestWait * 2 ** place.deaths));
      this.#waits.add(cancel);
      await over;
      this.#waits.delete(cancel);
      if (this.#isLeaving) return;
      try {
        place.member = await this.#startOne();
        this.#restarts++;
        return void this.#watch(place);
      } catch (thrown) {
        const error = thrown as Error;
        if (this.#isLeaving) return;
        place.deaths++;
        this.#failures++;
        this.#log("error", `A worker could not be started again: ${error.message}`, error);
        const isServed = [...this.#members].some(({ isServing }) => isServing);
        if (isServed || this.#failures < mostFailures) continue;
        return this.#end(error, (member) => member.kill());
      }
    }
  }

  async #restartAll(options: Required<DrainOptions>): Promise<void> {
    for (const place of this.#places) {
      const old = place.member;
      // Who is dead has a new one in its place soon.
      if (!old.isServing) continue;
      place.isHeld = true;
      try {
        place.member = await this.#startOne();
        void this.#watch(place);
      } catch (error) {
        if (this.#isLeaving) return;
        throw error;
      } finally {
        place.isHeld = false;
        if (place.member === old && !old.isServing) void this.#refill(place);
      }
      await old.drain(options);
    }
  }

  #log(level: ClusterRecord["level"], message: string, error?: Error): void {
    try {
      (this.#options.log ?? toStderr)({ level, message, ...(error && { error }) });
    } catch (thrown) {
      console.error("The logging hook of serveOnCores threw:", thrown);
    }
  }
}

function toStderr({ level, message }: ClusterRecord): void {
  if (level !== "info") console.error(message);
}
