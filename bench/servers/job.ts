/**
 * What every server program here shares: which job it has, and the lines it exchanges with the harness.
 *
 * It prints `port N` when it listens, and behind it what the table should say of the way it works; on standard input `gc` makes it collect garbage and print `gc done`; when its
 * standard input ends it exits, so that none outlives the harness.
 */
import { createInterface } from "node:readline";

/** What the server does with a message. */
export type Job =
  /** Sends it back, binary as binary. */
  | "echo"
  /** Takes text as a string and sends the string back. */
  | "text"
  /** As `text`, with permessage-deflate from byte 0 on and no context takeover. */
  | "deflate"
  /** Sends `publications` to every connection. */
  | "publish"
  /** Answers `ok`. */
  | "sink";

/** The job of this process. */
export const job: Job = (process.env.BENCH_JOB ?? "echo") as Job;

/** How many connections the load opens. */
export const connections: number = Number(process.env.BENCH_CONNECTIONS ?? 1);

/** The messages of one turn of the job `publish`: text of 64 bytes, no two alike. */
export const publications: readonly string[] = publicationsOf(Number(process.env.BENCH_PUBLICATIONS ?? 1));

/** The first `count` messages that the job `publish` sends in a turn. */
export function publicationsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `{"publication":${index},"text":"`.padEnd(62, ".").concat('"}'));
}

/** Tells the harness the port, and obeys it from then on. */
export function listening(port: number, remark = ""): void {
  console.log(`port ${port} ${remark}`);
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
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
