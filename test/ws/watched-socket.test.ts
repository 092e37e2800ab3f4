/** Sockets that become ordinary streams when others use them. */

import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import type { ClientOptions, WebSocket } from "../../src/ws/index.ts";
import { isOwned, isWatched, watch } from "../../src/ws/watched-socket.ts";
import { makeCertificates } from "../support/certificates.ts";
import { until } from "../support/connection-pair.ts";
import { socketPair } from "../support/raw-peer.ts";
import { both } from "./implementations.ts";

/** A socket under watch, and what was done for it, in order. */
function watchedSocket(socket: Socket) {
  const done: string[] = [];
  expect(isOwned(socket)).toBe(false);
  watch(socket, { socketTouched: () => void done.push("touched") });
  expect(isOwned(socket)).toBe(true);
  return done;
}

describe("a socket under watch", () => {
  test.each<[string, (socket: Socket) => unknown]>([
    ["on", (socket) => socket.on("data", () => {})],
    ["once", (socket) => socket.once("drain", () => {})],
    ["addListener", (socket) => socket.addListener("readable", () => {})],
    ["prependListener", (socket) => socket.prependListener("data", () => {})],
    ["prependOnceListener", (socket) => socket.prependOnceListener("data", () => {})],
    ["pipe", (socket) => socket.pipe(new Socket())],
    ["write", (socket) => socket.write("x")],
    ["unshift", (socket) => socket.unshift("x")],
    ["push", (socket) => socket.push("x")],
    ["a timeout, which is to count what is written", (socket) => socket.setTimeout(60_000)],
  ])("becomes a stream with %s, once, and is an ordinary socket from then on", async (_, use) => {
    const [near, far] = await socketPair();
    const done = watchedSocket(near);
    expect([isWatched(near), near instanceof Socket]).toEqual([true, true]);
    use(near);
    use(near);
    expect(done).toEqual(["touched"]);
    expect([isWatched(near), Object.getPrototypeOf(near)]).toEqual([false, Socket.prototype]);
    near.destroy();
    far.destroy();
  });

  test("stays as it is for whoever looks at it, hears of its end, pauses or ends it", async () => {
    const [near, far] = await socketPair();
    const done = watchedSocket(near);
    expect([near.remoteAddress, near.listenerCount("data")]).toEqual(["127.0.0.1", 0]);
    near.on("close", () => {}).once("error", () => {});
    near.setNoDelay(true).setKeepAlive(true).setTimeout(0).unref().ref();
    near.pause();
    near.end();
    near.push(null);
    near.destroy();
    await once(near, "close");
    expect([done, isWatched(near)]).toEqual([[], true]);
    far.destroy();
  });

  test("may be one of an HTTP server, whose own methods Node has put in place", async () => {
    const http = createServer().listen(0, "127.0.0.1");
    await once(http, "listening");
    const client = connect((http.address() as AddressInfo).port, "127.0.0.1");
    client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    const [, socket] = (await once(http, "upgrade")) as [IncomingMessage, Socket];
    expect(Object.hasOwn(socket, "on")).toBe(true);
    const done = watchedSocket(socket);
    socket.on("data", () => {});
    expect([done, isWatched(socket)]).toEqual([["touched"], false]);
    client.destroy();
    socket.destroy();
    http.close();
  });

  test("may be one over TLS", async () => {
    const [near, far] = await socketPair();
    const secure = new TLSSocket(near);
    secure.on("error", () => {});
    const done = watchedSocket(secure);
    expect([isWatched(secure), secure instanceof TLSSocket]).toEqual([true, true]);
    secure.on("data", () => {});
    expect([done, isWatched(secure), Object.getPrototypeOf(secure)]).toEqual([["touched"], false, TLSSocket.prototype]);
    secure.destroy();
    far.destroy();
  });

  test("is none of another class", () => {
    class Own extends Socket {}
    const own = new Own();
    expect([watchedSocket(own), isWatched(own)]).toEqual([[], false]);
    own.on("data", () => {});
    expect(Object.getPrototypeOf(own)).toBe(Own.prototype);
  });
});

test.each(both)("over TLS, others may listen to the `_socket` of %s and write to it", async (_, exports) => {
  const { ca, server: identity, remove } = makeCertificates();
  remove();
  const http = createTlsServer({ ...identity }).listen(0, "localhost");
  await once(http, "listening");
  const listener = new exports.WebSocketServer({ server: http });
  const { port } = http.address() as AddressInfo;
  const client = new exports.WebSocket(`wss://localhost:${port}`, { ca } as ClientOptions);
  const [server] = (await once(listener, "connection")) as [WebSocket & { readonly _socket: Socket }];
  const received: string[] = [];
  server.on("message", (data) => void received.push(String(data)));
  await once(client, "open");
  client.send("one");
  await until(() => received.length === 1);
  let heard = 0;
  server._socket.on("data", (chunk: Buffer) => {
    heard += chunk.length;
  });
  client.send("two");
  await until(() => received.length === 2 && heard > 0);
  expect(received).toEqual(["one", "two"]);
  const told = once(client, "message");
  // A whole frame, as some write them by hand.
  server._socket.write(Buffer.from([0x81, 2, 0x6f, 0x6b]));
  expect(String((await told)[0])).toBe("ok");
  client.terminate();
  listener.close();
  http.close();
});
