/**
 * Where the broker of a cluster's soak lives: on this host, or in a network namespace of its own, with an address for each
 * node, so that the network of one can be cut: packets are dropped, both ways, and nobody is told.
 */
import { execFileSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

/** For how long resets are sent, in milliseconds: each connection sends something meanwhile. */
const resetTime = 300;

/** A host for the broker. */
export interface Host {
  /** Whether networks can be cut. */
  readonly canCut: boolean;
  /** The command that starts a program with its arguments there. */
  command(program: readonly string[]): readonly string[];
  /** Where a node reaches it. */
  address(node: number): string;
  /** Drops all packets of a node's address. */
  cut(node: number): void;
  /** Drops none any more. */
  heal(): void;
  /** Ends all connections to a port, by answering what comes over them with a reset. */
  reset(port: number): Promise<void>;
  close(): void;
}

/**
 * A namespace where that can be made: needs Linux, iproute2, iptables and the right to administrate networks. Else this
 * host, where nothing can be cut; throws instead when `CI` is set.
 */
export function makeHost(nodes: number): Host {
  try {
    return new Namespace(nodes);
  } catch (error) {
    if (process.env.CI) throw error;
    return loopback;
  }
}

const loopback: Host = {
  canCut: false,
  command: (program) => program,
  address: () => "127.0.0.1",
  cut: () => {
    throw new Error("There is no network to cut");
  },
  heal: () => {},
  reset: () => Promise.reject(new Error("There is no network to reset")),
  close: () => {},
};

class Namespace implements Host {
  readonly canCut = true;
  readonly #name = `olsoak${process.pid}`;
  /** One for each process, as far as a byte reaches. */
  readonly #network = `10.214.${process.pid % 256}`;

  constructor(nodes: number) {
    const cable = `ols${process.pid}`;
    try {
      ip("netns", "add", this.#name);
      process.once("exit", () => this.close());
      ip("link", "add", cable, "type", "veth", "peer", "name", "cable", "netns", this.#name);
      ip("address", "add", `${this.#network}.1/24`, "dev", cable);
      ip("link", "set", cable, "up");
      for (let node = 0; node < nodes; node++) {
        ip("-n", this.#name, "address", "add", `${this.address(node)}/24`, "dev", "cable");
      }
      ip("-n", this.#name, "link", "set", "cable", "up");
      // What cannot drop packets is found now.
      this.heal();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  command(program: readonly string[]): readonly string[] {
    return ["ip", "netns", "exec", this.#name, ...program];
  }

  address(node: number): string {
    return `${this.#network}.${node + 2}`;
  }

  cut(node: number): void {
    this.#iptables("-A", "INPUT", "-d", this.address(node), "-j", "DROP");
    this.#iptables("-A", "OUTPUT", "-s", this.address(node), "-j", "DROP");
  }

  heal(): void {
    this.#iptables("-F");
  }

  async reset(port: number): Promise<void> {
    this.#iptables("-A", "INPUT", "-p", "tcp", "--dport", `${port}`, "-j", "REJECT", "--reject-with", "tcp-reset");
    await delay(resetTime);
    this.heal();
  }

  close(): void {
    try {
      ip("netns", "del", this.#name);
    } catch {
      // It was not made, or is gone.
    }
  }

  #iptables(...args: readonly string[]): void {
    ip("netns", "exec", this.#name, "iptables", "-w", ...args);
  }
}

function ip(...args: readonly string[]): void {
  // Debian puts these in sbin, which an ordinary user's PATH leaves out.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"], env });
}
