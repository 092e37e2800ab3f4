/**
 * Where the judge's connections come from: it connects to a server under test, or listens for a client under test.
 *
 * A client program is given the URL to connect to. It may take one connection and exit with 0, or connect again and
 * again to the same URL; either way each connection it makes is one case.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { Program } from "./program.ts";
import type { Source } from "./runner.ts";
import type { Session } from "./session.ts";

const STARTUP = 15_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A server that somebody else runs. */
export function serverAt(address: string): Source {
  const url = new URL(address);
  const settled = (): Promise<void> => Promise.resolve();
  return { role: "server", url, next: () => connectTo(url), deathDuring: () => undefined, settled };
}

function connectTo(url: URL): Promise<Socket> {
  const secure = url.protocol === "wss:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || (secure ? 443 : 80));
  return new Promise((resolve, reject) => {
    const socket = secure ? connectTls({ host, port, rejectUnauthorized: false }) : connect({ host, port });
    socket.once("error", reject);
    socket.once(secure ? "secureConnect" : "connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** A server that the suite starts, and starts again when it dies; its first line of output is its URL. */
export class ServerProcess implements Source {
  readonly role = "server";
  url: URL | undefined;
  readonly #command: readonly string[];
  #program: Program | undefined;
  #starting: Promise<void> | undefined;
  #deaths = 0;
  #lastDeath = "";
  readonly #deathsAtStart = new WeakMap<Socket, number>();

  constructor(command: readonly string[]) {
    this.#command = command;
  }

  async next(): Promise<Socket> {
    await this.start();
    const socket = await connectTo(this.url!);
    this.#deathsAtStart.set(socket, this.#deaths);
    return socket;
  }

  /** Starts the process unless it runs. */
  start(): Promise<void> {
    if (this.#program !== undefined) return this.#starting!;
    const program = new Program(this.#command, (how) => {
      this.#program = undefined;
      this.#deaths++;
      this.#lastDeath = `the server process ${how}`;
    });
    this.#program = program;
    this.#starting = program.firstLine().then((line) => {
      this.url = new URL(line);
    });
    return this.#starting;
  }

  deathDuring(session: Session): string | undefined {
    return this.#deaths > (this.#deathsAtStart.get(session.socket) ?? 0) ? this.#lastDeath : undefined;
  }

  async settled(session: Session): Promise<void> {
    // an uncaught exception shows as an exit a little after the connection it came from
    if (session.seen.end === "reset") await sleep(30);
  }

  stop(): void {
    this.#program?.stop();
  }
}

/** Client programs that the suite starts, a few at a time, and the port they connect to. */
export class ClientProcesses implements Source {
  readonly role = "client";
  readonly url = undefined;
  readonly #command: string;
  readonly #tls: { cert: Buffer; key: Buffer } | undefined;
  readonly #waiting: ((socket: Socket) => void)[] = [];
  readonly #arrived: Socket[] = [];
  readonly #workers = new Map<string, { program: Program; death: string | undefined }>();
  /** Which connection each is, counted from 1. */
  readonly #numbers = new WeakMap<Socket, number>();
  #connections = 0;
  #server: Server | undefined;
  #stopped = false;

  constructor(command: string, tls?: { cert: Buffer; key: Buffer }) {
    this.#command = command;
    this.#tls = tls;
  }

  /** Listens, and starts `count` programs. */
  async start(count: number): Promise<void> {
    const onSocket = (socket: Socket): void => this.#onSocket(socket);
    const server = this.#tls === undefined ? createServer(onSocket) : createTlsServer(this.#tls, onSocket);
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    for (let i = 1; i <= count; i++) this.#spawn(String(i));
  }

  next(): Promise<Socket> {
    const socket = this.#arrived.shift();
    if (socket !== undefined && !socket.destroyed) return Promise.resolve(socket);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the client does not connect")), STARTUP);
      this.#waiting.push((arrived) => {
        clearTimeout(timer);
        resolve(arrived);
      });
    });
  }

  deathDuring(session: Session): string | undefined {
    const worker = this.#workerOf(session);
    const death = worker?.death;
    if (worker !== undefined) worker.death = undefined;
    return death;
  }

  async settled(session: Session): Promise<void> {
    const { seen, socket } = session;
    await sleep(seen.head === undefined ? 50 : 5);
    if (seen.head === undefined || seen.end === undefined || seen.close !== undefined) return;
    // of one that broke off the end is heard of, on a busy machine a while later, or it connects again
    const worker = this.#workerOf(session);
    const isUnknown = (): boolean => worker?.death === undefined && this.#connections === this.#numbers.get(socket);
    for (let waited = 0; waited < 1000 && isUnknown(); waited += 5) await sleep(5);
  }

  stop(): void {
    this.#stopped = true;
    for (const { program } of this.#workers.values()) program.stop();
    for (const socket of this.#arrived) socket.destroy();
    this.#server?.close();
  }

  #workerOf(session: Session): { death: string | undefined } | undefined {
    const [, name = ""] = /^\S+ \S*?\/(\d+) /.exec(session.seen.head?.startLine ?? "") ?? [];
    return this.#workers.get(name);
  }

  #onSocket(socket: Socket): void {
    socket.on("error", () => undefined);
    this.#numbers.set(socket, ++this.#connections);
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) waiting(socket);
    else this.#arrived.push(socket);
  }

  #spawn(name: string): void {
    const address = this.#server!.address() as { port: number };
    const scheme = this.#tls === undefined ? "ws" : "wss";
    const command = this.#command.replaceAll("{url}", `${scheme}://127.0.0.1:${address.port}/${name}`);
    const program = new Program(["/bin/sh", "-c", `exec ${command}`], (how, code) => {
      if (code !== 0) worker.death = `the client process ${how}`;
      setTimeout(() => !this.#stopped && this.#spawn(name), code === 0 ? 0 : 100);
    });
    const worker = { program, death: this.#workers.get(name)?.death };
    this.#workers.set(name, worker);
  }
}
