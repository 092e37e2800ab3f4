/**
 * The built demo as `npm start` runs it: a process of its own, on a port of the system's choice unless told otherwise.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const entry = fileURLToPath(new URL("../../demo/dist/server/main.js", import.meta.url));

/** How a process ended: its exit code, or the signal that killed it, and what it said. */
export interface DemoEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** A running demo. */
export interface DemoProcess {
  /** `http://localhost:<port>`. */
  readonly url: string;
  readonly port: number;
  /** Everything printed so far. */
  readonly stdout: () => string;
  /** Sends a signal. */
  signal(signal: NodeJS.Signals): void;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<DemoEnd>;
}

/** How it is started, but for its port: arguments, and what is added to its environment. */
export interface DemoStart {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the demo; rejects with what it printed when it ends before it listens. Throws when the demo is not built. */
export async function startDemo(port = 0, { args = [], env = {} }: DemoStart = {}): Promise<DemoProcess> {
  if (!existsSync(entry)) throw new Error("Cannot start the demo: it is not built (node scripts/setup.mjs builds it)");
  const child = spawn(process.execPath, [entry, ...args], {
    env: { ...process.env, PORT: String(port), HOST: "127.0.0.1", ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  const ended = once(child, "close").then(([code, signal]): DemoEnd => ({ code, signal, stderr }));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk;
      const match = /http:\/\/\S+/.exec(stdout);
      if (match !== null && stdout.includes("/echo\n")) resolve(match[0]);
    });
    void ended.then((end) => reject(Object.assign(new Error(`The demo ended: ${end.stderr}`), { end })));
  });
  return {
    url,
    port: Number(new URL(url).port),
    stdout: () => stdout,
    signal: (signal) => void child.kill(signal),
    stop: (signal = "SIGTERM") => {
      child.kill(signal);
      return ended;
    },
  };
}
