/**
 * Two hosts with a cable between them, made of network namespaces, so that packets can be lost for good.
 *
 * Needs Linux, iproute2, iptables and the right to administrate networks; without that right the tests are skipped by
 * name on a developer's machine and fail under CI.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";
import { typescriptProgram } from "../../scripts/typescript-program.ts";
import { realPart } from "../support/real-parts.ts";

/** The judging host's address, and two of the host of its peers: packets of the second can be lost. */
export const addresses = { judge: "10.77.0.1", peers: "10.77.0.2", lossy: "10.77.0.3" } as const;

/** Opens so many connections with the lossy address and with the other, in two halves: at every second some are asked. */
export async function openInHalves(
  [lossy, healthy]: readonly [number, number],
  open: (address: string) => Promise<void>,
): Promise<void> {
  for (const half of [0, 1]) {
    await delay(half * 1100);
    for (const [address, count] of [
      [addresses.lossy, lossy],
      [addresses.peers, healthy],
    ] as const) {
      // Fewer at once than a listener's backlog.
      for (let made = 0; made < count / 2; made += 100) {
        await Promise.all(Array.from({ length: Math.min(100, count / 2 - made) }, () => open(address)));
      }
    }
  }
}

/** `describe` where networks can be made. */
export function describeWithNetwork(title: string, body: () => void): void {
  const why = whyNot();
  if (why === undefined) describe(title, body);
  else test.skip(`${title}: ${why}`);
}

/** Why no network can be made here, undefined when one can; throws when `CI` is set. */
function whyNot(): string | undefined {
  if (!realPart("iproute2") || !realPart("iptables")) return "iproute2 or iptables is not installed";
  try {
    const network = new Network();
    network.close();
    return undefined;
  } catch (error) {
    if (process.env.CI) throw error;
    return "the right to administrate networks is missing";
  }
}

let networksMade = 0;

/** Two hosts and their cable. */
export class Network {
  readonly #judge: string;
  readonly #peers: string;
  readonly #programs: ChildProcess[] = [];

  /** Lays the cable. */
  constructor() {
    const name = `ol${process.pid}-${networksMade++}`;
    this.#judge = `${name}j`;
    this.#peers = `${name}p`;
    try {
      for (const host of [this.#judge, this.#peers]) ip("netns", "add", host);
      ip("-n", this.#judge, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", this.#peers);
      ip("-n", this.#judge, "address", "add", `${addresses.judge}/24`, "dev", "cable");
      for (const address of [addresses.peers, addresses.lossy]) {
        ip("-n", this.#peers, "address", "add", `${address}/24`, "dev", "cable");
      }
      for (const host of [this.#judge, this.#peers]) ip("-n", host, "link", "set", "cable", "up");
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Starts a program of this folder on a host. */
  start(host: "judge" | "peers", file: string, args: readonly (string | number)[]): HostProgram {
    const namespace = host === "judge" ? this.#judge : this.#peers;
    const path = fileURLToPath(new URL(file, import.meta.url));
    const command = ["netns", "exec", namespace, process.execPath, ...typescriptProgram(path), ...args.map(String)];
    const child = spawn(find("iproute2"), command, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#programs.push(child);
    return new HostProgram(child);
  }

  /** Loses packets of the lossy address, both ways: all, or this share of them. */
  lose(share: number): void {
    const chance = share === 1 ? [] : ["-m", "statistic", "--mode", "random", "--probability", String(share)];
    this.#iptables("-A", "INPUT", "-d", addresses.lossy, ...chance, "-j", "DROP");
    this.#iptables("-A", "OUTPUT", "-s", addresses.lossy, ...chance, "-j", "DROP");
  }

  /** How many packets were lost. */
  get lost(): number {
    const listed = this.#iptables("-L", "-v", "-x", "-n");
    return [...listed.matchAll(/^\s*(\d+)\s+\d+\s+DROP\s/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** Ends the programs and takes the hosts away. */
  close(): void {
    for (const program of this.#programs) program.kill("SIGKILL");
    for (const host of [this.#judge, this.#peers]) {
      try {
        ip("netns", "del", host);
      } catch {
        // It was not made.
      }
    }
  }

  #iptables(...args: readonly string[]): string {
    return execFileSync(find("iproute2"), ["netns", "exec", this.#peers, find("iptables"), "-w", ...args], {
      encoding: "utf8",
    });
  }
}

/** A program on a host. */
export class HostProgram {
  readonly process: ChildProcess;

  constructor(child: ChildProcess) {
    this.process = child;
  }

  /** What it says next, after an order if one is given; rejects when it ends instead. */
  async says<Answer>(order?: string | number): Promise<Answer> {
    const abort = new AbortController();
    const { signal } = abort;
    const answer = once(this.process, "message", { signal }) as Promise<[Answer]>;
    const end = once(this.process, "exit", { signal }).then(([code]) => {
      throw new Error(`A program ended with ${code}`);
    });
    if (order !== undefined) this.process.send(order);
    try {
      const [said] = await Promise.race([answer, end]);
      return said;
    } finally {
      abort.abort();
      await Promise.allSettled([answer, end]);
    }
  }
}

function find(part: "iproute2" | "iptables"): string {
  const path = realPart(part);
  if (path === undefined) throw new Error(`${part} is not installed`);
  return path;
}

function ip(...args: readonly string[]): void {
  execFileSync(find("iproute2"), args, { stdio: ["ignore", "ignore", "pipe"] });
}
