/**
 * What a program sees of a `WebSocket`, as lines: one an event, with the state and the fields that tell something.
 *
 * Also a stream that hands over each byte alone, to put between a client and its server.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { WebSocket, type WebSocketOptions } from "../../src/index.ts";

/** Collects a line for each event; the promise resolves with all of them at the `close` event. */
export function events(ws: WebSocket, lines: string[] = []): Promise<string[]> {
  ws.addEventListener("open", () => lines.push(`open ${ws.readyState}`));
  ws.addEventListener("message", ({ data }) => {
    lines.push(`message ${ws.readyState} ${typeof data === "string" ? data : data.constructor.name}`);
  });
  ws.addEventListener("error", () => lines.push(`error ${ws.readyState}`));
  return new Promise((resolve) => {
    ws.addEventListener("close", ({ code, reason, wasClean }) => {
      lines.push(`close ${ws.readyState} ${code} ${reason} ${wasClean ? "clean" : "unclean"}`);
      resolve(lines);
    });
  });
}

/** The next event of a type. */
export function next<Type extends "open" | "message" | "error" | "close">(
  ws: WebSocket,
  type: Type,
): Promise<Parameters<Extract<Parameters<typeof ws.addEventListener<Type>>[1], (...args: never) => unknown>>[0]> {
  return new Promise((resolve) => ws.addEventListener(type, resolve, { once: true }));
}

/** Opens a socket. */
export async function opened(url: string, options?: WebSocketOptions): Promise<WebSocket> {
  const ws = new WebSocket(url, [], options);
  await next(ws, "open");
  return ws;
}

/** Closes a socket, and waits until it is. */
export async function closed(ws: WebSocket): Promise<void> {
  const end = next(ws, "close");
  ws.close();
  await end;
}

/** The name of what is thrown. */
export function thrown(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return (error as Error).name;
  }
  return "nothing";
}

/** Turns of the event loop, enough for what a task has set off without the network. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A `createConnection` that connects to this host and hands over each byte that comes in a chunk of its own. */
export async function byteByByte({ host, port }: { host: string; port: number }): Promise<Duplex> {
  const socket = connect({ host, port, allowHalfOpen: true });
  await once(socket, "connect");
  return new Bytewise(socket);
}

class Bytewise extends Duplex {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super({ allowHalfOpen: true, autoDestroy: true });
    this.#socket = socket;
    socket.on("data", (chunk) => {
      for (let i = 0; i < chunk.length; i++) this.push(Buffer.from(chunk.subarray(i, i + 1)));
    });
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
