import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Server, serve } from "../../../src/server/server.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";
import { until } from "../../support/connection-pair.ts";
import { httpServer } from "../../support/http-server.ts";
import { exchange, parseResponse, RawPeer, readHead, requestText, sendRaw } from "../../support/raw-peer.ts";
import { afterwards, serving } from "../../support/serving.ts";

/** Answers with the parts of the request that have come. */
const echo: RequestListener = async (request, response) => {
  let body = "";
  request.on("data", (chunk) => {
    body += chunk;
  });
  await once(request, "end").catch(() => {});
  const { method, url, headers } = request;
  response.end(JSON.stringify({ method, url, upgrade: headers.upgrade, settings: headers["http2-settings"], body }));
};

const body = '{"transfer":100}';
const settings = "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA";

/** A POST in the form in which Java's HTTP client sends its first request. */
function javaRequest(framing: "content-length" | "chunked", last = true): string {
  const head = [
    "POST /api HTTP/1.1",
    `Connection: Upgrade, HTTP2-Settings${last ? ", close" : ""}`,
    framing === "chunked" ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`,
    "Host: localhost",
    `HTTP2-Settings: ${settings}`,
    "Upgrade: h2c",
    "User-Agent: Java-http-client/21.0.4",
  ].join("\r\n");
  const chunks = `5\r\n${body.slice(0, 5)}\r\nb\r\n${body.slice(5)}\r\n0\r\n\r\n`;
  return `${head}\r\n\r\n${framing === "chunked" ? chunks : body}`;
}

const answered = { method: "POST", url: "/api", upgrade: "h2c", settings, body };

async function byteByByte(port: number, text: string): Promise<string> {
  const peer = await sendRaw(port);
  peer.socket.setNoDelay(true);
  for (const byte of Buffer.from(text, "latin1")) {
    peer.socket.write(Uint8Array.of(byte));
    await new Promise(setImmediate);
  }
  await peer.until(() => false);
  peer.socket.destroy();
  return peer.received.toString("latin1");
}

/** An own listener and a shared one with the same answers; `close` ends our server and all connections. */
const servers: [string, (request: RequestListener) => Promise<{ port: number; close(): Promise<unknown> }>][] = [
  [
    "the own listener",
    async (request) => {
      const server = await serving({ request, routes: { "/ws": {} } });
      return { port: server.port, close: () => server.close() };
    },
  ],
  [
    "a shared server",
    async (request) => {
      const { http, port } = await httpServer();
      http.on("request", request);
      const server = await serving({ server: http, routes: { "/ws": {} } });
      const close = async () => {
        await server.close();
        const closed = once(http, "close");
        http.close();
        http.closeAllConnections();
        await closed;
      };
      return { port, close };
    },
  ],
];

describe.each(servers)("a request that asks for h2c, on %s [C17]", (_, start) => {
  test.each(["content-length", "chunked"] as const)(
    "comes with its body, by %s, whole and byte by byte",
    async (framing) => {
      const { port } = await start(echo);
      for (const answer of [await exchange(port, javaRequest(framing)), await byteByByte(port, javaRequest(framing))]) {
        expect(JSON.parse(parseResponse(answer).body)).toEqual(answered);
      }
    },
  );

  test("does not end the connection, on which another may follow, and a handshake", async () => {
    const { port } = await start(echo);
    const peer = await sendRaw(port);
    for (const framing of ["chunked", "content-length", "content-length"] as const) {
      peer.socket.write(javaRequest(framing, false));
      const length = Number(/content-length: (\d+)/i.exec(await readHead(peer))?.[1]);
      await peer.until(() => peer.received.length === length);
      expect(JSON.parse(peer.received.toString())).toEqual(answered);
      peer.received = Buffer.alloc(0);
    }
    peer.socket.write(requestText({ path: "/ws" }));
    expect(await readHead(peer)).toMatch(/^HTTP\/1\.1 101 /);
    peer.reset();
  });

  test("is over when the server is closed, though it is answered without end", async () => {
    const { port, close } = await start((_, response) => void response.write("data: hello\n\n"));
    const peer = await sendRaw(port, requestText({ headers: { Upgrade: "h2c" } }));
    await peer.until(() => peer.received.includes("hello"));
    await close();
    await peer.until(() => false);
    peer.socket.destroy();
  });

  test("is announced to `connection` listeners once", async () => {
    let accepted = 0;
    const { port } = await start((request, response) => {
      const { server } = request.socket as Socket & { server: import("node:http").Server };
      if (accepted++ === 0) server.on("connection", () => accepted++);
      echo(request, response);
    });
    for (let i = 0; i < 3; i++) await exchange(port, javaRequest("content-length"));
    // The listener hears of the second socket on, and of each of the three requests.
    expect(accepted).toBe(5);
  });

  test("is answered behind an earlier request, or not at all", async () => {
    const answers: ServerResponse[] = [];
    const { port } = await start((_, response) => void answers.push(response));
    const upgrade = requestText({ path: "/second", headers: { Upgrade: "h2c" } });
    const peer = await sendRaw(port, `GET / HTTP/1.1\r\nHost: a\r\n\r\n${upgrade}`);
    await until(() => answers.length > 0);
    answers[0]!.end("first");
    // Runtimes that ask which requests to hand over give the second request to the application, too.
    await until(() => answers.length === 2 || peer.ended);
    answers[1]?.writeHead(200, { Connection: "close", "Content-Length": 6 }).end("second");
    await peer.until(() => false);
    expect(peer.received.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*first(HTTP\/1\.1 200 OK\r\n.*second)?$/s);
    peer.socket.destroy();
  });
});

test("drain ends though such a request is answered without end [C17]", async () => {
  const server = await serving({
    request: (_, response) => void response.write("data: hello\n\n"),
    routes: { "/": {} },
  });
  const peer = await sendRaw(server.port, requestText({ headers: { Upgrade: "h2c" } }));
  await peer.until(() => peer.received.includes("hello"));
  await server.drain({ over: 0, deadline: 50 });
  await peer.until(() => false);
  peer.socket.destroy();
});

describe.each(["before", "after"])("beside an `upgrade` listener of others that came %s [C17]", (order) => {
  async function beside(listener: (request: IncomingMessage, socket: Duplex) => void, request?: RequestListener) {
    const { http, port } = await httpServer(order === "before" ? listener : undefined);
    if (request) http.on("request", request);
    await serving({ server: http, routes: { "/ws": {} } });
    if (order === "after") http.on("upgrade", listener);
    return port;
  }
  const theirs = "HTTP/1.1 418 Theirs\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
  const h2c = (path: string) => requestText({ path, headers: { Upgrade: "h2c" } });

  test("a request for h2c on a path of ours is plain, though another listener would answer it later", async () => {
    const port = await beside(async (request, socket) => {
      await new Promise(setImmediate);
      if (request.url !== "/ws") socket.end(theirs);
    }, echo);
    const answer = await exchange(port, javaRequest("content-length").replace("/api", "/ws"));
    expect(JSON.parse(parseResponse(answer).body)).toEqual({ ...answered, url: "/ws" });
  });

  test("a request that no other listener touches is plain, and its answer ends the connection", async () => {
    const port = await beside(() => {}, echo);
    const { headers, body: said } = parseResponse(await exchange(port, h2c("/api")));
    expect([headers.get("connection"), JSON.parse(said).url]).toEqual(["close", "/api"]);
  });

  test("a request that another listener takes is left to it, answered at once or later", async () => {
    const port = await beside(async ({ url }, socket) => {
      socket.on("error", () => {});
      if (url === "/later") await new Promise((resolve) => setTimeout(resolve, 20));
      socket.end(theirs);
    }, echo);
    for (const path of ["/now", "/later"]) expect(parseResponse(await exchange(port, h2c(path))).status).toBe(418);
  });

  test("without a `request` listener, a request that no listener takes is refused", async () => {
    const port = await beside(() => {});
    for (const path of ["/ws", "/api"]) expect(parseResponse(await exchange(port, h2c(path))).status).toBe(426);
  });

  test("a client that leaves within the turn is no error", async () => {
    const asked: string[] = [];
    const port = await beside(({ url }, socket) => {
      asked.push(url!);
      (socket as Socket).resetAndDestroy();
    }, echo);
    const peer = await sendRaw(port, h2c("/gone"));
    await peer.until(() => false).catch(() => {});
    expect(asked).toEqual(["/gone"]);
    peer.socket.destroy();
  });
});

test("the body of a plain request has to come within the server's time for requests [C17]", async () => {
  const http = createServer({ requestTimeout: 100, connectionsCheckingInterval: 20 }, echo);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  afterwards(() => http.close());
  await serving({ server: http, routes: { "/": {} } });
  const { port } = http.address() as AddressInfo;
  expect(parseResponse(await exchange(port, javaRequest("content-length").slice(0, -3))).status).toBe(408);
});

test("the HTTP server's own shouldUpgradeCallback is back once ours is closed [C17]", async () => {
  const { http, port } = await httpServer();
  http.on("request", echo);
  const server = await serving({ server: http, routes: { "/": {} } });
  await server.close();
  expect(JSON.parse(parseResponse(await exchange(port, javaRequest("chunked"))).body)).toEqual(answered);
  http.on("upgrade", (_: IncomingMessage, socket: Duplex) =>
    socket.end("HTTP/1.1 418 Theirs\r\nContent-Length: 0\r\n\r\n"),
  );
  expect(parseResponse(await exchange(port, requestText({ headers: { Upgrade: "h2c" } }))).status).toBe(418);
});

describe("over TLS [C17]", () => {
  test("a request that no other listener touches is plain", async () => {
    const http = createTlsServer(certificates.server, echo);
    await once(http.listen(0, "127.0.0.1"), "listening");
    afterwards(() => http.close());
    await serving({ server: http, routes: { "/": {} } });
    http.on("upgrade", () => {});
    const { port } = http.address() as AddressInfo;
    const socket = connectTls({ port, host: "127.0.0.1", ca: certificates.ca, servername: "localhost" });
    const peer = new RawPeer(socket, "client");
    await once(socket, "secureConnect");
    socket.write(requestText({ path: "/api", headers: { Upgrade: "h2c" } }));
    await peer.until(() => false);
    expect(parseResponse(peer.received.toString()).status).toBe(200);
    socket.destroy();
  });

  let certificates: Certificates;

  beforeAll(() => {
    certificates = makeCertificates();
  });

  afterAll(() => certificates.remove());

  test.each(["own", "shared"])("the body arrives, and close ends an endless answer, %s", async (kind) => {
    const request: RequestListener = (message, response) => {
      if (message.url === "/api") echo(message, response);
      else response.write("data: hello\n\n");
    };
    const shared = kind === "shared" ? createTlsServer(certificates.server, request) : undefined;
    if (shared) await once(shared.listen(0, "127.0.0.1"), "listening");
    const server: Server = shared
      ? await serve({ server: shared, routes: { "/": {} } })
      : await serve({ host: "127.0.0.1", tls: certificates.server, request, routes: { "/": {} } });
    const open = async (text: string) => {
      const socket = connectTls({ port: server.port, host: "127.0.0.1", ca: certificates.ca, servername: "localhost" });
      const peer = new RawPeer(socket, "client");
      await once(socket, "secureConnect");
      socket.write(text);
      return peer;
    };
    const posting = await open(javaRequest("chunked"));
    await posting.until(() => false);
    expect(JSON.parse(posting.received.toString().match(/\{.*\}/)![0])).toEqual(answered);
    const peer = await open(requestText({ headers: { Upgrade: "h2c" } }));
    await peer.until(() => peer.received.includes("hello"));
    await server.close();
    if (shared) {
      const closed = once(shared, "close");
      shared.close();
      shared.closeAllConnections();
      await closed;
    }
    await peer.until(() => false);
    peer.socket.destroy();
  });
});

test("control: an answer on the socket that was handed over is not ended with the server [C17]", async () => {
  const http = createServer((_, response) => void response.write("data: hello\n\n"));
  let handed!: Duplex;
  http.on("upgrade", (request, socket) => {
    handed = socket;
    const response = new ServerResponse(request);
    response.assignSocket(socket as Socket);
    http.emit("request", request, response);
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const peer = await sendRaw((http.address() as AddressInfo).port, requestText({ headers: { Upgrade: "h2c" } }));
  await peer.until(() => peer.received.includes("hello"));
  let closed = false;
  http.close(() => {
    closed = true;
  });
  http.closeAllConnections();
  // Another server is closed in the meantime, with its connections.
  const beside = createServer((_, response) => void response.write("data: hello\n\n")).listen(0, "127.0.0.1");
  await once(beside, "listening");
  const other = await sendRaw((beside.address() as AddressInfo).port, requestText({ headers: { Upgrade: "h2c" } }));
  await other.until(() => other.received.includes("hello"));
  beside.close();
  beside.closeAllConnections();
  await once(beside, "close");
  expect([closed, peer.ended]).toEqual([false, false]);
  handed.destroy();
  await until(() => closed);
  peer.socket.destroy();
});
