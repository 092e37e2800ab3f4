/** A NATS server of Debian's, on a port and in a folder of its own, that can be killed and started again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./program.ts";

/** See the head of this file. */
export class NatsServer {
  readonly port: number;
  readonly #executable: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "openline-nats-"));
  #process: ChildProcess | undefined;

  private constructor(executable: string, port: number) {
    this.#executable = executable;
    this.port = port;
  }

  /** Starts a server, with JetStream if nothing else is said; `settings` are further lines of its configuration. */
  static async start(executable: string, settings = "", { jetStream = true } = {}): Promise<NatsServer> {
    const server = new NatsServer(executable, await freePort());
    const storage = jetStream ? `jetstream { store_dir: ${JSON.stringify(server.#data)} }` : "";
    writeFileSync(join(server.#folder, "nats.conf"), `listen: 127.0.0.1:${server.port}\n${storage}\n${settings}\n`);
    await server.restart();
    return server;
  }

  get #data(): string {
    return join(this.#folder, "data");
  }

  /** Starts it again, with the data that it has. */
  async restart(): Promise<void> {
    const child = spawn(this.#executable, ["-c", join(this.#folder, "nats.conf")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    let printed = "";
    // What it prints is read to its end: a server whose output nobody takes is ended by it.
    await new Promise<void>((resolve, reject) => {
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        printed += text;
        if (printed.includes("Server is ready")) resolve();
      });
      child.once("exit", () => reject(new Error(`nats-server ended: ${printed}`)));
    });
  }

  /** Kills it with SIGKILL; `lose` takes its data as well. */
  async kill({ lose = false }: { readonly lose?: boolean } = {}): Promise<void> {
    const ended = once(this.#process!, "exit");
    this.#process!.kill("SIGKILL");
    await ended;
    if (lose) rmSync(this.#data, { recursive: true, force: true });
  }

  /** Kills it, and puts the data of the last call of `remember` in place of its own. */
  async killAndRestore(): Promise<void> {
    await this.kill({ lose: true });
    cpSync(join(this.#folder, "remembered"), this.#data, { recursive: true });
  }

  /** Keeps a copy of the data that it has now; it must not be running. */
  remember(): void {
    rmSync(join(this.#folder, "remembered"), { recursive: true, force: true });
    cpSync(this.#data, join(this.#folder, "remembered"), { recursive: true });
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
