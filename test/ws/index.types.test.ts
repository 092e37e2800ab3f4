/** What compiles for users of `ws`: the names that they import, and listeners that say more than the events do. */

import { once } from "node:events";
import { type ClientRequestArgs, createServer, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { expect, expectTypeOf, test } from "vitest";
import type * as theirs from "ws";
import WebSocket, {
  type ClientOptions,
  createWebSocketStream,
  type RawData,
  type Server,
  type ServerOptions,
  WebSocketServer,
  type WebSocket as WebSocketType,
} from "../../src/ws/index.ts";

interface Living extends WebSocket {
  isAlive: boolean;
}
class Custom extends WebSocket {
  room = "";
}
class Request extends IncomingMessage {
  user = "";
}

/** Compiled and never called. */
function program(url: string): Duplex {
  const options: ClientOptions = {
    headers: { a: "b" },
    perMessageDeflate: { threshold: 1 },
    rejectUnauthorized: false,
  };
  const ws: WebSocketType = new WebSocket(url, ["a"], { ...options, finishRequest: (request) => request.end() });
  ws.on("message", (data: RawData, isBinary: boolean) =>
    ws.send(data, { binary: isBinary }, (error) => error?.message),
  );
  ws.on("message", function (data) {
    expectTypeOf(this).toEqualTypeOf<WebSocket>();
    expectTypeOf(data).toEqualTypeOf<Buffer | ArrayBuffer | Buffer[]>();
  });
  ws.on("unexpected-response", (request, response) => request.getHeader(response.statusMessage ?? ""));
  ws.on("anything", (value: number) => value + 1);
  ws.once("close", (code, reason) => expectTypeOf({ code, reason }).toEqualTypeOf<{ code: number; reason: Buffer }>());
  ws.onmessage = ({ data, target }: WebSocket.MessageEvent) => target.send(data as string);
  ws.addEventListener("close", ({ code, wasClean }: WebSocket.CloseEvent) => wasClean && code, { once: true });
  ws.addEventListener("error", ({ error }) => error.code);
  ws.removeEventListener("open", { handleEvent: () => {} });
  ws.binaryType = "blob";
  ws.ping("x", true, (error) => error);
  ws.close(1000, Buffer.from("bye"));
  const state: 0 | 1 | 2 | 3 = ws.readyState;
  const open: 1 = ws.OPEN;
  expectTypeOf(state === open || state === WebSocket.CLOSED).toEqualTypeOf<boolean>();

  const settings: ServerOptions = { port: 0, verifyClient: ({ origin, secure }, done) => done(secure, 401, origin) };
  const server: Server = new WebSocketServer(settings, () => {});
  server.on("connection", (socket: Living, request: IncomingMessage, user: string) => {
    socket.isAlive = request.url === user;
  });
  server.on("connection", (socket, request) => {
    expectTypeOf(socket).toEqualTypeOf<WebSocket>();
    expectTypeOf(request).toEqualTypeOf<IncomingMessage>();
  });
  server.on("headers", (headers, { url }) => headers.push(`X-Url: ${url}`));
  const rooms: WebSocket.Server<typeof Custom, typeof Request> = new WebSocket.Server({
    server: createServer({ IncomingMessage: Request }),
    WebSocket: Custom,
    handleProtocols: (protocols, { user }) => protocols.has(user) && user,
  });
  for (const { room } of rooms.clients) expectTypeOf(room).toEqualTypeOf<string>();
  void once(ws, "open");
  const verify: WebSocket.VerifyClientCallbackSync = ({ req }) => req.url === "/";
  const deflate: WebSocket.PerMessageDeflateOptions = { zlibDeflateOptions: { level: 1 } };
  const data: WebSocket.Data = "x";
  const address: WebSocket.AddressInfo | string | null = server.address() as WebSocket.AddressInfo;
  globalThis.WebSocket = WebSocket as never;
  return createWebSocketStream(ws, {
    objectMode: verify.length === 0,
    encoding: `${data}${deflate}${address}` as "utf8",
  });
}

/** What packages take that are written to the types of `ws`, such as graphql-ws and tRPC: compiled and never called. */
function taken(): readonly unknown[] {
  const ws: theirs.WebSocket = new WebSocket(null).removeAllListeners().setMaxListeners(1);
  const server: theirs.WebSocketServer = new WebSocketServer({ noServer: true });
  const listeners: ((event: theirs.MessageEvent) => void) | null = ws.onmessage;
  const [message, close] = [null! as WebSocket.MessageEvent, null! as WebSocket.CloseEvent];
  const events: [theirs.MessageEvent, theirs.CloseEvent] = [message, close];
  const deflate: WebSocket.PerMessageDeflateOptions = null! as theirs.PerMessageDeflateOptions;
  const requests = new WebSocket("ws://a", null! as ClientRequestArgs);
  return [server, listeners, events, deflate, requests];
}

test("the statics and the names are those of ws", () => {
  expect([program.length, taken.length]).toEqual([1, 0]);
  expect(WebSocket.Server).toBe(WebSocketServer);
  expect(WebSocket.createWebSocketStream).toBe(createWebSocketStream);
  expect(WebSocket.WebSocket).toBe(WebSocket);
});
