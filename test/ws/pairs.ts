/** A server and its clients of one implementation of `ws`, which end with the test. */

import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { afterEach } from "vitest";
import type { ClientOptions, ServerOptions, WebSocket, WebSocketServer } from "../../src/ws/index.ts";
import type { Exports } from "./implementations.ts";

const sockets: WebSocket[] = [];
const servers: WebSocketServer[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) {
    // One that is still connecting makes an error of it.
    socket.on("error", () => {});
    socket.terminate();
  }
  for (const server of servers.splice(0)) {
    for (const socket of server.clients ?? []) socket.terminate();
    server.close();
  }
});

/** A server that listens on a port of its own. */
export async function listen({ WebSocketServer }: Exports, options: ServerOptions = {}): Promise<WebSocketServer> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", ...options });
  servers.push(server);
  await once(server, "listening");
  return server;
}

/** The URL of a server. */
export function urlOf(server: { address(): AddressInfo | string | null }, path = "/"): string {
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
}

/** A client that ends with the test; errors of its handshake are left to the test. */
export function dial({ WebSocket }: Exports, url: string, options: ClientOptions = {}): WebSocket {
  const socket = new WebSocket(url, options);
  sockets.push(socket);
  return socket;
}

/** Both ends of one open connection. */
export interface Pair {
  readonly client: WebSocket;
  readonly server: WebSocket;
  readonly request: IncomingMessage;
  readonly listener: WebSocketServer;
}

/** Opens a connection between a server and a client of one implementation. */
export async function openPair(
  exports: Exports,
  options: ServerOptions = {},
  asked: ClientOptions = {},
): Promise<Pair> {
  const listener = await listen(exports, options);
  const client = dial(exports, urlOf(listener), asked);
  const [[server, request]] = (await Promise.all([once(listener, "connection"), once(client, "open")])) as [
    [WebSocket, IncomingMessage],
    unknown,
  ];
  return { client, server, request, listener };
}

/** The names and values of events, in order, until the socket is closed; Buffers as text, errors as their words. */
export function record(socket: WebSocket, names: readonly string[]): unknown[] {
  const seen: unknown[] = [];
  for (const name of names) {
    socket.on(name, (...values: unknown[]) => seen.push([name, ...values.map(readable)]));
  }
  return seen;
}

function readable(value: unknown): unknown {
  if (value instanceof Error) return `${value.name}: ${value.message} (${(value as NodeJS.ErrnoException).code})`;
  return Buffer.isBuffer(value) ? value.toString() : value;
}

/** The socket below a WebSocket. */
export function socketOf(socket: WebSocket): Socket {
  return (socket as unknown as { readonly _socket: Socket })._socket;
}
