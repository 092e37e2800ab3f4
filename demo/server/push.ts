/**
 * The push feed: looks at the machine twice a second and tells every watcher, who asked for nothing.
 * One timer for all watchers; each newcomer first gets the last minute, so that no chart starts empty.
 */
import { availableParallelism, cpus, freemem, loadavg, platform, totalmem } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { ServerMetrics } from "openline";
import type { PushMessage, Sample } from "./messages.ts";
import { SAMPLE_INTERVAL, SAMPLES_KEPT } from "./messages.ts";
import type { Subscriber, Traffic } from "./traffic.ts";

const TOPIC = "push";
const MEBIBYTE = 1024 * 1024;
const DELAY_RESOLUTION = 20;
const MACHINE = `${availableParallelism()} cores, ${(totalmem() / 1024 / MEBIBYTE).toFixed(1)} GiB, ${platform()}`;

/** Takes a sample every `SAMPLE_INTERVAL` and sends it to all watchers. */
export class PushFeed {
  readonly #traffic: Traffic;
  readonly #samples: Sample[] = [];
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION });
  readonly #timer: NodeJS.Timeout;
  #before: Reading;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
    this.#before = read(traffic);
    this.#delay.enable();
    this.#timer = setInterval(() => this.#take(), SAMPLE_INTERVAL);
  }

  /** The newest sample, or none in the first half second. */
  get latest(): Sample | undefined {
    return this.#samples.at(-1);
  }

  /** Tells a newcomer the last minute, then everything as it comes, until it leaves. */
  add(watcher: Subscriber): void {
    const history: PushMessage = { is: "history", samples: this.#samples, machine: MACHINE };
    this.#traffic.send(watcher, history);
    watcher.subscribe(TOPIC);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#delay.disable();
  }

  #take(): void {
    const now = read(this.#traffic);
    const sample: Sample = {
      ...difference(this.#before, now),
      at: Date.now(),
      load: round(loadavg()[0] ?? 0),
      machineMemory: Math.round((totalmem() - freemem()) / MEBIBYTE),
      processMemory: round(process.memoryUsage.rss() / MEBIBYTE),
      delayMedian: this.#delayAt(50),
      delayP99: this.#delayAt(99),
      connections: now.metrics?.connections ?? 0,
      buffered: round((now.metrics?.bufferedAmount ?? 0) / 1024),
      refused: Object.values(now.metrics?.refused ?? {}).reduce((sum, count) => sum + count, 0),
    };
    this.#before = now;
    this.#delay.reset();
    this.#samples.push(sample);
    if (this.#samples.length > SAMPLES_KEPT) this.#samples.shift();
    this.#tell(sample);
  }

  /** Publishes to all watchers; the message is encoded once for all of them. */
  #tell(sample: Sample): void {
    const message: PushMessage = { is: "sample", sample };
    this.#traffic.publish(TOPIC, message);
  }

  /** The histogram holds the time between two ticks of its own timer, so that timer's period is taken off. */
  #delayAt(percentile: number): number {
    return round(Math.max(0, this.#delay.percentile(percentile) / 1e6 - DELAY_RESOLUTION));
  }
}

interface Reading {
  readonly time: number;
  readonly idle: number;
  readonly total: number;
  readonly process: number;
  readonly metrics: ServerMetrics | undefined;
}

function read(traffic: Traffic): Reading {
  let idle = 0;
  let total = 0;
  for (const { times } of cpus()) {
    idle += times.idle;
    total += times.idle + times.user + times.nice + times.sys + times.irq;
  }
  const { user, system } = process.cpuUsage();
  const metrics = traffic.metrics();
  return { time: performance.now(), idle, total, process: (user + system) / 1000, metrics };
}

type Counted = "messagesReceived" | "messagesSent" | "bytesReceived" | "bytesSent";
type Differences = "machineCpu" | "processCpu" | "received" | "sent" | "bytesReceived" | "bytesSent";

function difference(before: Reading, now: Reading): Pick<Sample, Differences> {
  const elapsed = now.time - before.time;
  const ticks = now.total - before.total;
  const perSecond = (name: Counted, unit = 1): number =>
    round((1000 * ((now.metrics?.[name] ?? 0) - (before.metrics?.[name] ?? 0))) / unit / elapsed);
  return {
    machineCpu: ticks === 0 ? 0 : round(100 * (1 - (now.idle - before.idle) / ticks)),
    processCpu: round((100 * (now.process - before.process)) / elapsed),
    received: perSecond("messagesReceived"),
    sent: perSecond("messagesSent"),
    bytesReceived: perSecond("bytesReceived", 1024),
    bytesSent: perSecond("bytesSent", 1024),
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
