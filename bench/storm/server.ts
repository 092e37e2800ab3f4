/**
 * The server that is lost: openline with its defaults, on the port that BENCH_PORT names.
 *
 * It prints `port N` when it listens, answers each line on its standard input with a line of JSON, a `ServerReport`, and exits
 * when that input ends. OPENLINE_DIST names the folder of another build.
 */
import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
/** What the server knows, since it listens. */
export interface ServerReport {
  /** Connections that are open now. */
  readonly open: number;
  /** TCP connections that it accepted in each tenth of a second: each is a handshake that it began. */
  readonly begun: readonly number[];
  /** Delays of the event loop in milliseconds, with the 10 ms between two looks at it. */
  readonly delay: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Milliseconds that it was ready to run and others had its CPU; 0 where the system does not tell. */
  readonly waited: number;
}

const dist = process.env.OPENLINE_DIST;
const { serve } = (await import(dist ? `${dist}/index.js` : "openline")) as typeof import("openline");

const begun: number[] = [];
let listeningSince = performance.now();
subscribe("net.server.socket", () => {
  const tenth = Math.floor((performance.now() - listeningSince) / 100);
  begun[tenth] = (begun[tenth] ?? 0) + 1;
});
const server = await serve({ host: "127.0.0.1", port: Number(process.env.BENCH_PORT), routes: { "/": {} } });
listeningSince = performance.now();
const waitedBefore = waitedSoFar();
const delays = monitorEventLoopDelay({ resolution: 10 });
delays.enable();
console.log(`port ${server.port}`);
const lines = createInterface({ input: process.stdin });
lines.on("line", () => console.log(JSON.stringify(report())));
lines.on("close", () => process.exit());

function report(): ServerReport {
  const milliseconds = (nanoseconds: number): number => Math.round(nanoseconds / 1e5) / 10;
  return {
    open: server.metrics().connections,
    begun: Array.from(begun, (count) => count ?? 0),
    delay: {
      p50: milliseconds(delays.percentile(50)),
      p99: milliseconds(delays.percentile(99)),
      max: milliseconds(delays.max),
    },
    waited: Math.round(waitedSoFar() - waitedBefore),
  };
}

function waitedSoFar(): number {
  try {
    return Number(readFileSync("/proc/self/schedstat", "latin1").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}
