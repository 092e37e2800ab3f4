/**
 * A program under test that was started: a server whose first line of output is its URL, or a client.
 *
 * What it complains of is kept for the sentence about its end.
 */
import { type ChildProcess, spawn } from "node:child_process";

const STARTUP = 15_000;

/** A program that was started. */
export class Program {
  readonly #child: ChildProcess;
  #complaints = "";

  /** Starts it; `onEnd` hears how it ended, as "ended with 1: TypeError: …", unless it was stopped. */
  constructor([file = "", ...args]: readonly string[], onEnd: (how: string, code: number | null) => void) {
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    child.stdout.resume();
    child.stderr.on("data", (chunk) => {
      this.#complaints = (this.#complaints + chunk).slice(-2000);
    });
    child.on("exit", (code, signal) => onEnd(`ended with ${signal ?? code}${this.#complaint()}`, code));
  }

  /** The process's number, if it could be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Waits for the first line of output; throws when there is none within 15 s. To be called at once. */
  firstLine(): Promise<string> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer);
        reject(new Error(`Cannot start the server: ${why}`));
      };
      const timer = setTimeout(() => fail("it prints no URL"), STARTUP);
      let out = "";
      child.stdout?.on("data", (chunk) => {
        out += chunk;
        const end = out.indexOf("\n");
        if (end === -1) return;
        clearTimeout(timer);
        resolve(out.slice(0, end).trim());
      });
      child.once("error", ({ message }) => fail(message));
      child.once("exit", () => fail(`it ended${this.#complaint()}`));
    });
  }

  /** Kills it. */
  stop(): void {
    this.#child.removeAllListeners("exit").kill("SIGKILL");
  }

  #complaint(): string {
    const lines = this.#complaints.split("\n").map((line) => line.trim());
    const line = lines.find((text) => /^([\w.]*(error|exception)\b|panic|fatal)/i.test(text)) ?? lines.find(Boolean);
    return line === undefined ? "" : `: ${line.slice(0, 160)}`;
  }
}
