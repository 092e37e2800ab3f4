/**
 * The programs of a soak as the command sees them: processes that take orders and answer each with their counts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { typescriptProgram } from "../scripts/typescript-program.ts";

/** A process that answers orders with `Counts`. */
export class Program<Order, Counts> {
  readonly process: ChildProcess;
  /** How it ended; resolves when it is gone and its stderr read. */
  readonly exited: Promise<{ readonly exitCode: number | null; readonly stderr: string }>;
  #stderr = "";
  #wake: ((counts: Counts) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  #early: Counts | undefined;

  /** Starts a file of this folder. */
  constructor(file: string, flags: readonly string[] = []) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    this.process = spawn(process.execPath, [...flags, ...typescriptProgram(path)], {
      stdio: ["ignore", "inherit", "pipe", "ipc"],
    });
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.process.on("message", (counts: Counts) => {
      if (this.#wake) this.#wake(counts);
      else this.#early = counts;
    });
    // Not to be left behind when the command ends.
    const kill = () => void this.process.kill("SIGKILL");
    process.once("exit", kill);
    this.exited = new Promise((resolve) => {
      this.process.once("close", (exitCode) => {
        process.off("exit", kill);
        this.#fail?.(new Error(`${file} ended with ${exitCode}: ${this.#stderr}`));
        resolve({ exitCode, stderr: this.#stderr });
      });
    });
  }

  /** The counts that it sends by itself or in answer to an order; rejects when it ends instead. */
  async counts(order?: Order): Promise<Counts> {
    const answer = new Promise<Counts>((resolve, reject) => {
      this.#wake = resolve;
      this.#fail = reject;
    });
    if (order !== undefined) this.process.send(order as object);
    else if (this.#early !== undefined) this.#wake!(this.#early);
    const counts = await answer;
    this.#wake = this.#fail = this.#early = undefined;
    return counts;
  }

  /** Gives an order that is not answered. */
  order(order: Order): void {
    this.process.send(order as object);
  }

  /** How many file descriptors it has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.process.pid}/fd`).length;
  }
}
