/**
 * Servers and loads as processes of their own, each on its own CPU where `taskset` is there.
 *
 * Every process started here is stopped here, also when a run fails: a server ends when its standard input does.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";

/** A program and its arguments. */
export type Command = readonly [program: string, ...args: string[]];

const canPin = process.platform === "linux" && worksHere("taskset", ["--version"]);
/** The CPU of what is measured. */
export const serverCpu = 0;
/** The CPU of what drives it. */
export const loadCpu = 1;
/** How long a process may take until it says what is waited for, in milliseconds. */
const patience = 30_000;

/** Whether `program` can be run. */
export function worksHere(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A server under load. */
export class ServerProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly port: number;
  /** What it says of its way of working; may be empty. */
  readonly remark: string;

  private constructor(child: ChildProcessWithoutNullStreams, lines: Interface, announcement: string) {
    this.#child = child;
    this.#lines = lines;
    const [, port, ...remark] = announcement.split(" ");
    this.port = Number(port);
    this.remark = remark.join(" ");
  }

  /** Starts the program on that CPU; resolves when it listens. */
  static async start(command: Command, environment: Record<string, string>, cpu: number): Promise<ServerProcess> {
    const child = start(command, cpu, environment);
    const lines = createInterface({ input: child.stdout });
    return new ServerProcess(child, lines, await nextLine(child, lines, "port "));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Makes the process collect its garbage; resolves when it has. */
  async collectGarbage(): Promise<void> {
    const done = nextLine(this.#child, this.#lines, "gc done");
    this.#child.stdin.write("gc\n");
    await done;
  }

  /** Milliseconds that collections have taken since `forgetPauses`: the longest, and all. */
  async pauses(): Promise<{ readonly longest: number; readonly all: number }> {
    const line = nextLine(this.#child, this.#lines, "pauses ");
    this.#child.stdin.write("pauses\n");
    const [, longest, all] = (await line).split(" ");
    return { longest: Number(longest), all: Number(all) };
  }

  /** Counts pauses from now on. */
  forgetPauses(): void {
    this.#child.stdin.write("forget\n");
  }

  /** Bytes of memory that are resident now. */
  get residentSize(): number {
    return kibibytes(this.pid, "VmRSS") * 1024;
  }

  /** The most bytes that were resident since `resetPeak`. */
  get peakSize(): number {
    return kibibytes(this.pid, "VmHWM") * 1024;
  }

  resetPeak(): void {
    writeFileSync(`/proc/${this.pid}/clear_refs`, "5");
  }

  /** The line of JSON with which the program answers any line. */
  async report<Result>(): Promise<Result> {
    const line = nextLine(this.#child, this.#lines, "{");
    this.#child.stdin.write("report\n");
    return JSON.parse(await line) as Result;
  }

  /** Ends it as a crash does; resolves when it is gone. */
  async kill(): Promise<void> {
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  async stop(): Promise<void> {
    await stop(this.#child);
  }
}

/** A load generator or a client program under measurement. */
export class LoadProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;

  constructor(command: Command, cpu: number) {
    this.#child = start(command, cpu, {});
    this.#lines = createInterface({ input: this.#child.stdout });
  }

  /** The load has opened its connections, which may take so many milliseconds, and holds them until `finish`. */
  async ready(within: number = patience): Promise<void> {
    await nextLine(this.#child, this.#lines, "ready", within);
  }

  /** Lets the load end; resolves with the JSON that it prints, within so many milliseconds. */
  async finish<Result>(within: number = patience): Promise<Result> {
    const line = nextLine(this.#child, this.#lines, "{", within);
    this.#child.stdin.end();
    const result = JSON.parse(await line) as Result;
    await this.stop();
    return result;
  }

  async stop(): Promise<void> {
    await stop(this.#child);
  }
}

function start(command: Command, cpu: number, environment: Record<string, string>): ChildProcessWithoutNullStreams {
  const [program, ...args] = canPin ? ["taskset", "-c", String(cpu), ...command] : command;
  const child = spawn(program as string, args, { env: { ...process.env, ...environment } });
  children.add(child);
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text: string) =>
    complaints.set(child, ((complaints.get(child) ?? "") + text).slice(0, 4000)),
  );
  child.once("exit", () => children.delete(child));
  child.stdin.on("error", () => {});
  return child;
}

const children = new Set<ChildProcessWithoutNullStreams>();
const complaints = new WeakMap<ChildProcessWithoutNullStreams, string>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** The next line that starts with `prefix`; rejects with what the process wrote to stderr when it ends before. */
function nextLine(
  child: ChildProcessWithoutNullStreams,
  lines: Interface,
  prefix: string,
  within: number = patience,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void): void => {
      clearTimeout(timer);
      lines.off("line", onLine);
      child.off("close", onClose);
      child.off("error", onError);
      outcome();
    };
    const onLine = (line: string): void => {
      if (line.startsWith(prefix)) settle(() => resolve(line));
    };
    const onError = (error: Error): void => settle(() => reject(error));
    const onClose = (): void => settle(() => reject(new Error(complaints.get(child)?.trim() ?? "The process ended")));
    const timer = setTimeout(() => onError(new Error(`No "${prefix}" from the process in time`)), within);
    lines.on("line", onLine);
    child.once("close", onClose);
    child.once("error", onError);
  });
}

function stop(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), 3000);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.stdin.end();
  });
}

function kibibytes(pid: number, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  if (found === undefined) throw new Error(`Cannot measure memory: no ${field} in /proc`);
  return Number(found);
}
