/** Servers for one test, ours and the control's, gone with everything on them when the test is over. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { afterEach } from "vitest";
import type { ServerOptions, WebSocket, WebSocketServer } from "ws";
import { typescriptProgram } from "../../scripts/typescript-program.ts";
import type { ServeOptions } from "../../src/server/serve-options.ts";
import { type Server, serve } from "../../src/server/server.ts";
import { oldWs } from "./old-ws.ts";

const running: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop();
});

/** Does this when the test is over, before what was asked for earlier. */
export function afterwards(stop: () => unknown): void {
  running.push(stop);
}

/** Our server on a free port of the loopback interface. */
export async function serving<const Datas extends Readonly<Record<string, unknown>>>(
  options: ServeOptions<Datas>,
): Promise<Server<Datas>> {
  const server = await serve({ ...(!options.server && { host: "127.0.0.1" }), ...options });
  afterwards(async () => {
    for (const connection of server.connections) connection.terminate();
    await server.close();
  });
  return server;
}

/** A server of `ws` 8.17.0, the control, and its port. */
export async function oldServing(
  connected: (socket: WebSocket) => void = () => {},
  options: ServerOptions = {},
): Promise<{ readonly server: WebSocketServer; readonly port: number }> {
  const server = new oldWs.WebSocketServer({ host: "127.0.0.1", port: 0, ...options });
  const sockets = new Set<Socket>();
  server.on("connection", (socket, request) => {
    sockets.add(request.socket);
    connected(socket);
  });
  afterwards(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port };
}

/** A program of `test/support` in a process of its own, that tells its parent something. */
export interface Child {
  readonly process: ChildProcess;
  /** The next message of the child; rejects with what it wrote to stderr when it ends before. */
  told<Message>(): Promise<Message>;
  /** How it ended, and what it wrote to stderr. */
  readonly exited: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

/** How a program is started, besides its arguments. */
export interface ChildOptions {
  /** Options of Node. */
  readonly flags?: readonly string[];
  /** How many files it may have open. */
  readonly fileLimit?: number;
  /** A file descriptor of this process that it has as its fifth. */
  readonly inherits?: number;
}

/** Starts a program of `test/support`. */
export function startChild(
  name: string,
  args: readonly string[] = [],
  { flags = [], fileLimit, inherits }: ChildOptions = {},
): Child {
  const script = new URL(name, import.meta.url).pathname;
  const command = [process.execPath, ...flags, ...typescriptProgram(script), ...args];
  const limited = fileLimit === undefined ? 'exec "$@"' : `ulimit -n ${fileLimit} && exec "$@"`;
  const child = spawn("sh", ["-c", limited, "sh", ...command], {
    stdio: ["ignore", "ignore", "pipe", "ipc", inherits ?? "ignore"],
  });
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const waiting: unknown[] = [];
  let wake: () => void = () => {};
  child.on("message", (message) => {
    waiting.push(message);
    wake();
  });
  const exited = once(child, "close").then(([code]) => ({ code: code as number | null, stderr }));
  afterwards(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  return {
    process: child,
    exited,
    told: async <Message>() => {
      while (waiting.length === 0) {
        const news = new Promise<undefined>((resolve) => {
          wake = () => resolve(undefined);
        });
        const ended = await Promise.race([news, exited]);
        if (ended && waiting.length === 0) throw new Error(`${name} ended with ${ended.code}: ${ended.stderr}`);
      }
      return waiting.shift() as Message;
    },
  };
}
