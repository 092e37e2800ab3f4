/**
 * What every server program here shares: which job it has, and the lines it exchanges with the harness.
 *
 * It prints `port N` when it listens, and behind it what the table should say of the way it works. On standard input `gc`
 * makes it collect garbage and print `gc done`, `pauses` tell how long collections took since `forget`. When its standard
 * input ends it exits, so that none outlives the harness.
 */
import { readFileSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";
import { createInterface } from "node:readline";

/** What the server does with a message. */
export type Job =
  /** Sends it back, binary as binary. */
  | "echo"
  /** Takes text as a string and sends the string back. */
  | "text"
  /** As `text`, with permessage-deflate from byte 0 on and no context takeover. */
  | "deflate"
  /** Sends `publications` to every connection that has sent nothing binary, and sends back what is binary. */
  | "publish"
  /** As `publish`, with permessage-deflate as in `deflate`. */
  | "publish deflated"
  /** As `publish`, each connection being subscribed to ten topics of 10,000, three to each. */
  | "topics"
  /** Answers `ok`. */
  | "sink";

/** The job of this process. */
export const job: Job = (process.env.BENCH_JOB ?? "echo") as Job;

/** Whether messages are compressed. */
export const compresses: boolean = job.includes("deflate");

/** Whether connections get what another has caused. */
export const publishes: boolean = job.startsWith("publish") || job === "topics";

/** The certificate of a server whose load comes over TLS, in PEM; undefined for any other. */
export const tls: { readonly cert: string; readonly key: string } | undefined = certificate();

function certificate(): typeof tls {
  const { BENCH_CERTIFICATE: cert, BENCH_KEY: key } = process.env;
  return cert && key ? { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") } : undefined;
}

/** The topics of the connection with that number, in the order in which they are published to. */
export function topicsOf(connection: number): string[] {
  const first = Math.floor(connection / 3) * 10;
  return publications.map((_, index) => `topic-${first + index}`);
}

/** How many connections the load opens. */
export const connections: number = Number(process.env.BENCH_CONNECTIONS ?? 1);

/** What one turn of a job that publishes sends to each connection. */
export const publications: readonly string[] = publicationsOf(
  Number(process.env.BENCH_PUBLICATIONS ?? 1),
  Number(process.env.BENCH_PUBLICATION_SIZE ?? 64),
);

/** Texts of that many bytes, no two alike. */
export function publicationsOf(count: number, size: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    let text = `{"publication":${index},"text":"`;
    // Not one character again and again, so that there is something to compress.
    for (let word = 0; text.length < size - 2; word++) text += `${(word * 7919) % 977} `;
    return `${text.slice(0, size - 2)}"}`;
  });
}

/** Milliseconds that collections of garbage have taken since `forget` was read: the longest, and all. */
let longestPause = 0;
let allPauses = 0;
if (process.env.BENCH_PAUSES === "1") {
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      longestPause = Math.max(longestPause, duration);
      allPauses += duration;
    }
  }).observe({ entryTypes: ["gc"] });
}

/** Tells the harness the port, and obeys it from then on. */
export function listening(port: number, remark = ""): void {
  console.log(`port ${port} ${remark}`);
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    if (line === "pauses") return console.log(`pauses ${longestPause} ${allPauses}`);
    if (line === "forget") longestPause = allPauses = 0;
    if (line !== "gc") return;
    collect();
    console.log("gc done");
  });
  lines.on("close", () => process.exit());
}

function collect(): void {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  if (Bun) return Bun.gc(true);
  if (!gc) throw new Error("Cannot collect garbage: start with --expose-gc");
  gc();
}
