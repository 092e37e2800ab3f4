/** Opening handshakes of clients, as users of `ws` know them: each test also with `ws` itself, which is the control. */

import { once } from "node:events";
import { Agent, ClientRequest, createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { secWebSocketAccept } from "../../src/protocol/handshake/response.ts";
import type { ClientOptions, WebSocket } from "../../src/ws/index.ts";
import { until } from "../support/connection-pair.ts";
import { both } from "./implementations.ts";
import { dial, listen, urlOf } from "./pairs.ts";

const servers: Server[] = [];
const sockets: Socket[] = [];

function closeServers(): void {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
}

afterEach(closeServers);

/** A server whose upgrade requests are answered by hand, at a port or a path. */
async function answering(answer: (socket: Duplex, request: IncomingMessage) => void, at: number | string = 0) {
  const server = createServer();
  servers.push(server);
  server.on("connection", (socket) => sockets.push(socket));
  server.on("upgrade", (request, socket) => {
    socket.on("error", () => {});
    answer(socket, request);
  });
  if (typeof at === "number") server.listen(at, "127.0.0.1");
  else server.listen(at);
  await once(server, "listening");
  return server;
}

/** A 101 with fields of its own in place of those that are right. */
function switching({ headers }: IncomingMessage, fields: Readonly<Record<string, string>> = {}): string {
  const right = {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": secWebSocketAccept(headers["sec-websocket-key"]!),
  };
  const lines = Object.entries({ ...right, ...fields }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`;
}

/** The error and the close of a client that is not to open, with the states at both. */
async function failureOf(client: WebSocket): Promise<unknown[]> {
  const seen: unknown[] = [];
  client.on("open", () => seen.push("open"));
  client.on("error", (error) => seen.push(`${error.name}: ${error.message}`, client.readyState));
  client.on("close", (code, reason) => seen.push(code, reason.toString(), client.readyState));
  await until(() => client.readyState === 3 && seen.length > 2);
  return seen;
}

const failed = (words: string) => [words, 2, 1006, "", 3];

describe.each(both)("a client of %s", (_, exports) => {
  test.each<[string, string]>([
    ["foo", "Invalid URL: foo"],
    ["ftp://a", 'The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"'],
    ["ws+unix:", "The URL's pathname is empty"],
    ["ws://a/#b", "The URL contains a fragment identifier"],
  ])("refuses the address %s", (address, words) => {
    expect(() => new exports.WebSocket(address)).toThrow(new SyntaxError(words));
  });

  test("refuses subprotocols that cannot be, and other versions", () => {
    for (const protocols of [null, "", "a,b", ["a", "a"], [1]]) {
      expect(() => new exports.WebSocket("ws://127.0.0.1:1", protocols as string[])).toThrow(
        new SyntaxError("An invalid or duplicated subprotocol was specified"),
      );
    }
    expect(() => new exports.WebSocket("ws://127.0.0.1:1", { protocolVersion: 12 })).toThrow(
      new RangeError("Unsupported protocol version: 12 (supported versions: 8, 13)"),
    );
  });

  test.each<[string, ClientOptions, Readonly<Record<string, string>>, string]>([
    ["no upgrade", {}, { Upgrade: "h2c" }, "Invalid Upgrade header"],
    ["another key", {}, { "Sec-WebSocket-Accept": "x" }, "Invalid Sec-WebSocket-Accept header"],
    ["a subprotocol", {}, { "Sec-WebSocket-Protocol": "a" }, "Server sent a subprotocol but none was requested"],
    ["another one", { protocols: "b" }, { "Sec-WebSocket-Protocol": "a" }, "Server sent an invalid subprotocol"],
    ["none", { protocols: ["b"] }, {}, "Server sent no subprotocol"],
    [
      "an extension",
      { perMessageDeflate: false },
      { "Sec-WebSocket-Extensions": "permessage-deflate" },
      "Server sent a Sec-WebSocket-Extensions header but no extension was requested",
    ],
    [
      "another extension",
      {},
      { "Sec-WebSocket-Extensions": "x" },
      "Server indicated an extension that was not requested",
    ],
    [
      "broken extensions",
      {},
      { "Sec-WebSocket-Extensions": "permessage-deflate;=" },
      "Invalid Sec-WebSocket-Extensions header",
    ],
    [
      "a window too small",
      {},
      { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits=7" },
      "Invalid Sec-WebSocket-Extensions header",
    ],
  ])("fails where the server answers with %s", async (_, options, fields, words) => {
    const server = await answering((socket, request) => void socket.write(switching(request, fields)));
    expect(await failureOf(dial(exports, urlOf(server), options))).toEqual(failed(`Error: ${words}`));
  });

  test("tells of an unexpected response, which may be read, or fails with its status", async () => {
    const server = await answering((socket) => socket.end("HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nfoo"));
    expect(await failureOf(dial(exports, urlOf(server)))).toEqual(failed("Error: Unexpected server response: 401"));
    const client = dial(exports, urlOf(server));
    const [request, response] = (await once(client, "unexpected-response")) as [ClientRequest, IncomingMessage];
    expect(request).toBeInstanceOf(ClientRequest);
    expect(String((await response.toArray())[0])).toBe("foo");
    expect(client.readyState).toBe(0);
  });

  test("gives up when the answer takes too long, or nothing can be reached", async () => {
    const silent = await answering(() => {});
    const slow = dial(exports, urlOf(silent), { handshakeTimeout: 30 });
    expect(await failureOf(slow)).toEqual(failed("Error: Opening handshake has timed out"));
    const { port } = silent.address() as AddressInfo;
    closeServers();
    await once(silent, "close");
    expect(await failureOf(dial(exports, `ws://127.0.0.1:${port}`))).toEqual(
      failed(`Error: connect ECONNREFUSED 127.0.0.1:${port}`),
    );
  });

  const giveUps: readonly ("close" | "terminate")[] = ["close", "terminate"];
  test.each(giveUps.flatMap((how) => [`${how} at once`, `${how} later`, `${how} in upgrade`]))(
    "gives up on %s",
    async (when) => {
      const how = when.startsWith("close") ? "close" : "terminate";
      const server = await answering((socket, request) => {
        if (when.endsWith("upgrade")) socket.write(switching(request));
      });
      const client = dial(exports, urlOf(server));
      const failure = failureOf(client);
      if (when.endsWith("at once")) client[how]();
      if (when.endsWith("upgrade")) client.on("upgrade", () => client[how]());
      if (when.endsWith("later")) setTimeout(() => client[how](), 20);
      expect(await failure).toEqual(failed("Error: WebSocket was closed before the connection was established"));
    },
  );

  test("sends what it is told to, by its options, its URL and the hook for the request", async () => {
    const server = await listen(exports);
    const { port } = server.address() as AddressInfo;
    const asked: unknown[] = [];
    dial(exports, `ws://us%65r:p%40ss@127.0.0.1:${port}/path?query`, {
      headers: { Cookie: "a=b" },
      origin: "http://a.example",
      auth: "not:this",
      finishRequest: (request, webSocket) => {
        asked.push(request instanceof ClientRequest, webSocket instanceof exports.WebSocket);
        setImmediate(() => {
          request.setHeader("X-Late", "1");
          request.end();
        });
      },
    });
    const [, request] = (await once(server, "connection")) as [WebSocket, IncomingMessage];
    expect(request.url).toBe("/path?query");
    expect(request.headers).toMatchObject({
      cookie: "a=b",
      origin: "http://a.example",
      "x-late": "1",
      authorization: `Basic ${Buffer.from("user:p@ss").toString("base64")}`,
      "sec-websocket-version": "13",
      "sec-websocket-extensions": "permessage-deflate; client_max_window_bits",
    });
    expect(asked).toEqual([true, true]);
  });

  test("leaves a port out of `Host` that it is told is the default", async () => {
    const server = await listen(exports);
    const { port } = server.address() as AddressInfo;
    dial(exports, urlOf(server), { defaultPort: port });
    const [, request] = (await once(server, "connection")) as [WebSocket, IncomingMessage];
    expect(request.headers.host).toBe("127.0.0.1");
  });

  test("version 8 has the origin under its old name", async () => {
    const server = await listen(exports);
    dial(exports, urlOf(server), { protocolVersion: 8, origin: "http://a.example" });
    const [, request] = (await once(server, "connection")) as [WebSocket, IncomingMessage];
    expect(request.headers["sec-websocket-origin"]).toBe("http://a.example");
  });

  test("asks the agent for its socket, and makes it by `createConnection` where there is none", async () => {
    const server = await listen(exports);
    const { port } = server.address() as AddressInfo;
    const agent = new Agent();
    const made: unknown[] = [];
    agent.on("free", () => made.push("free"));
    const byAgent = dial(exports, urlOf(server), { agent });
    await once(byAgent, "open");
    const own = dial(exports, "ws://unknown.invalid:22/", {
      createConnection: (options: { host: string; port: string }) => {
        made.push(options.host, options.port);
        return connect(port, "127.0.0.1");
      },
    });
    await once(own, "open");
    expect(made).toEqual(["unknown.invalid", "22"]);
    expect(own.url).toBe("ws://unknown.invalid:22/");
  });

  test("reaches a server at a Unix domain socket, at a path of its own", async () => {
    const at = join(tmpdir(), `drop-in-${process.pid}-${exports.WebSocketServer === both[0]![1].WebSocketServer}.sock`);
    const paths: unknown[] = [];
    await answering((socket, request) => {
      paths.push(request.url, request.headers.host);
      socket.write(switching(request));
    }, at);
    await once(dial(exports, `ws+unix:${at}:/a?b`), "open");
    await once(dial(exports, `ws+unix://${at}`), "open");
    expect(paths).toEqual(["/a?b", "localhost", "/", "localhost"]);
  });

  test("follows redirects where it is told to, and tells of each", async () => {
    const target = await listen(exports, { path: "/there" });
    const server = await answering((socket) => {
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ${urlOf(target, "/there")}\r\n\r\n`);
    });
    expect(await failureOf(dial(exports, urlOf(server)))).toEqual(failed("Error: Unexpected server response: 302"));
    const secrets = { headers: { Authorization: "Basic x", cookie: "a=b", Other: "kept" }, followRedirects: true };
    dial(exports, urlOf(server), secrets);
    const [, first] = (await once(target, "connection")) as [WebSocket, IncomingMessage];
    expect([first.headers.authorization, first.headers.cookie, first.headers.other]).toEqual([
      undefined,
      undefined,
      "kept",
    ]);
    const told = dial(exports, urlOf(server), secrets);
    const urls: unknown[] = [];
    told.on("redirect", (url, request) => urls.push(url, request instanceof ClientRequest));
    const [, second] = (await once(target, "connection")) as [WebSocket, IncomingMessage];
    expect([second.headers.authorization, second.headers.cookie]).toEqual(["Basic x", "a=b"]);
    expect(urls).toEqual([urlOf(target, "/there"), true]);
    expect(told.url).toBe(urlOf(target, "/there"));
  });

  test("keeps credentials on the way to the same host", async () => {
    const seen: unknown[] = [];
    const server = await answering((socket, request) => {
      seen.push(request.headers.authorization, request.headers.cookie, request.headers.host);
      if (request.url === "/") socket.end("HTTP/1.1 307 There\r\nLocation: /there\r\n\r\n");
      else socket.write(switching(request));
    });
    const host = urlOf(server).slice("ws://".length, -1);
    const client = dial(exports, `ws://a:b@${host}/`, { followRedirects: true, headers: { cookie: "c=d" } });
    await once(client, "open");
    expect(seen).toEqual(["Basic YTpi", "c=d", host, "Basic YTpi", "c=d", host]);
  });

  test.each([
    ["/", { maxRedirects: 1 }, "Error: Maximum redirects exceeded"],
    ["ws://", {}, "SyntaxError: Invalid URL: ws://"],
    ["ftp://a/", {}, 'SyntaxError: The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"'],
  ])("fails where a redirect to %s leads nowhere", async (location, options, words) => {
    const server = await answering((socket) => socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\n\r\n`));
    const client = dial(exports, urlOf(server), { followRedirects: true, ...options });
    expect(await failureOf(client)).toEqual(failed(words));
  });
});
