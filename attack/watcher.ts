/** The tool's hand on `watch.ts`: starts the process, and turns orders and answers into promises. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { typescriptProgram } from "../scripts/typescript-program.ts";
import type { Answer, Order } from "./watch.ts";

const PROGRAM = fileURLToPath(new URL("watch.ts", import.meta.url));

/** The process beside the attack. */
export class Watcher {
  #child: ChildProcess | undefined;
  #errors = "";

  /** Opens `clients` connections and starts echoing and measuring. Throws when they cannot be opened. */
  async begin(url: URL, clients: number, pid: number | undefined): Promise<void> {
    this.#child ??= this.#start();
    await this.#ask(this.#child, { kind: "begin", url: url.href, clients, pid });
  }

  /** Stops, and returns what was measured. */
  async end(): Promise<Answer & { kind: "report" }> {
    if (this.#child === undefined) throw new Error("Cannot read the report: nothing is watched");
    const answer = await this.#ask(this.#child, { kind: "end" });
    if (answer.kind !== "report") throw new Error("Cannot read the report: the watching process says something else");
    return answer;
  }

  /** Ends the process. */
  stop(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }

  #start(): ChildProcess {
    this.#errors = "";
    const child = spawn(process.execPath, typescriptProgram(PROGRAM), { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    child.stderr?.on("data", (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-600);
    });
    return child;
  }

  #ask(child: ChildProcess, order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const onMessage = (answer: Answer): void => {
        child.off("exit", onExit);
        resolve(answer);
      };
      const onExit = (): void => {
        child.off("message", onMessage);
        this.#child = undefined;
        reject(new Error(`Cannot watch the server: ${this.#errors.trim() || "the watching process ended"}`));
      };
      if (child.exitCode !== null) return onExit();
      child.once("message", onMessage);
      child.once("exit", onExit);
      child.send(order);
    });
  }
}
