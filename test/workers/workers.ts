/** Workers of `worker-program.ts`, started in the test's process, and their clients. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { typescriptProgram } from "../../scripts/typescript-program.ts";
import { connect } from "../../src/client/connect.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { type ServeOnCoresOptions, serveOnCores, type Workers, type WorkersMetrics } from "../../src/workers/index.ts";
import { eventually } from "../support/eventually.ts";
import { afterwards } from "../support/serving.ts";
import type { Command, Settings } from "./worker-program.ts";

/** The module that the workers run. */
export const entry: string = typescriptProgram(new URL("./worker-program.ts", import.meta.url).pathname).at(-1)!;

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
/** Whether this Node has `reusePort`, which threads need. */
export const hasReusePort: boolean =
  process.platform === "linux" && (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12));

/** What a test starts, and what becomes of it: by default four processes on any port. */
export async function started(settings: Settings = {}, options: Partial<ServeOnCoresOptions> = {}): Promise<Workers> {
  process.env.WORKERS_TEST = JSON.stringify(settings);
  const workers = await serveOnCores({ entry, workers: 4, signals: false, log: () => {}, ...options });
  afterwards(() => workers.close());
  return workers;
}

/** The numbers of all workers, once all of them have answered in time. */
export async function numbersOf(workers: Workers): Promise<WorkersMetrics> {
  for (;;) {
    const numbers = await workers.metrics();
    if (numbers.silentWorkers === 0) return numbers;
  }
}

/** The path of a file that is not there yet, gone with the test. */
export function freshFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "openline-workers-"));
  afterwards(() => rmSync(folder, { recursive: true }));
  return join(folder, "flag");
}

/** A client, the worker that serves it, and what it got. */
export interface Client {
  readonly connection: Connection;
  readonly worker: string;
  readonly got: string[];
  /** Resolves with the worker's answer. */
  ask(command: Command): Promise<unknown>;
}

/** A client of whichever worker takes it. */
export async function client(port: number): Promise<Client> {
  const got: string[] = [];
  const answers: ((done: unknown) => void)[] = [];
  const greeted = { worker: "" };
  const connection = await connect(`ws://127.0.0.1:${port}/`, {
    message: (_, data) => {
      const text = String(data);
      if (!text.startsWith("{")) return void got.push(text.trimEnd());
      const { worker, done } = JSON.parse(text) as { readonly worker?: string; readonly done?: unknown };
      if (worker !== undefined) greeted.worker = worker;
      else answers.shift()!(done);
    },
  });
  afterwards(() => connection.terminate());
  await eventually(() => greeted.worker !== "" || connection.readyState === 3);
  const ask = (command: Command) => {
    connection.send(JSON.stringify(command));
    return new Promise<unknown>((resolve) => void answers.push(resolve));
  };
  return { connection, worker: greeted.worker, got, ask };
}

/** A client of each of `count` workers. */
export async function clientOfEach(port: number, count: number): Promise<Client[]> {
  const clients = new Map<string, Client>();
  while (clients.size < count) {
    const one = await client(port);
    if (one.worker === "" || clients.has(one.worker)) one.connection.terminate();
    else clients.set(one.worker, one);
  }
  return [...clients.values()];
}
