/**
 * A process that is given accepted sockets, before or after the head of the request was read, and serves them: by the
 * routes of a `node:http` server that does not listen, or by `accept`.
 *
 * It tells its parent how each connection ended, and has nothing to stay for when it is disconnected.
 */
import { createServer, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { accept, type Route, serve } from "../../src/index.ts";

/** What comes with a socket, or what ends the process when the last connection is over. */
export type Passed =
  | { readonly what: "connection" }
  | { readonly what: "the end" }
  | { readonly what: "upgrade"; readonly head: string; readonly request: PassedRequest };

/** What was read of the request. */
export type PassedRequest = Pick<IncomingMessage, "method" | "url" | "httpVersion" | "rawHeaders">;

const route: Route = {
  compression: true,
  open: (connection) => void connection.send(`${process.pid} ${connection.remoteAddress}`),
  message: async (connection, data) => {
    if (data === "close") return connection.close(4001, "As asked");
    if (data === "slow") await delay(50);
    connection.send(data);
  },
  close: (_, { code, wasClean }) => void process.send!({ code, wasClean }),
};

const http = createServer();
await serve({ server: http, routes: { "/served": route } });
http.on("upgrade", (request, socket, head) => {
  if (request.url === "/accepted") void take(request, socket, head);
});

async function take(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> {
  if (!(await accept(request, socket, head, route))) process.send!("refused");
}

process.on("message", (passed: Passed, socket: Socket) => {
  if (passed.what === "the end") return process.disconnect();
  if (passed.what === "connection") return void http.emit("connection", socket);
  const request = Object.assign(new IncomingMessage(socket), passed.request);
  void take(request, socket, Buffer.from(passed.head, "base64"));
});
process.send!("ready");
