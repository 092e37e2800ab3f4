/**
 * The brokers of a cluster's soak: servers that can be killed, stopped, and brought back with their data, without it, or with
 * an old state of it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host } from "./network.ts";

/** A server on a host, at a port. */
export abstract class BrokerProcess {
  readonly port: number;
  /** What it calls itself; with its version, when it has run. */
  version = "";
  protected readonly host: Host;
  readonly #folder: string = mkdtempSync(join(tmpdir(), "openline-soak-"));
  #process: ChildProcess | undefined;

  constructor(host: Host, port: number) {
    this.host = host;
    this.port = port;
    process.once("exit", () => {
      this.#process?.kill("SIGKILL");
      rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  /** Starts it with the data that it has; resolves when it answers. */
  async start(): Promise<void> {
    const [command = "", ...given] = this.host.command(this.program(this.data));
    const child = spawn(command, given, { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    let printed = "";
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`${command} ended with ${code}: ${printed}`)));
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          if (this.isReady(printed)) return;
          printed += text;
          if (this.isReady(printed)) resolve();
        });
      }
    });
    this.version = this.versionIn(printed);
  }

  /** Kills it with SIGKILL; `lose` takes its data. */
  async kill(data: "keep" | "lose"): Promise<void> {
    const ended = once(this.#process!, "exit");
    this.#process!.kill("SIGKILL");
    await ended;
    if (data === "lose") rmSync(this.data, { recursive: true, force: true });
  }

  /** Keeps a copy of its data as it is now. */
  async remember(): Promise<void> {
    rmSync(this.#remembered, { recursive: true, force: true });
    cpSync(this.data, this.#remembered, { recursive: true });
  }

  /** Puts the copy in the place of its data, which it must have lost; it must not run. */
  restore(): void {
    cpSync(this.#remembered, this.data, { recursive: true });
  }

  /** Sends it a signal, such as SIGSTOP. */
  signal(signal: NodeJS.Signals): void {
    this.#process!.kill(signal);
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    if (this.#process?.exitCode === null && this.#process.signalCode === null) await this.kill("lose");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Whether it can end its connections here. */
  abstract get canKillConnections(): boolean;
  /** Ends all connections to it. */
  abstract killConnections(): Promise<void>;
  /** The folder of its data, all of it. */
  protected abstract get data(): string;
  /** The program and its arguments. */
  protected abstract program(data: string): readonly string[];
  /** Whether it has printed that it answers. */
  protected abstract isReady(printed: string): boolean;
  protected abstract versionIn(printed: string): string;

  /** A folder that ends with it. */
  protected get folder(): string {
    return this.#folder;
  }

  get #remembered(): string {
    return join(this.#folder, "remembered");
  }
}

/** Redis, which writes to its disk before it answers. */
export class RedisProcess extends BrokerProcess {
  readonly canKillConnections = true;

  async killConnections(): Promise<void> {
    const socket = connect(this.port, this.host.address(0));
    await once(socket, "connect");
    let answers = "";
    socket.setEncoding("utf8").on("data", (text) => {
      answers += text;
    });
    for (const type of ["normal", "pubsub"]) socket.write(`CLIENT KILL TYPE ${type} SKIPME yes\r\n`);
    socket.end("QUIT\r\n");
    await once(socket, "close");
    if (!/^:\d+\r\n:\d+\r\n\+OK/.test(answers)) throw new Error(`Redis killed no connections: ${answers}`);
  }

  protected get data(): string {
    return join(this.folder, "appendonlydir");
  }

  protected program(): readonly string[] {
    const place = ["--port", `${this.port}`, "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", this.folder];
    const kept = ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"];
    return ["redis-server", ...place, ...kept, "--client-output-buffer-limit", "pubsub 256mb 64mb 60"];
  }

  protected isReady(printed: string): boolean {
    return printed.includes("Ready to accept connections");
  }

  protected versionIn(printed: string): string {
    return `Redis ${/Redis version=([^,]+)/.exec(printed)?.[1]}`;
  }
}

/** NATS with JetStream. */
export class NatsProcess extends BrokerProcess {
  get canKillConnections(): boolean {
    return this.host.canCut;
  }

  async killConnections(): Promise<void> {
    await this.host.reset(this.port);
  }

  /** What JetStream has in its files is whole only when it does not run. */
  override async remember(): Promise<void> {
    await this.kill("keep");
    await super.remember();
    await this.start();
  }

  protected get data(): string {
    return join(this.folder, "data");
  }

  protected program(data: string): readonly string[] {
    return ["nats-server", "--addr", "0.0.0.0", "--port", `${this.port}`, "--jetstream", "--store_dir", data];
  }

  protected isReady(printed: string): boolean {
    return printed.includes("Server is ready");
  }

  protected versionIn(printed: string): string {
    return `NATS ${/Version:\s+(\S+)/.exec(printed)?.[1]}`;
  }
}
