import { execFileSync, spawn } from "node:child_process";
import { type EventEmitter, once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpServer, request as httpRequest } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect, createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from "node:tls";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  type MockInstance,
  onTestFinished,
  test,
  vi,
} from "vitest";
import { WebSocket } from "ws";
import type { CloseReport } from "../../src/connection/closing/close-report.ts";
import type { LogRecord } from "../../src/server/log.ts";
import { route } from "../../src/server/route.ts";
import type { ServeOptions } from "../../src/server/serve-options.ts";
import { type Server, serve } from "../../src/server/server.ts";
import type { ServerConnection } from "../../src/server/server-connection.ts";
import { gate, until } from "../support/connection-pair.ts";
import { nextTurn } from "../support/held-duplex.ts";
import { httpServer } from "../support/http-server.ts";
import {
  closeFrame,
  closeStatus,
  exchange,
  openRaw,
  parseResponse,
  RawPeer,
  type RawRequest,
  readHead,
  requestText,
  sendRaw,
} from "../support/raw-peer.ts";
import { frameFrom } from "../support/wire.ts";

const servers: Server[] = [];
let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(async () => {
  vi.useRealTimers();
  for (const server of servers.splice(0)) {
    for (const connection of server.connections) connection.terminate();
    await server.close();
  }
  stderr.mockRestore();
});

async function serving<const Path extends string>(options: ServeOptions<Path>): Promise<Server> {
  const server = await serve({ ...(!options.server && { host: "127.0.0.1" }), ...options });
  servers.push(server);
  return server;
}

const answer = async (port: number, request: RawRequest) => parseResponse(await exchange(port, requestText(request)));
const echo = route({ message: (connection, data) => void connection.send(data) });
const says = (what: string) => route({ open: (connection) => void connection.send(what) });

async function said(port: number, path: string): Promise<string | undefined> {
  const peer = await openRaw(port, { path });
  return (await peer.nextFrame())?.payload.toString();
}

describe("the own listener", () => {
  test("serves routes, with parameters, to a client that others wrote [G41]", async () => {
    const server = await serving({
      routes: {
        "/echo": echo,
        "/rooms/:room": route({ open: (connection) => void connection.send(JSON.stringify(connection.params)) }),
      },
    });
    expect(server.port).toBeGreaterThan(0);
    const client = new WebSocket(`ws://127.0.0.1:${server.port}/echo`);
    await once(client, "open");
    client.send(Buffer.alloc(100_000, 7));
    const [data, binary] = await once(client, "message");
    expect([data.length, binary]).toEqual([100_000, true]);
    expect(server.connections.size).toBe(1);
    client.close(4000, "bye");
    const [code] = await once(client, "close");
    expect(code).toBe(4000);
    await until(() => server.connections.size === 0);
    expect(await said(server.port, "/rooms/a%20b?c=d")).toBe('{"room":"a b"}');
    expect(await said(server.port, "http://localhost/rooms/whole-url")).toBe('{"room":"whole-url"}');
    const files = await serving({
      routes: {
        "/files/*": route({
          upgrade: ({ params }) => ({ data: params["*"] }),
          open: (connection) => void connection.send(`${connection.data} ${connection.params["*"]}`),
        }),
      },
    });
    expect(await said(files.port, "/files/a%20b/c?d")).toBe("a b/c a b/c");
    expect((await answer(files.port, { path: "/file" })).status).toBe(404);
  });

  test.each<[string, RawRequest, number, RegExp, [string, string]?]>([
    ["an unknown path [R6455-4.2.2-5]", { path: "/none" }, 404, /nothing is served at this path/],
    ["an unknown path, plain", { path: "/none", headers: { Upgrade: "", Connection: "" } }, 404, /nothing is served/],
    ["no Upgrade [R6455-4.2.1-3]", { headers: { Upgrade: "" } }, 426, /Upgrade header field/, ["upgrade", "websocket"]],
    ["no Connection", { headers: { Connection: "close" } }, 426, /no Upgrade token/, ["upgrade", "websocket"]],
    ["another protocol", { headers: { Upgrade: "h2c" } }, 426, /Upgrade header field/, ["upgrade", "websocket"]],
    [
      "plain POST",
      { method: "POST", headers: { Upgrade: "", Connection: "" } },
      405,
      /method is not GET/,
      ["allow", "GET"],
    ],
    ["no Host", { headers: { Host: "" } }, 400, /no Host/],
    ["a head over 16 KiB [C05]", { headers: { "X-Long": "x".repeat(17_000) } }, 431, /too large/],
    ["HTTP/1.0", { version: "1.0" }, 400, /older than HTTP\/1.1/],
  ])("%s is refused, and the connection closed", async (_, request, status, body, header) => {
    const { port } = await serving({ routes: { "/": echo } });
    const response = await answer(port, request);
    expect(response.status).toBe(status);
    expect(response.body).toMatch(body);
    expect(response.headers.get("connection")).toMatch(/^close/i);
    if (header) expect(response.headers.get(header[0])).toBe(header[1]);
  });

  test("what is no HTTP is 400; what is no request is nothing", async () => {
    const { port } = await serving({ routes: { "/": echo } });
    expect(parseResponse(await exchange(port, "hello\r\n\r\n")).status).toBe(400);
    const peer = await sendRaw(port);
    peer.end();
    await peer.closed;
    const reset = await sendRaw(port, "GET / HT");
    reset.reset();
    await openRaw(port);
  });

  test("a head that does not come in time is 408 [C05]", async () => {
    const { port } = await serving({ routes: { "/": echo }, limits: { handshakeTimeout: 100 } });
    expect(parseResponse(await exchange(port, "GET / HTTP/1.1\r\nHost: a\r\nX-")).status).toBe(408);
  });

  test("plain requests go to request, also those that ask for another protocol", async () => {
    const { port } = await serving({
      routes: { "/": echo },
      request: (message, response) => void response.end(`${message.method} ${message.url} ${message.headers.upgrade}`),
    });
    const plain = { Upgrade: "", Connection: "close" };
    expect((await answer(port, { path: "/page", headers: plain })).body).toBe("GET /page undefined");
    const other = await exchange(
      port,
      requestText({ path: "/page", headers: { Upgrade: "h2c", Connection: "close, Upgrade" } }),
    );
    expect(other).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(other).toContain("GET /page h2c");
    await openRaw(port);
  });

  test("a taken port rejects, and leaves nothing behind", async () => {
    const { port } = await serving({ routes: {} });
    const error = await serve({ port, host: "127.0.0.1", routes: {} }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "EADDRINUSE", syscall: "listen", cause: { code: "EADDRINUSE" } });
    expect((error as Error).message).toMatch(/^Cannot serve: something listens there already.*port: 0.*EADDRINUSE/);
    expect((error as Error).stack).toContain("server.test.ts");
  });

  test("an address that is not this machine's rejects, and says so", async () => {
    await expect(serve({ host: "203.0.113.5", routes: {} })).rejects.toThrow(
      /^Cannot serve: the host is not an address of this machine: .*203\.0\.113\.5/,
    );
    await expect(serve({ port: 65_536, routes: {} })).rejects.toThrow(RangeError);
  });

  test.each<[string, object, RegExp]>([
    [
      "the path of a certificate",
      { cert: "/etc/tls/cert.pem", key: "/etc/tls/key.pem" },
      /tls\.cert must be the PEM text/,
    ],
    ["the path of a key", { cert: "-----BEGIN CERTIFICATE-----", key: "key.pem" }, /tls\.key .*readFileSync\(path\)/],
    [
      "the path of a key in a list",
      { cert: "-----BEGIN CERTIFICATE-----", key: [{ pem: "key.pem" }] },
      /tls\.key must/,
    ],
    ["the path of an authority in a list", { ca: ["ca.pem"] }, /tls\.ca must be the PEM text/],
    ["no certificate at all", { certFile: "cert.pem" }, /tls has no certificate; it needs cert and key/],
  ])("Cannot serve: %s in tls", async (_, tls, message) => {
    await expect(serve({ routes: {}, tls })).rejects.toThrow(message);
    await expect(serve({ routes: {}, tls })).rejects.not.toThrow(/key\.pem|ca\.pem/);
  });

  test("two of one path on an HTTP server: the second is refused while the first lets clients in", async () => {
    const http = createHttpServer();
    const rooms = { "/chat": echo, "/rooms/:room": echo };
    const first = await serving({ server: http, routes: rooms });
    await serving({ server: http, routes: { "/rooms": echo, "/rooms/:room/:user": echo } });
    for (const path of ["/chat", "/rooms/:name"]) {
      await expect(serve({ server: http, routes: { "/new": echo, [path]: echo } })).rejects.toThrow(
        `Cannot serve "${path.replace("name", "")}": the HTTP server has a route of that path already; close the other`,
      );
    }
    await first.close();
    await serving({ server: http, routes: rooms });
  });

  test("listens on a path where it is asked to", async () => {
    const folder = mkdtempSync(join(tmpdir(), "openline-"));
    try {
      const path = join(folder, "socket");
      const server = await serving({ routes: { "/": says("over a path") }, listenOptions: { path } });
      expect(server.port).toBe(0);
      const peer = await sendRaw({ path }, requestText());
      await readHead(peer);
      expect(await peer.nextTexts(1)).toEqual(["over a path"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("two listen on one port with reusePort; a runtime that has none says so", async () => {
    const options = { host: "127.0.0.1", listenOptions: { reusePort: true } };
    const first = serve({ ...options, routes: { "/": says("first") } });
    const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
    if (major < 22 || (major === 22 && minor < 12) || (major === 23 && minor < 1)) {
      await expect(first).rejects.toThrow(
        new TypeError(`Cannot serve: reusePort needs Node 22.12, 23.1 or later, and this is ${process.version}`),
      );
      await serving({ routes: {}, listenOptions: { reusePort: false } });
      return;
    }
    servers.push(await first);
    const { port } = servers[0]!;
    const second = await serving({ ...options, port, routes: { "/": says("second") } });
    expect(second.port).toBe(port);
    await second.close();
    expect(await (await openRaw(port)).nextTexts(1)).toEqual(["first"]);
  });

  test.each<[string, object]>([
    ["a path without /", { routes: { echo: {} } }],
    ["an unknown limit", { routes: {}, limits: { maxSize: 1 } }],
    ["a bad origin", { routes: { "/": { origin: ["*"] } } }],
  ])("options that cannot be reject: %s", async (_, options) => {
    await expect(serve(options as never)).rejects.toThrow(TypeError);
  });

  test.each<[string, unknown]>([
    ["the options must be an object, not undefined", undefined],
    ["there are no routes", { port: 0 }],
    [
      'the routes must be an object of paths, such as { "/chat": { … } }, not a Map or a list',
      { routes: new Map([["/chat", {}]]) },
    ],
    ['the option "routes" must be an object, not a function', { routes: () => {} }],
    ['there is no option "compresion"; did you mean "compression"?', { routes: {}, compresion: true }],
    ['the option "port" must be a number, not "9998"', { routes: {}, port: "9998" }],
    ['the option "subprotocols" must be an array, not "chat"', { routes: {}, subprotocols: "chat" }],
    ...(
      [
        [() => {}, "a function"],
        [{ listen: () => {}, on: () => {} }, "an object"],
        [8080, "8080"],
        [null, "null"],
      ] as const
    ).map(([server, words]): [string, unknown] => [
      `the option "server" must be an HTTP server, such as createServer(app) makes and app.listen(port) gives, not ${words}`,
      { routes: {}, server },
    ]),
    [
      'the option "port" is for a listener of our own, and there is a server to share',
      { routes: {}, port: 1, server: createHttpServer() },
    ],
  ])("Cannot serve: %s", async (message, options) => {
    await expect(serve(options as never)).rejects.toThrow(new TypeError(`Cannot serve: ${message}`));
  });

  test.each<[string, unknown]>([
    ['there is no option "onmessage"; did you mean "message"?', { onmessage: () => {} }],
    ['there is no option "mesage"; did you mean "message"?', { mesage: () => {} }],
    ['the option "message" must be a function, not "echo"', { message: "echo" }],
    ["the options must be an object, not a function", () => {}],
  ])('Cannot serve "/chat": %s', async (message, chat) => {
    const options = { routes: { "/chat": chat } };
    await expect(serve(options as never)).rejects.toThrow(new TypeError(`Cannot serve "/chat": ${message}`));
  });

  test("text comes as one of two", async () => {
    await expect(serve({ routes: {}, text: "utf8" as never })).rejects.toThrow(
      new TypeError('Cannot deliver text as "utf8": it comes as "string" or as "bytes"'),
    );
  });

  test("an error of the listener ends no process [D20]", async () => {
    const error = Object.assign(new Error("accept EMFILE"), { code: "EMFILE" });
    const { port } = await serving({
      routes: {},
      request: ({ socket }, response) => {
        (socket as unknown as { server: EventEmitter }).server.emit("error", error);
        response.end("still here");
      },
    });
    const plain = { Upgrade: "", Connection: "close" };
    expect((await answer(port, { headers: plain })).body).toBe("still here");
    expect(stderr.mock.calls).toEqual([["A server could not accept a connection:", error]]);
  });
});

describe("a shared server", () => {
  test("several serves and a listener of somebody else live side by side", async () => {
    const { http, port } = await httpServer();
    await serving({ server: http, routes: { "/a": says("a") } });
    const b = await serving({ server: http, routes: { "/b": says("b") } });
    expect(b.port).toBe(port);
    expect(http.listenerCount("upgrade")).toBe(1);
    expect(await said(port, "/a")).toBe("a");
    expect(await said(port, "/b")).toBe("b");
    expect((await answer(port, { path: "/c" })).status).toBe(404);
    http.on("upgrade", (request, socket) => {
      if (request.url === "/c") socket.end("HTTP/1.1 418 Theirs\r\nContent-Length: 0\r\n\r\n");
    });
    expect((await answer(port, { path: "/c" })).status).toBe(418);
    expect(await said(port, "/a")).toBe("a");
  });

  test("a path and a protocol that are not ours are left alone while others listen", async () => {
    const { http, port } = await httpServer();
    const theirs: string[] = [];
    await serving({ server: http, routes: { "/a": says("a") } });
    http.on("upgrade", (request, socket) => {
      theirs.push(`${request.headers.upgrade} ${request.url}`);
      if (request.url !== "/a" || request.headers.upgrade !== "websocket") socket.end();
    });
    await exchange(port, requestText({ path: "/none" }));
    await exchange(port, requestText({ path: "/a", headers: { Upgrade: "h2c" } }));
    expect(await said(port, "/a")).toBe("a");
    expect(theirs).toEqual(["websocket /none", "h2c /a", "websocket /a"]);
  });

  test("plain requests and other protocols go to the request listeners, 426 where there are none", async () => {
    const { http, port } = await httpServer();
    await serving({ server: http, routes: { "/a": says("a") } });
    expect((await answer(port, { path: "/a", headers: { Upgrade: "h2c" } })).status).toBe(426);
    http.on("request", (request, response) => response.end(`theirs ${request.url}`));
    const other = { Upgrade: "h2c", Connection: "close, Upgrade" };
    expect(await exchange(port, requestText({ path: "/a", headers: other }))).toContain("theirs /a");
    const plain = { Upgrade: "", Connection: "close" };
    expect(await exchange(port, requestText({ path: "/a", headers: plain }))).toContain("theirs /a");
  });

  test("close takes only its own routes away, and leaves the server to its owner", async () => {
    const { http, port } = await httpServer();
    const a = await serving({ server: http, routes: { "/a": says("a") } });
    const b = await serving({ server: http, routes: { "/b": says("b") } });
    const peer = await openRaw(port, { path: "/a" });
    await peer.nextFrame();
    const closing = a.close();
    expect(closeStatus(await peer.nextFrame())).toEqual({ code: 1001, reason: "The server is closing" });
    peer.close(1001);
    peer.end();
    await closing;
    expect((await answer(port, { path: "/a" })).status).toBe(404);
    expect(await said(port, "/b")).toBe("b");
    for (const connection of b.connections) connection.terminate();
    await b.close();
    await b.close();
    expect(http.listenerCount("upgrade")).toBe(0);
    expect(http.listening).toBe(true);
  });

  test("an Upgrade that Node lost is no crash [C01]", async () => {
    const { http, port } = await httpServer();
    http.maxHeadersCount = 2;
    await serving({ server: http, routes: { "/a": says("a") } });
    const headers = { Upgrade: "", "X-1": "1", "X-2": "2", upgrade: "websocket" };
    // Newer versions of Node refuse such a request themselves.
    expect((await answer(port, { path: "/a", headers })).status).toBeOneOf([426, 431]);
  });
});

describe("limits of a server", () => {
  test("maxConnections: beyond it 503, and let in again when one has left", async () => {
    const server = await serving({ routes: { "/": says("in") }, limits: { maxConnections: 2 } });
    const first = await openRaw(server.port);
    await openRaw(server.port);
    const { status, headers, body } = await answer(server.port, {});
    expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
    expect(body).toMatch(/as many connections as it takes/);
    first.reset();
    await until(() => server.connections.size === 1);
    expect(await said(server.port, "/")).toBe("in");
  });

  test("maxPendingHandshakes: beyond it 503, and let in again when one was decided", async () => {
    const { opened, open } = gate();
    const server = await serving({
      routes: { "/": { upgrade: () => opened.then(() => ({})) } },
      limits: { maxPendingHandshakes: 1 },
    });
    const first = await sendRaw(server.port, requestText());
    await until(() => server.metrics().pendingHandshakes === 1);
    const { status, body } = await answer(server.port, {});
    expect(status).toBe(503);
    expect(body).toMatch(/too many opening handshakes are waiting/);
    open();
    expect(await readHead(first)).toMatch(/ 101 /);
    await until(() => server.metrics().pendingHandshakes === 0);
    await openRaw(server.port);
  });

  test("many pending handshakes warn of no leak", async () => {
    const warnings: unknown[] = [];
    const note = (warning: unknown) => warnings.push(warning);
    process.on("warning", note);
    const server = await serving({ routes: { "/": { upgrade: () => new Promise(() => {}) } } });
    for (let i = 0; i < 30; i++) await sendRaw(server.port, requestText());
    await until(() => server.metrics().pendingHandshakes === 30);
    await server.close();
    await nextTurn();
    process.off("warning", note);
    expect(warnings).toEqual([]);
    expect(server.metrics().pendingHandshakes).toBe(0);
  });
});

describe("metrics", () => {
  test("count what is there and what was", async () => {
    const server = await serving({ routes: { "/": echo } });
    const peer = await openRaw(server.port);
    await openRaw(server.port);
    await answer(server.port, { headers: { "Sec-WebSocket-Key": "" } });
    peer.text("hello");
    await peer.nextFrame();
    peer.close(4000);
    peer.end();
    await peer.closed;
    await until(() => server.connections.size === 1);
    expect(server.metrics()).toMatchObject({
      connections: 1,
      pendingHandshakes: 0,
      opened: 2,
      closed: { 4000: 1 },
      refused: { "missing-key": 1 },
      messagesReceived: 1,
      messagesSent: 1,
      bytesReceived: 11 + 8,
      bytesSent: 7 + 4,
      bufferedAmount: 0,
      topics: 0,
    });
  });
});

describe("publish", () => {
  test("reaches all subscribers of a topic", async () => {
    const server = await serving({ routes: { "/": { open: (connection) => connection.subscribe("news") } } });
    const peers = [await openRaw(server.port), await openRaw(server.port)];
    await until(() => server.subscriberCount("news") === 2);
    expect(server.publish("news", "extra")).toMatchObject({ reached: 2 });
    for (const peer of peers) expect(await peer.nextTexts(1)).toEqual(["extra"]);
  });
});

describe("close", () => {
  test("tells all 1001, waits for them, refuses the rest, and leaves nothing running", async () => {
    const before = process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout/.test(kind)).length;
    const seen: number[] = [];
    const server = await serve({
      host: "127.0.0.1",
      routes: { "/": { close: (_, report) => seen.push(report.sent!.code) } },
    });
    const { port } = server;
    const peers = [await openRaw(port), await openRaw(port)];
    await until(() => server.connections.size === 2);
    expect(server.accepting).toBe(true);
    const closed = server.close();
    expect(server.accepting).toBe(false);
    for (const peer of peers) {
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1001);
      peer.close(1001);
      peer.end();
    }
    await closed;
    await Promise.all(peers.map((peer) => peer.closed));
    expect(seen).toEqual([1001, 1001]);
    expect(server.connections.size).toBe(0);
    await expect(sendRaw(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await nextTurn();
    const after = process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout/.test(kind)).length;
    expect(after).toBeLessThanOrEqual(before);
    await server[Symbol.asyncDispose]();
  });

  test("clients that do not answer are cut off after closeTimeout [D01]", async () => {
    const server = await serving({ routes: { "/": {} }, limits: { closeTimeout: 50 } });
    const peer = await openRaw(server.port);
    await until(() => server.connections.size === 1);
    const [connection] = server.connections;
    await server.close();
    expect(await connection!.closed).toMatchObject({ code: 1006, sent: { code: 1001 } });
    await peer.until(() => false);
  });

  test("a handler that never ends does not hold it up", async () => {
    const server = await serving({
      routes: { "/": { message: () => new Promise(() => {}) } },
      limits: { closeTimeout: 50 },
    });
    const peer = await openRaw(server.port);
    peer.text("a");
    await until(() => server.metrics().messagesReceived === 1);
    await server.close();
    expect(server.connections.size).toBe(0);
    await peer.until(() => false);
  });

  test("plain connections that are kept alive do not hold it up, nor do handshakes under way", async () => {
    const server = await serving({
      routes: { "/": { upgrade: () => new Promise(() => {}) } },
      request: (_, response) => void response.end("kept"),
    });
    const kept = await sendRaw(server.port, "GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    await kept.until(() => kept.received.includes("kept"));
    const partial = await sendRaw(server.port, "GET /page HT");
    const idle = await sendRaw(server.port);
    const pending = await sendRaw(server.port, requestText());
    await until(() => server.metrics().pendingHandshakes === 1);
    const closed = server.close();
    expect(await readHead(pending)).toMatch(/^HTTP\/1.1 503 /);
    pending.end();
    await closed;
    for (const peer of [kept, partial, idle]) await peer.until(() => false);
  });

  test("in open, and a connection that is established at the same time", async () => {
    const { opened, open } = gate();
    const server: Server = await serving({
      routes: {
        "/self": { open: () => void server.close() },
        "/late": { upgrade: () => opened.then(() => ({})) },
      },
    });
    const self = await openRaw(server.port, { path: "/self" });
    expect(closeStatus(await self.nextFrame())?.code).toBe(1001);
    open();
    self.close(1001);
    self.end();
    await server.close();
  });
});

describe("drain", () => {
  test("tells clients in turn, refuses new ones meanwhile, delivers what was queued, and resolves [D06]", async () => {
    const server = await serving({ routes: { "/": {} } });
    const peers = [await openRaw(server.port), await openRaw(server.port), await openRaw(server.port)];
    await until(() => server.connections.size === 3);
    for (const connection of server.connections) connection.send("queued");
    const drained = server.drain({ over: 40, retryAfter: 9, code: 1012 });
    const { status, headers } = await answer(server.port, {});
    expect([status, headers.get("retry-after")]).toEqual([503, "9"]);
    for (const peer of peers) {
      expect(await peer.nextTexts(1)).toEqual(["queued"]);
      expect(closeStatus(await peer.nextFrame())?.code).toBe(1012);
      peer.close(1012);
      peer.end();
    }
    await drained;
    expect(server.connections.size).toBe(0);
    expect(server.accepting).toBe(false);
  });

  test("those that stay beyond the deadline are cut off, whatever their handlers do", async () => {
    const server = await serving({ routes: { "/": { message: () => new Promise(() => {}) } } });
    const peer = await openRaw(server.port);
    peer.text("a");
    await until(() => server.metrics().messagesReceived === 1);
    await server.drain({ over: 0, deadline: 50 });
    expect(server.connections.size).toBe(0);
    await peer.until(() => false);
  });

  test("a client that was being let in when the draining began is told what the others are", async () => {
    const deciding = gate();
    const server = await serving({ routes: { "/": {}, "/slow": { upgrade: () => deciding.opened.then(() => ({})) } } });
    const first = await openRaw(server.port);
    const slow = await sendRaw(server.port, requestText({ path: "/slow" }));
    await until(() => server.metrics().pendingHandshakes === 1);
    const drained = server.drain({ over: 0, code: 4321 });
    expect(closeStatus(await first.nextFrame())?.code).toBe(4321);
    deciding.open();
    await readHead(slow);
    expect(closeStatus(await slow.nextFrame())).toEqual({ code: 4321, reason: "The server is draining" });
    for (const peer of [first, slow]) {
      peer.close(4321);
      peer.end();
    }
    await drained;
  });

  test("stops listening at once where it is asked to, and delivers what was queued all the same", async () => {
    const server = await serving({ routes: { "/": {} } });
    const { port } = server;
    const peer = await openRaw(port);
    await until(() => server.connections.size === 1);
    for (const connection of server.connections) connection.send("queued");
    const drained = server.drain({ over: 0, stopListening: true });
    const refused = connect({ port, host: "127.0.0.1" });
    expect((await once(refused, "error"))[0]).toMatchObject({ code: "ECONNREFUSED" });
    expect(await peer.nextTexts(1)).toEqual(["queued"]);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1012);
    peer.close(1012);
    peer.end();
    await drained;
  });

  test("a code that cannot be sent is refused, and nothing is drained", async () => {
    const server = await serving({ routes: {} });
    await expect(server.drain({ code: 1006 })).rejects.toThrow(RangeError);
    await expect(server.drain({ over: -1 })).rejects.toThrow(
      new RangeError("Cannot drain: over must be a number from 0 to 2147483647, not -1"),
    );
    await expect(server.drain({ timeout: 5 } as object)).rejects.toThrow(
      new TypeError('Cannot drain: there is no option "timeout"'),
    );
    expect(server.accepting).toBe(true);
    const shared = await serving({ routes: {}, server: createHttpServer() });
    await expect(shared.drain({ stopListening: true })).rejects.toThrow(
      new TypeError('Cannot drain: the option "stopListening" is for a listener of our own, and this one is shared'),
    );
    expect(shared.accepting).toBe(true);
  });
});

describe("TLS", () => {
  let folder: string;
  let tls: { key: Buffer; cert: Buffer };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "openline-"));
    const files = ["-keyout", join(folder, "key"), "-out", join(folder, "cert")];
    const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    execFileSync("openssl", ["req", ...kind, "-subj", "/CN=localhost", ...files], { stdio: "ignore" });
    tls = { key: readFileSync(join(folder, "key")), cert: readFileSync(join(folder, "cert")) };
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test("everything runs inside TLS, small marks and large messages too [R6455-4.2.2-1 R6455-10.6-1]", async () => {
    const urls: string[] = [];
    const drains: number[] = [];
    const server = await serving({
      tls,
      limits: { outboxHighWaterMark: 1000 },
      routes: {
        "/": {
          upgrade: ({ url }) => ({ data: urls.push(url.href) }),
          message: async (connection, data) => {
            connection.send(data);
            await connection.ready;
            drains.push(connection.bufferedAmount);
          },
        },
      },
    });
    const client = new WebSocket(`wss://localhost:${server.port}/`, { ca: tls.cert });
    await once(client, "open");
    expect(urls).toEqual([`https://localhost:${server.port}/`]);
    for (const size of [10, 2000, 100_000, 3_000_000]) {
      client.send(Buffer.alloc(size, 5));
      const [data] = await once(client, "message");
      expect(data.length).toBe(size);
    }
    client.close();
    await once(client, "close");
    await until(() => drains.length === 4);
    expect(drains.every((amount) => amount < 1000)).toBe(true);
  });

  test("what came before the client ended its side is answered, and so is its Close", async () => {
    const answering = gate();
    const slow = route({
      message: async (connection, data) => {
        await answering.opened;
        connection.send(data);
      },
    });
    const { port } = await serving({ tls, routes: { "/": slow } });
    const options = { port, host: "127.0.0.1", servername: "localhost", ca: tls.cert, allowHalfOpen: true };
    const socket = tlsConnect(options);
    const peer = new RawPeer(socket, "client");
    await once(socket, "secureConnect");
    socket.write(requestText());
    await readHead(peer);
    peer.text("a question");
    peer.close(1000);
    peer.end();
    await once(socket, "finish");
    setTimeout(answering.open, 20);
    expect(await peer.nextTexts(1)).toEqual(["a question"]);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
    await peer.closed;
  });

  describe("a peer that reads slowly, as more is sent than a system holds [D04]", () => {
    const size = 64 * 1024 * 1024;
    const limits = { closeTimeout: 5000, writeTimeout: 45_000, maxOutboxSize: 2 * size };

    /** Where the bytes of one large write are seen to leave. */
    interface SecureSocket extends TLSSocket {
      readonly _handle: { readonly _parent: { readonly writeQueueSize: number } } | null;
    }

    async function reading(open: (connection: ServerConnection) => void) {
      const https = createHttpsServer(tls).listen(0, "127.0.0.1");
      onTestFinished(() => void https.close());
      await once(https, "listening");
      const accepted = once(https, "secureConnection");
      let closed: Promise<CloseReport> | undefined;
      const opened = (connection: ServerConnection) => {
        closed = connection.closed;
        open(connection);
      };
      await serving({ server: https, limits, routes: { "/": route({ open: opened }) } });
      const { port } = https.address() as AddressInfo;
      const socket = tlsConnect({ port, host: "127.0.0.1", servername: "localhost", ca: tls.cert });
      const [far] = (await accepted) as [SecureSocket];
      const waiting = () => far._handle?._parent.writeQueueSize ?? 0;
      const got = { length: 0 };
      socket
        .on("error", () => {})
        .on("data", (chunk: Buffer) => {
          got.length += chunk.length;
        });
      socket.write(requestText());
      await until(() => waiting() > 0);
      /** Resolves when some more has left, with whether there is still something waiting. */
      const moved = async () => {
        const before = waiting();
        // More, where the next message follows in the same turn.
        await until(() => waiting() !== before || socket.destroyed);
        return waiting() > 0;
      };
      return { socket, far, got, closed: closed!, moved };
    }

    // The clock runs as bytes leave, so neither the machine's speed nor what the kernel holds matters.
    test("gets all that stands before our Close, though it takes longer than writeTimeout", async () => {
      const { socket, got, closed, moved } = await reading((connection) => {
        vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
        connection.send(new Uint8Array(size));
        connection.close();
      });
      let passed = 0;
      do {
        vi.advanceTimersByTime(40_000);
        passed += 40_000;
      } while (await moved());
      await until(() => got.length > size || socket.destroyed);
      expect(got.length).toBeGreaterThan(size);
      expect(passed).toBeGreaterThan(2 * limits.writeTimeout);
      socket.end(frameFrom("client", closeFrame(1000)));
      expect(await closed).toMatchObject({ code: 1000, wasClean: true });
    });

    test("gets the whole message, though it takes many times writeTimeout; not when it stops", async () => {
      const { socket, far, got, closed, moved } = await reading((connection) => {
        vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
        connection.send(new Uint8Array(size));
        connection.send(new Uint8Array(size));
      });
      while (got.length < size && (await moved())) vi.advanceTimersByTime(limits.writeTimeout);
      expect(got.length).toBeGreaterThanOrEqual(size);
      socket.pause();
      await until(() => {
        vi.advanceTimersByTime(limits.writeTimeout);
        return far.destroyed;
      });
      expect((await closed).error?.message).toContain("no byte left or arrived for 45000 ms");
    });
  });

  test("what is no TLS, and clients that fail their handshake, are no uncaught errors", async () => {
    const server = await serving({ tls, routes: { "/": says("secure") } });
    const plain = await sendRaw(server.port, requestText());
    await plain.until(() => false);
    plain.end();
    const refusing = tlsConnect({ port: server.port, host: "127.0.0.1", servername: "localhost" });
    await once(refusing, "error");
    const client = new WebSocket(`wss://localhost:${server.port}/`, { ca: tls.cert });
    const [data] = await once(client, "message");
    expect(String(data)).toBe("secure");
    client.terminate();
  });

  test("a client that never begins TLS is cut off in time, and does not hold up close [C05]", async () => {
    const server = await serving({ tls, routes: {}, limits: { handshakeTimeout: 100 } });
    const silent = await sendRaw(server.port);
    await silent.until(() => false);
    silent.end();
    // Held up, close would take this long.
    const another = await serving({ tls, routes: {}, limits: { handshakeTimeout: 3_600_000 } });
    const idle = await sendRaw(another.port);
    await another.close();
    await idle.until(() => false);
  });
});

test("origin: by default the same host, where there is an Origin [G48]", async () => {
  const { port } = await serving({ routes: { "/": says("in"), "/any": { ...says("in"), origin: "any" } } });
  const headers = { Origin: "https://localhost" };
  expect(await (await openRaw(port, { headers })).nextTexts(1)).toEqual(["in"]);
  const other = { Origin: "https://evil.example" };
  expect((await answer(port, { headers: other })).status).toBe(403);
  expect(await (await openRaw(port, { path: "/any", headers: other })).nextTexts(1)).toEqual(["in"]);
});

test("a request beside a connection on the same agent is answered", async () => {
  const { port } = await serving({ routes: { "/": echo }, request: (_, response) => void response.end("plain") });
  await openRaw(port, {}, frameFrom("client", { opcode: 1, payload: "a" }));
  const body = await new Promise((resolve, reject) => {
    httpRequest({ port, host: "127.0.0.1", path: "/page" }, (response) => {
      response.setEncoding("utf8").on("data", resolve);
    })
      .on("error", reject)
      .end();
  });
  expect(body).toBe("plain");
  connect({ port, host: "127.0.0.1" }).destroy();
});

describe("the option `request`", () => {
  const failing: [string, NonNullable<ServeOptions["request"]>][] = [
    [
      "throws",
      () => {
        throw new Error("no table");
      },
    ],
    [
      "rejects",
      async () => {
        await nextTurn();
        throw new Error("no table");
      },
    ],
  ];

  test.each(failing)("that %s ends nothing: 500, and a record", async (_, request) => {
    const records: LogRecord[] = [];
    const { port } = await serving({ routes: {}, request, log: (record) => records.push(record) });
    for (let time = 1; time <= 2; time++) {
      const answered = parseResponse(await exchange(port, "GET /a?secret HTTP/1.1\r\nHost: a\r\n\r\n"));
      expect([answered.status, answered.body]).toEqual([500, expect.stringContaining("The server failed\n")]);
      expect(records).toHaveLength(time);
    }
    expect(records[0]).toMatchObject({
      event: "request-error",
      level: "error",
      message: "The request listener threw at /a from 127.0.0.1: no table",
      error: new Error("no table"),
    });
  });

  test.each(failing)("that %s is told of on stderr once, where there is no log", async (_, request) => {
    const stderr = vi.spyOn(console, "error").mockImplementation(() => {});
    onTestFinished(() => stderr.mockRestore());
    const { port } = await serving({ routes: {}, request });
    for (let time = 1; time <= 2; time++) await exchange(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(stderr.mock.calls).toEqual([[expect.stringMatching(/request listener/), new Error("no table")]]);
  });

  test("that throws behind the beginning of an answer cuts it off; behind its end, nothing is lost", async () => {
    const { port } = await serving({
      routes: {},
      log: () => {},
      request: ({ url }, response) => {
        response.writeHead(200, { Connection: "close", "Content-Length": 4 });
        if (url === "/whole") response.end("kept");
        else response.write("ke");
        throw new Error("late");
      },
    });
    const asked = (path: string) => exchange(port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect((await asked("/whole")).endsWith("\r\n\r\nkept")).toBe(true);
    expect(await asked("/part")).not.toContain("HTTP/1.1 500");
  });

  test("that returns a Response, which nobody writes, is told so", async () => {
    for (const request of [() => new Response("hello"), async () => new Response("hello")]) {
      const records: LogRecord[] = [];
      const { port } = await serving({
        routes: {},
        request: request as never,
        log: (record) => records.push(record),
      });
      expect(parseResponse(await exchange(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).status).toBe(500);
      expect(records.map(({ message }) => message)).toEqual([
        expect.stringMatching(
          /Cannot answer: request returned a Response, .*\(request, response\) => void response\.end/,
        ),
      ]);
    }
  });

  test("control: without our care an exception of a listener ends the process", async () => {
    const program =
      'require("node:http").createServer(() => { throw new Error("no table"); }).listen(0, "127.0.0.1", function () {' +
      'require("node:http").get({ port: this.address().port, host: "127.0.0.1" }).on("error", () => {}); });';
    const child = spawn(process.execPath, ["-e", program], { stdio: "ignore" });
    expect((await once(child, "exit"))[0]).toBe(1);
  });
});

test.each([
  ["node:net", () => createNetServer()],
  ["node:tls", () => createTlsServer()],
])("a server of %s as `server` is refused, since it reads no HTTP", async (_, create) => {
  await expect(serve({ server: create() as never, routes: {} })).rejects.toThrow(
    /^Cannot serve: the option "server" is a server of node:net or node:tls, which reads no HTTP/,
  );
});

test("a certificate without its key is refused at once", async () => {
  const cert = "-----BEGIN CERTIFICATE-----\n";
  await expect(serve({ tls: { cert }, routes: {} })).rejects.toThrow(
    new TypeError("Cannot serve: tls has cert but no key, the PEM text of the certificate's private key"),
  );
});
