/**
 * The server under attack: one that somebody else runs, or a peer that the tool starts anew for each row that asks.
 *
 * Only loopback addresses are accepted, whatever they are called.
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { Program } from "../conformance/judge/program.ts";
import { isLoopback } from "./wire.ts";

/** A server that rows are put to. */
export interface Target {
  readonly name: string;
  readonly version: string;
  /** Whether the tool starts it, and can start it anew. */
  readonly own: boolean;
  /** Makes it ready for a row: `fresh` asks for a new process, `maxFiles` for one with so many files at most. */
  ready(fresh: boolean, maxFiles?: number): Promise<{ readonly url: URL; readonly pid: number | undefined }>;
  /** How the process ended, if it did and the tool can know. */
  readonly death: string | undefined;
  stop(): void;
}

/** Reads a URL. Throws unless it is `ws:` and every address of its host is a loopback one. */
export async function loopbackUrl(text: string): Promise<URL> {
  const url = new URL(text);
  if (url.protocol !== "ws:") throw new Error(`Cannot attack ${text}: only ws: URLs are supported`);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const addresses = isIP(host) ? [host] : (await lookup(host, { all: true })).map(({ address }) => address);
  if (!addresses.every(isLoopback)) throw new Error(`Cannot attack ${text}: it is not on this machine's loopback`);
  return url;
}

/** A server that runs already. */
export function runningTarget(url: URL, pid: number | undefined, name: string): Target {
  return {
    name,
    version: "",
    own: false,
    ready: () => Promise.resolve({ url, pid }),
    get death(): string | undefined {
      return pid !== undefined && !isRunning(pid) ? "the process ended" : undefined;
    },
    stop: () => undefined,
  };
}

/** A server that the tool starts; its first line of output is its URL. */
export class StartedTarget implements Target {
  readonly name: string;
  readonly version: string;
  readonly own = true;
  readonly #command: readonly string[];
  #program: Program | undefined;
  #url: URL | undefined;
  #maxFiles: number | undefined;
  death: string | undefined;

  constructor(name: string, version: string, command: readonly string[]) {
    this.name = name;
    this.version = version;
    this.#command = command;
  }

  async ready(fresh: boolean, maxFiles?: number): Promise<{ url: URL; pid: number | undefined }> {
    if (fresh || this.death !== undefined || maxFiles !== this.#maxFiles) this.stop();
    if (this.#program === undefined) await this.#start(maxFiles);
    return { url: this.#url!, pid: this.#program!.pid };
  }

  stop(): void {
    this.#program?.stop();
    this.#program = undefined;
  }

  async #start(maxFiles: number | undefined): Promise<void> {
    this.death = undefined;
    this.#maxFiles = maxFiles;
    const limited = ["/bin/sh", "-c", `ulimit -n ${maxFiles}; exec "$@"`, "sh", ...this.#command];
    const program = new Program(maxFiles === undefined ? this.#command : limited, (how) => {
      this.death = `the process ${how}`;
    });
    this.#program = program;
    this.#url = await loopbackUrl(await program.firstLine());
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
