/**
 * An example's program, run as its package.json says and as a copy of its folder would be: in a process of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { linkPackage, readExamples } from "../../scripts/example.mjs";

/** How a program ended: its exit code, or -1 when a signal killed it, and all that it printed. */
export interface ExampleEnd {
  readonly code: number;
  readonly output: string;
}

/** A program that runs, or has ended. */
export interface ExampleProcess {
  readonly process: ChildProcess;
  /** Everything printed so far, on stdout and stderr. */
  output(): string;
  /** Resolves when the output has something of this form; rejects when the program ends without. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  /** The port in the first URL that it prints. */
  port(): Promise<number>;
  /** Sends the signal to it and to all that it started, as Ctrl-C in a terminal does, and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<ExampleEnd>;
  readonly ended: Promise<ExampleEnd>;
}

/** What differs from `npm start` on a free port. */
export interface ExampleOptions {
  readonly script?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The folder of the repository. */
export const root: string = fileURLToPath(new URL("../../", import.meta.url));

/** Where examples put files: each test file has its own. */
const scratch = `${root}.cache/examples-${process.pid}`;
const places = { CERTIFICATES: `${scratch}/certificates`, UPLOADS: `${scratch}/uploads` };
const running = new Set<ChildProcess>();

/** Starts a script of the example, on port 0 unless `env` says otherwise. */
export function startExample(name: string, options: ExampleOptions = {}): ExampleProcess {
  linkPackage();
  const { script = "start", args = [], env = {} } = options;
  const scripts = readExamples().get(name)?.scripts as Record<string, string> | undefined;
  const [program, ...words] = scripts?.[script]?.split(" ") ?? [];
  if (program !== "node") throw new Error(`Cannot start ${name}: its script "${script}" does not begin with node`);
  return startProcess(process.execPath, [...words, ...args], { cwd: `${root}examples/${name}`, env });
}

/** Starts a program in a process group of its own, and collects what it prints and how it ends. */
export function startProcess(
  program: string,
  args: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): ExampleProcess {
  const variables = { ...process.env, PORT: "0", ...places, ...env };
  const child = spawn(program, args, { cwd, env: variables, detached: true });
  let output = "";
  let look = () => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      look();
    });
  }
  running.add(child);
  const ended = once(child, "close").then(([code]): ExampleEnd => {
    running.delete(child);
    return { code: code ?? -1, output };
  });
  const until = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const lookBefore = look;
      look = () => {
        lookBefore();
        const match = pattern.exec(output);
        if (match) resolve(match);
      };
      look();
      void ended.then(() => reject(new Error(`It ended without ${pattern}: ${output}`)));
    });
  return {
    process: child,
    output: () => output,
    until,
    port: async () => Number((await until(/(?:http|ws)s?:\/\/localhost:(\d+)/))[1]),
    stop: (signal = "SIGINT") => {
      signalGroup(child, signal);
      return ended;
    },
    ended,
  };
}

function signalGroup({ pid = 0 }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // It has ended, and what it printed is still being read.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Kills what a test left running, and removes what it left in files. */
export async function stopExamples(): Promise<void> {
  for (const child of [...running]) {
    signalGroup(child, "SIGKILL");
    if (running.has(child)) await once(child, "close");
  }
  rmSync(scratch, { recursive: true, force: true });
}
