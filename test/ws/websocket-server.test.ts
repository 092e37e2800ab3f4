/** Servers, as users of `ws` know them: each test also with `ws` itself, which is the control. */

import { once } from "node:events";
import { createServer, get, request as httpRequest, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import type { ServerOptions, WebSocketServer } from "../../src/ws/index.ts";
import { until } from "../support/connection-pair.ts";
import { both, type Exports, ours } from "./implementations.ts";
import { dial, listen, openPair, socketOf, urlOf } from "./pairs.ts";

const fields = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version": "13",
};

/** The answer to a request, as its status, its body and the named fields. */
async function answerTo(server: WebSocketServer, method: string, headers: object, names: readonly string[] = []) {
  const { port } = server.address() as AddressInfo;
  const asked = httpRequest({ host: "127.0.0.1", port, method, headers: headers as Record<string, string> }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  let body = "";
  for await (const text of response.setEncoding("utf8")) body += text;
  return [response.statusCode, body, ...names.map((name) => response.headers[name])];
}

describe.each(both)("a WebSocketServer of %s", (_, exports: Exports) => {
  test.each<[string, ServerOptions | undefined]>([
    ["none", undefined],
    ["neither", {}],
    ["two", { port: 0, noServer: true }],
    ["a server too", { port: 0, server: createServer() }],
  ])("needs a port, a server, or the lack of one: %s", (_, options) => {
    expect(() => new exports.WebSocketServer(options)).toThrow(
      new TypeError('One and only one of the "port", "server", or "noServer" options must be specified'),
    );
  });

  test.each<[string, ServerOptions, string, object, readonly unknown[]]>([
    ["a plain request", {}, "GET", {}, [426, "Upgrade Required"]],
    ["another method", {}, "POST", fields, [405, "Invalid HTTP method"]],
    ["another protocol", {}, "GET", { ...fields, Upgrade: "h2c" }, [400, "Invalid Upgrade header"]],
    [
      "a short key",
      {},
      "GET",
      { ...fields, "Sec-WebSocket-Key": "abc=" },
      [400, "Missing or invalid Sec-WebSocket-Key header"],
    ],
    [
      "another version",
      {},
      "GET",
      { ...fields, "Sec-WebSocket-Version": "12" },
      [400, "Missing or invalid Sec-WebSocket-Version header", "13, 8"],
    ],
    [
      "broken subprotocols",
      {},
      "GET",
      { ...fields, "Sec-WebSocket-Protocol": "a;b" },
      [400, "Invalid Sec-WebSocket-Protocol header"],
    ],
    [
      "a broken offer",
      { perMessageDeflate: true },
      "GET",
      { ...fields, "Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=x" },
      [400, "Invalid or unacceptable Sec-WebSocket-Extensions header"],
    ],
    ["another path", { path: "/other" }, "GET", fields, [400, "Bad Request"]],
    ["a client that is not let in", { verifyClient: () => false }, "GET", fields, [401, "Unauthorized"]],
    [
      "one that is not let in later",
      { verifyClient: (_, done) => setImmediate(done, false, 404, "Nothing here", { "Sec-WebSocket-Version": "x" }) },
      "GET",
      fields,
      [404, "Nothing here", "x"],
    ],
  ])("refuses %s in the words of ws", async (_, options, method, headers, expected) => {
    const server = await listen(exports, options);
    const names = expected.length > 2 ? ["sec-websocket-version"] : [];
    expect(await answerTo(server, method, headers, names)).toEqual(expected);
  });

  test("leaves what breaks a rule to the listeners of `wsClientError`", async () => {
    const server = await listen(exports);
    server.on("wsClientError", (error, socket, request) => {
      socket.end(`HTTP/1.1 418 No\r\nContent-Length: ${error.message.length}\r\n\r\n${error.message}`);
      expect(request.method).toBe("POST");
    });
    expect(await answerTo(server, "POST", fields)).toEqual([418, "Invalid HTTP method"]);
  });

  test("asks about the client with its origin and its request, and lets it in later", async () => {
    const infos: unknown[] = [];
    const { client, request } = await openPair(
      exports,
      {
        verifyClient: ({ origin, secure, req }, done) => {
          infos.push(origin, secure, req);
          setImmediate(done, true);
        },
      },
      { origin: "http://a.example" },
    );
    expect(infos).toEqual(["http://a.example", false, request]);
    expect(client.readyState).toBe(1);
  });

  test("chooses the first subprotocol that is offered, or what it is told to", async () => {
    const first = await openPair(exports, {}, { protocols: ["b", "a"] });
    expect([first.client.protocol, first.server.protocol]).toEqual(["b", "b"]);
    const handleProtocols = (offered: Set<string>) => [...offered].at(-1)!;
    const last = await openPair(exports, { handleProtocols }, { protocols: ["b", "a"] });
    expect([last.client.protocol, last.server.protocol]).toEqual(["a", "a"]);
  });

  test("tells of the lines of its answer, which may be changed", async () => {
    const server = await listen(exports);
    server.on("headers", (headers, { url }) => headers.push(`X-Path: ${url}`));
    const client = dial(exports, urlOf(server, "/here?x"));
    const seen: unknown[] = [];
    client.on("upgrade", ({ headers }) => seen.push(headers["x-path"]));
    await once(client, "open");
    expect(seen).toEqual(["/here?x"]);
  });

  test.each<[string, (socket: Socket) => unknown]>([
    ["destroyed", (socket) => socket.destroy()],
    ["ended", (socket) => socket.end()],
    ["reset", (socket) => socket.resetAndDestroy()],
  ])("forgets a client whose socket was %s by a listener of `headers`, and tells of its end", async (_, end) => {
    const server = await listen(exports);
    const seen: unknown[] = [];
    server.on("headers", (_lines, { socket }) => end(socket));
    server.on("connection", (webSocket) => {
      seen.push(["clients", server.clients.size]);
      webSocket.on("close", (code) => seen.push(["close", code, webSocket.readyState]));
      webSocket.send("lost", (error) => seen.push(["lost", error instanceof Error]));
    });
    dial(exports, urlOf(server)).on("error", () => {});
    await until(() => seen.length === 3);
    expect(seen).toEqual([
      ["clients", 1],
      ["lost", true],
      ["close", 1006, 3],
    ]);
    await until(() => server.clients.size === 0);
    const closed = once(server, "close");
    server.close();
    await closed;
  });

  test("refuses with the status's own words where it is given none", async () => {
    const server = await listen(exports, { verifyClient: (_info, answer) => answer(false, 403, "") });
    expect(await answerTo(server, "GET", fields)).toEqual([403, "Forbidden"]);
  });

  test("answers the requests that it is handed, at once, and each socket once", async () => {
    const http = createServer().listen(0, "127.0.0.1");
    const server = new exports.WebSocketServer({ noServer: true });
    expect(() => server.address()).toThrow(new Error('The server is operating in "noServer" mode'));
    const seen: unknown[] = [];
    http.on("upgrade", (request, socket, head) => {
      let calledBack = false;
      server.handleUpgrade(request, socket, head, (ws, answered) => {
        calledBack = true;
        seen.push(answered === request, server.clients.has(ws));
        ws.send("hello");
      });
      seen.push(calledBack);
      try {
        server.handleUpgrade(request, socket, head, () => seen.push("twice"));
      } catch (error) {
        seen.push((error as Error).message);
      }
    });
    await once(http, "listening");
    const client = dial(exports, urlOf(http));
    expect(String(((await once(client, "message")) as [Buffer])[0])).toBe("hello");
    expect(seen).toEqual([
      true,
      true,
      true,
      "server.handleUpgrade() was called more than once with the same socket, possibly due to a misconfiguration",
    ]);
    http.close();
  });

  test("hands on what came behind the request to listeners that are added when it is open", async () => {
    const server = await listen(exports);
    const { port } = server.address() as AddressInfo;
    const socket = connect(port, "127.0.0.1");
    const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
    socket.write(Buffer.concat([Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${head.join("")}\r\n`), frame]));
    const seen: unknown[] = [];
    server.on("connection", (ws) => {
      ws.on("message", (data, isBinary) => seen.push([String(data), isBinary]));
      // The payload is unmasked where it lies.
      socketOf(ws).prependListener("data", (chunk) => seen.push(chunk.length));
    });
    await until(() => seen.length === 2);
    expect(seen).toEqual([frame.length, ["hi", false]]);
    socket.destroy();
  });

  test("makes WebSockets of the class that it is told to", async () => {
    class Room extends exports.WebSocket {
      name = "room";
    }
    const { server } = await openPair(exports, { WebSocket: Room });
    expect(server).toBeInstanceOf(Room);
    expect((server as Room).name).toBe("room");
  });

  test("keeps its clients until they have left, unless it is told not to", async () => {
    const { listener, server, client } = await openPair(exports);
    expect([...listener.clients]).toEqual([server]);
    client.terminate();
    await until(() => listener.clients.size === 0);
    const untracked = await openPair(exports, { clientTracking: false });
    expect(untracked.listener.clients).toBeUndefined();
  });

  test("closes: takes no more, leaves those that are there, and says so once they are gone", async () => {
    const { listener, client, server } = await openPair(exports);
    const told: unknown[] = [];
    listener.on("close", () => told.push("close"));
    listener.close(() => told.push("called"));
    listener.close();
    expect(listener.address()).toBeNull();
    client.send("still there");
    await once(server, "message");
    expect(told).toEqual([]);
    client.close();
    await until(() => told.length === 2);
    expect(told).toEqual(["close", "called"]);
    const error = await new Promise((resolve) => listener.close(resolve));
    expect(error).toEqual(new Error("The server is not running"));
  });

  test("leaves a server that it was given as it was", async () => {
    const http = createServer((_, response) => response.end("mine"));
    const before = http.eventNames().length;
    const server = new exports.WebSocketServer({ server: http });
    http.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = dial(exports, urlOf(http));
    await once(client, "open");
    const closed = once(server, "close");
    server.close();
    expect([http.eventNames().length, http.listening]).toEqual([before, true]);
    client.close();
    await closed;
    const [response] = (await once(get(urlOf(http).replace("ws", "http")), "response")) as [IncomingMessage];
    expect(response.statusCode).toBe(200);
    response.resume();
    http.close();
  });

  test("answers 503 once it closes, and tells of errors of its HTTP server", async () => {
    const http = createServer().listen(0, "127.0.0.1");
    await once(http, "listening");
    const server = new exports.WebSocketServer({ noServer: true });
    http.on("upgrade", (request, socket, head) => {
      server.close();
      server.handleUpgrade(request, socket, head, () => {});
    });
    const client = dial(exports, urlOf(http));
    const [error] = await once(client, "error");
    expect(error).toEqual(new Error("Unexpected server response: 503"));
    const second = new exports.WebSocketServer({ port: (http.address() as AddressInfo).port, host: "127.0.0.1" });
    expect(((await once(second, "error")) as [NodeJS.ErrnoException])[0].code).toBe("EADDRINUSE");
    http.close();
  });
});

test("the limit on messages holds for each connection, and counts what is inflated [A01]", async () => {
  const { client, server } = await openPair(ours, { maxPayload: 1000, perMessageDeflate: true });
  const told: unknown[] = [];
  server.on("error", (error) => told.push((error as NodeJS.ErrnoException).code));
  client.send("x".repeat(1000));
  await once(server, "message");
  client.send("x".repeat(1001));
  await until(() => told.length > 0);
  expect(told).toEqual(["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"]);
});
