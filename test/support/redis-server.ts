/** A Redis server of Debian's, on a port and in a folder of its own, that can be killed and started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./program.ts";

/** See the head of this file. */
export class RedisServer {
  readonly port: number;
  readonly #executable: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "openline-redis-"));
  readonly #options: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(executable: string, port: number, options: readonly string[]) {
    this.#executable = executable;
    this.port = port;
    this.#options = options;
  }

  /** Starts a server that writes everything to its disk before it answers. */
  static async start(executable: string, options: readonly string[] = []): Promise<RedisServer> {
    const server = new RedisServer(executable, await freePort(), options);
    await server.restart();
    return server;
  }

  /** Starts it again, with the data that it has. */
  async restart(): Promise<void> {
    const args = ["--port", `${this.port}`, "--bind", "127.0.0.1", "--dir", this.#folder, "--save", ""];
    args.push("--appendonly", "yes", "--appendfsync", "always", ...this.#options);
    this.#process = spawn(this.#executable, args, { stdio: ["ignore", "pipe", "inherit"] });
    for await (const text of this.#process.stdout!.setEncoding("utf8")) {
      if (String(text).includes("Ready to accept connections")) break;
    }
  }

  /** Kills it with SIGKILL; `lose` takes its data as well. */
  async kill({ lose = false }: { readonly lose?: boolean } = {}): Promise<void> {
    const ended = once(this.#process!, "exit");
    this.#process!.kill("SIGKILL");
    await ended;
    if (lose)
      for (const name of ["appendonlydir", "dump.rdb"])
        rmSync(join(this.#folder, name), { recursive: true, force: true });
  }

  /** Kills it, and puts the data of the last call of `remember` in place of its own. */
  async killAndRestore(): Promise<void> {
    await this.kill({ lose: true });
    cpSync(join(this.#folder, "remembered"), join(this.#folder, "appendonlydir"), { recursive: true });
  }

  /** Keeps a copy of the data that it has now. */
  remember(): void {
    rmSync(join(this.#folder, "remembered"), { recursive: true, force: true });
    cpSync(join(this.#folder, "appendonlydir"), join(this.#folder, "remembered"), { recursive: true });
  }

  /** Sends it a signal, such as SIGSTOP. */
  signal(signal: NodeJS.Signals): void {
    this.#process!.kill(signal);
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    if (this.#process?.exitCode === null && this.#process.signalCode === null) await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
