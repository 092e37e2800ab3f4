/** The tool's hand on `watch.ts`: starts the process, and turns orders and answers into promises. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Answer, Order } from "./watch.ts";

const PROGRAM = fileURLToPath(new URL("watch.ts", import.meta.url));

/** The process beside the attack. */
export class Watcher {
  readonly #child: ChildProcess;
  #errors = "";

  constructor() {
    this.#child = spawn(process.execPath, ["--import", "tsx", PROGRAM], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.#child.stderr?.on("data", (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-600);
    });
  }

  /** Opens `clients` connections and starts echoing and measuring. Throws when they cannot be opened. */
  async begin(url: URL, clients: number, pid: number | undefined): Promise<void> {
    await this.#ask({ kind: "begin", url: url.href, clients, pid });
  }

  /** Stops, and returns what was measured. */
  async end(): Promise<Answer & { kind: "report" }> {
    const answer = await this.#ask({ kind: "end" });
    if (answer.kind !== "report") throw new Error("Cannot read the report: the watching process says something else");
    return answer;
  }

  /** Ends the process. */
  stop(): void {
    this.#child.kill("SIGKILL");
  }

  #ask(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const onMessage = (answer: Answer): void => {
        this.#child.off("exit", onExit);
        resolve(answer);
      };
      const onExit = (): void => {
        this.#child.off("message", onMessage);
        reject(new Error(`Cannot watch the server: ${this.#errors.trim() || "the watching process ended"}`));
      };
      if (this.#child.exitCode !== null) return onExit();
      this.#child.once("message", onMessage);
      this.#child.once("exit", onExit);
      this.#child.send(order);
    });
  }
}
