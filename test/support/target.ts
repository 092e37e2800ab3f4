/**
 * Attacks on a process of its own, with the attacker's side of each connection in the test, as plain bytes.
 *
 * The same attack runs against a server and against clients, against ours and against a control.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach } from "vitest";
import { typescriptProgram } from "../../scripts/typescript-program.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { openRaw, RawPeer } from "./raw-peer.ts";
import { acceptance, type RawServer, rawServer } from "./raw-server.ts";
import type { standIns } from "./stand-ins.ts";
import { frameFrom, peerOf, type WireFrame } from "./wire.ts";

/** What is attacked. */
export interface TargetOptions {
  /** Ours, `ws` 8.17.0, or the name of a stand-in, which is a server. */
  readonly what: "ours" | "old ws" | keyof typeof standIns;
  readonly role: Role;
  /** The options of `serve` and `connect`, or of `ws`, as far as JSON has them. */
  readonly options?: object;
  /** How many milliseconds its application works on each message. */
  readonly spin?: number;
  /**
   * How many MiB V8 may take for each half of its young generation. Default 2: how far it grows within 16 is V8's affair,
   * and would hide a few MiB more or less.
   */
  readonly young?: number;
  /** Whether it shall die of the attack: its last words are not shown. */
  readonly dies?: boolean;
}

/** What a connection does with what arrives. */
export interface Application {
  opened(send: (text: string) => void): void;
  message(data: string | Uint8Array, reply: (text: string) => void): void;
  pong(): void;
  closed(send: (text: string) => void, code: number): void;
}

/** What a target is asked: to look, to clean up first, to open connections, or to send on all of them in one turn. */
export type Asked =
  | { readonly ask: "look" | "settle" }
  | { readonly ask: "connect"; readonly port: number; readonly count: number }
  | { readonly ask: "send"; readonly count: number; readonly length: number };

/** What a target knows of itself; memory in bytes. */
export interface Look {
  /** Messages delivered, and the length of the binary ones together. */
  readonly messages: number;
  readonly binaryLength: number;
  readonly pongs: number;
  /** How many binary messages, and how much data in them, were delivered in one turn of its event loop at most. */
  readonly mostInATurn: number;
  readonly mostLengthInATurn: number;
  readonly open: number;
  readonly sockets: number;
  /** The bytes that all its sockets have read. */
  readonly bytesRead: number;
  /** The code of the Close that it sent, of each connection that is over; else of the one that came. */
  readonly closes: readonly number[];
  readonly rss: number;
  /** The most memory that was resident since it settled last. */
  readonly peak: number;
  /** The heap in use and what lies outside of it. */
  readonly held: number;
}

export const KiB = 1024;
export const MiB = 1024 * KiB;
/** How much the process may grow where a fault names no figure. */
export const mostGrowth: number = 64 * MiB;

const deflateElement = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const targets: Target[] = [];

afterEach(async () => {
  for (const target of targets.splice(0)) await target.stop();
});

/** Starts a target, which ends with the test. */
export async function startTarget(options: TargetOptions): Promise<Target> {
  const script = new URL("./target-process.ts", import.meta.url).pathname;
  const flags = ["--expose-gc", `--max-semi-space-size=${options.young ?? 2}`];
  const child = spawn(process.execPath, [...flags, ...typescriptProgram(script), JSON.stringify(options)], {
    stdio: ["ignore", "inherit", options.dies ? "ignore" : "inherit", "ipc"],
  });
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  const opened: RawPeer[] = [];
  const server =
    options.role === "client"
      ? await rawServer((request, socket) => {
          opened.push(new RawPeer(socket, "server"));
          const deflate = request.values("sec-websocket-extensions").length > 0;
          return acceptance(request, { "Sec-WebSocket-Extensions": deflate ? deflateElement : undefined });
        })
      : undefined;
  const target = new Target(options.role, child, port, server, opened);
  targets.push(target);
  return target;
}

/** A process under attack. */
export class Target {
  readonly role: Role;
  /** Where a server listens. */
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #server: RawServer | undefined;
  readonly #opened: RawPeer[];
  /** The attacker's sides of all connections so far. */
  readonly #peers: RawPeer[] = [];

  constructor(role: Role, child: ChildProcess, port: number, server: RawServer | undefined, opened: RawPeer[]) {
    this.role = role;
    this.port = port;
    this.#child = child;
    this.#server = server;
    this.#opened = opened;
  }

  /** Whether the process lives. */
  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Opens a connection and returns the attacker's side of it. */
  async open(compressed = false): Promise<RawPeer> {
    const [peer] = await this.openMany(1, compressed);
    return peer!;
  }

  async openMany(count: number, compressed = false): Promise<RawPeer[]> {
    const peers: RawPeer[] = [];
    if (this.#server) {
      await this.#ask({ ask: "connect", port: this.#server.port, count });
      peers.push(...this.#opened.splice(0));
    } else {
      const headers = compressed ? { "Sec-WebSocket-Extensions": deflateElement } : {};
      for (let made = 0; made < count; made++) peers.push(await openRaw(this.port, { headers }));
    }
    for (const { socket } of peers) socket.setNoDelay(true);
    this.#peers.push(...peers);
    return peers;
  }

  look(): Promise<Look> {
    return this.#ask({ ask: "look" });
  }

  /** Collects garbage first, and forgets the peak so far. */
  settle(): Promise<Look> {
    return this.#ask({ ask: "settle" });
  }

  /** Sends so many texts of a length on each connection, all in one turn. */
  send(count: number, length: number): Promise<Look> {
    return this.#ask({ ask: "send", count, length });
  }

  /** Looks until the condition holds. */
  async until(condition: (look: Look) => boolean): Promise<Look> {
    for (;;) {
      const look = await this.look();
      if (condition(look)) return look;
      await delay(10);
    }
  }

  /** By how many bytes the process grew at its peak, of what was resident. */
  async growth(attack: () => Promise<unknown>): Promise<number> {
    const { rss } = await this.settle();
    await attack();
    return (await this.look()).peak - rss;
  }

  /** By how many bytes more are in use afterwards, garbage not counted. */
  async retention(attack: () => Promise<unknown>): Promise<number> {
    const { held } = await this.settle();
    await attack();
    return (await this.settle()).held - held;
  }

  /** Whether a new connection is let in and its message comes back. */
  async echoes(): Promise<boolean> {
    const peer = await this.open();
    return await echoesOn(peer);
  }

  async stop(): Promise<void> {
    for (const { socket } of this.#peers) socket.destroy();
    if (this.alive) {
      this.#child.kill("SIGKILL");
      await once(this.#child, "exit");
    }
    await this.#server?.close();
  }

  #ask(asked: Asked): Promise<Look> {
    return new Promise((resolve, reject) => {
      const gone = () => reject(new Error("The target's process has ended"));
      if (!this.alive) return gone();
      this.#child.once("exit", gone);
      this.#child.once("message", (answer: Look | { readonly failed: string }) => {
        this.#child.off("exit", gone);
        if ("failed" in answer) reject(new Error(`The target could not do that: ${answer.failed}`));
        else resolve(answer);
      });
      this.#child.send(asked, (error) => {
        if (error) gone();
      });
    });
  }
}

/** Whether a message on this connection comes back; whatever else was sent on it has been handled then. */
export async function echoesOn(peer: RawPeer): Promise<boolean> {
  const text = "Is anybody there?";
  peer.text(text);
  for (let frame = await peer.nextFrame(); frame; frame = await peer.nextFrame()) {
    if (frame.opcode === 1) return frame.payload.toString() === text;
  }
  return false;
}

/** Writes the bytes so many times, as fast as the other side takes them; stops when it is gone. Returns how often it did. */
export async function pour({ socket, closed }: RawPeer, bytes: Uint8Array, times: number): Promise<number> {
  // A reset is no failure of the attack.
  const drained = () => Promise.race([new Promise((resolve) => socket.once("drain", resolve)), closed]);
  let written = 0;
  while (written < times && !socket.destroyed && socket.writable) {
    written++;
    if (!socket.write(bytes)) await drained();
  }
  while (!socket.destroyed && socket.writableLength > 0) await drained();
  return written;
}

/** The bytes of a frame many times, as the attacker of this target sends it. */
export function repeated(role: Role, count: number, frame: Omit<WireFrame, "key">): Buffer {
  return Buffer.concat(Array<Buffer>(count).fill(frameFrom(peerOf(role), frame)));
}
