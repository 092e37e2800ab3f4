/**
 * Starts `cluster-process.ts` and asks its processes, from the outside as clients and whoever operates them would.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { typescriptProgram } from "../../scripts/typescript-program.ts";

/** How the workers come by their connections: the primary accepts them, they share its handle, or each listens itself. */
export type Sharing = "round robin" | "shared handle" | "reusePort";

/** The port of our own listener, and that of the `node:http` server. */
export type Ports = readonly [own: number, attached: number];

/** A process of the cluster. */
export interface WorkerProcess {
  readonly id: number;
  readonly pid: number;
  readonly ports: Ports;
}

/** What both servers of a worker have counted; how connections ended by close code. */
export interface Counts {
  readonly connections: number;
  readonly opened: number;
  readonly closed: Readonly<Record<string, number>>;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** What a worker can be asked, by way of the primary. */
export type AskedOfWorker =
  | { readonly ask: "count"; readonly id: number }
  | { readonly ask: "close"; readonly id: number }
  | { readonly ask: "leave"; readonly id: number; readonly over: number };

/** What the primary can be asked. */
export type Asked =
  | { readonly ask: "fork" }
  | { readonly ask: "exited" | "disconnect"; readonly id: number }
  | AskedOfWorker;

export type Answer = WorkerProcess | Counts | Exit;

/** A primary and what it has forked. */
export class Cluster {
  readonly #primary: ChildProcess;
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  #asked = 0;

  constructor(sharing: Sharing) {
    const script = new URL("./cluster-process.ts", import.meta.url).pathname;
    this.#primary = spawn(process.execPath, [...typescriptProgram(script), sharing], {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
    });
    this.#primary.on("message", ({ number, answer }: { number: number; answer: Answer }) => {
      this.#waiting.get(number)!.resolve(answer);
      this.#waiting.delete(number);
    });
    this.#primary.on("exit", (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`The primary ended with ${code}`));
    });
  }

  /** Resolves when the new worker serves. */
  fork(): Promise<WorkerProcess> {
    return this.#ask({ ask: "fork" });
  }

  count(id: number): Promise<Counts> {
    return this.#ask({ ask: "count", id });
  }

  /** Closes a worker's servers, then lets it go; resolves with its counts when they are closed. */
  close(id: number): Promise<Counts> {
    return this.#ask({ ask: "close", id });
  }

  /** Drains a worker's servers, which stop listening at once, then lets it go; resolves when that has begun. */
  leave(id: number, over: number): Promise<Counts> {
    return this.#ask({ ask: "leave", id, over });
  }

  /** Resolves when a worker has ended. */
  exited(id: number): Promise<Exit> {
    return this.#ask({ ask: "exited", id });
  }

  /** Has the primary disconnect a worker; resolves when the worker knows. */
  disconnect(id: number): Promise<Counts> {
    return this.#ask({ ask: "disconnect", id });
  }

  /** Kills the primary; the workers end when they notice. */
  async stop(): Promise<void> {
    if (this.#primary.exitCode !== null || this.#primary.signalCode !== null) return;
    this.#primary.kill("SIGKILL");
    await once(this.#primary, "exit");
  }

  #ask<Answered extends Answer>(asked: Asked): Promise<Answered> {
    const number = this.#asked++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as (answer: Answer) => void, reject });
      this.#primary.send({ number, asked });
    });
  }
}
