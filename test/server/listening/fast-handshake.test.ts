import { once } from "node:events";
import { createServer, type Server as HttpServer, type IncomingMessage } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Opening } from "../../../src/server/handshake/opening.ts";
import type { RequestHead } from "../../../src/server/handshake/request-head.ts";
import { disableFastHandshakes, enableFastHandshakes } from "../../../src/server/listening/fast-handshake.ts";
import type { Transport, TransportListener } from "../../../src/transport/transport.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";
import { until } from "../../support/connection-pair.ts";
import { nextTurn } from "../../support/held-duplex.ts";
import { exchange, openRaw, parseResponse, requestText } from "../../support/raw-peer.ts";
import { serving } from "../../support/serving.ts";

const handshake = "GET /taken HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const plain = "GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const opened: { http: HttpServer; sockets: Socket[] }[] = [];
let certificates: Certificates;

beforeAll(() => {
  certificates = makeCertificates();
});

afterAll(() => certificates.remove());

afterEach(() => {
  for (const { http, sockets } of opened.splice(0)) {
    disableFastHandshakes(http);
    for (const socket of sockets) socket.destroy();
    http.close();
    http.closeAllConnections();
  }
});

/** Answers each chunk with `taken` before it, and an end with an end. */
class Answering implements TransportListener {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
    transport.listen(this);
    transport.resume();
  }

  received(chunk: Buffer, _borrowed: boolean, length: number): void {
    this.#transport.write(Buffer.from(`taken ${chunk.toString("latin1", 0, length)}`), false);
  }

  receivedEnd(): void {
    this.#transport.end();
  }

  transportDrained(): void {}
  transportFailed(): void {}
  transportClosed(): void {}
}

describe.each(["handles", "sockets", "TLS"])("fast handshakes, on %s", (kind) => {
  const bareHandles = kind === "handles";
  const event = kind === "TLS" ? "secureConnection" : "connection";

  function httpServer(timeouts: { headersTimeout?: number; connectionsCheckingInterval?: number } = {}): HttpServer {
    return kind === "TLS" ? createTlsServer({ ...timeouts, ...certificates.server }) : createServer(timeouts);
  }

  /** An HTTP server that notes its requests, with fast handshakes that take `/taken` and answer `taken`. */
  async function looking(handshakeTimeout = 10_000) {
    const http = httpServer({ headersTimeout: handshakeTimeout, connectionsCheckingInterval: 50 });
    const asked: string[] = [];
    const taken: RequestHead[] = [];
    const sockets: Socket[] = [];
    const look = { http, sockets };
    opened.push(look);
    http.on("request", (request: IncomingMessage, response) => {
      asked.push(request.url!);
      response.end("plain");
    });
    const takeHead = (head: RequestHead, opening: Opening): boolean => {
      if (head.target !== "/taken") return false;
      taken.push(head);
      new Answering(opening.answer("101 "));
      return true;
    };
    enableFastHandshakes(http, { takeHead }, { handshakeTimeout, maxHeaderSize: 16_384, bareHandles });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    /** A client of which the server has the socket, and the socket below its TLS, where there is any. */
    const clientOver = async (first = "") => {
      const before = await connectionCount(http);
      const secured = kind === "TLS" ? once(http, event) : undefined;
      const below = connect({ port: (http.address() as AddressInfo).port, host: "127.0.0.1" }).setNoDelay();
      sockets.push(below);
      const socket = secured ? connectTls({ socket: below, ca: certificates.ca, servername: "localhost" }) : below;
      while ((await connectionCount(http)) === before) await nextTurn();
      await secured;
      // On Deno nothing can be written behind an empty chunk.
      if (first !== "") socket.write(first);
      return { socket: socket as Socket, below };
    };
    const client = async (first?: string) => (await clientOver(first)).socket;
    return { http, asked, taken, client, clientOver };
  }

  function connectionCount(http: HttpServer): Promise<number> {
    return new Promise((resolve, reject) => {
      http.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  /** The next bytes, as many as these. */
  async function read(socket: Socket, length: number): Promise<string> {
    let text = "";
    while (text.length < length) text += (await once(socket, "data"))[0];
    return text;
  }

  async function textOf(socket: Socket): Promise<string> {
    let text = "";
    for await (const chunk of socket) text += chunk;
    return text;
  }

  test("answers a head that comes in one piece, and leaves the socket as it came", async () => {
    const { client, taken, asked } = await looking();
    const socket = await client(handshake);
    await until(() => taken.length === 1);
    expect(taken[0]!.rawHeaders).toEqual(["Host", "a", "Connection", "Upgrade", "Upgrade", "websocket"]);
    socket.write("on");
    expect(await read(socket, 12)).toBe("101 taken on");
    socket.end();
    await once(socket, "close");
    expect(asked).toEqual([]);
  });

  test("hands over sockets that are not taken, with their bytes in order", async () => {
    const { client, asked } = await looking();
    const refused = handshake.replace("/taken", "/refused").replace("Upgrade: websocket\r\n", "");
    const socket = await client(refused);
    await until(() => asked.length === 1);
    socket.write(plain);
    expect((await textOf(socket)).match(/200 OK/g)).toHaveLength(2);
    expect(asked).toEqual(["/refused", "/plain"]);
  });

  test("hands over a head in two pieces, cut at any byte", async () => {
    const { client, asked, taken } = await looking();
    for (let at = 1; at < plain.length; at += 7) {
      const socket = await client(plain.slice(0, at));
      await new Promise((resolve) => setTimeout(resolve, 1));
      socket.write(plain.slice(at));
      expect(await textOf(socket)).toMatch(/^HTTP\/1.1 200 OK/);
      expect(asked.splice(0)).toEqual(["/plain"]);
    }
    expect(taken).toEqual([]);
  });

  test("hands over a silent socket, whose timeouts then hold [C05]", async () => {
    const { client } = await looking(100);
    const socket = await client();
    expect(await textOf(socket)).toMatch(/^HTTP\/1.1 408 /);
  });

  test("serves a silent socket after it was handed over", async () => {
    const { client, asked, http } = await looking();
    const socket = await client();
    disableFastHandshakes(http);
    socket.write(plain);
    expect(await textOf(socket)).toMatch(/plain$/);
    const later = await client(handshake);
    expect(await read(later, 9)).toMatch(/^HTTP\/1.1 /);
    expect(asked).toEqual(["/plain", "/taken"]);
  });

  test("leaves nothing behind of a socket that ends or is reset before its first byte [C04]", async () => {
    const { client, clientOver, http } = await looking();
    const ending = await client();
    ending.end();
    while ((await connectionCount(http)) > 0) await nextTurn();
    const { socket, below } = await clientOver();
    socket.on("error", () => {});
    below.resetAndDestroy();
    const closed = once(http, "close");
    http.close();
    disableFastHandshakes(http);
    await closed;
  });

  test.runIf(kind === "TLS")("does not keep a socket whose TLS breaks before its first byte [C05]", async () => {
    const { http, clientOver } = await looking(60_000);
    const { socket, below } = await clientOver();
    socket.on("error", () => {});
    below.write("no record of TLS");
    while ((await connectionCount(http)) > 0) await nextTurn();
  });

  test("leaves a server alone whose connections have another listener", async () => {
    const http = httpServer();
    http.on(event, () => {});
    const before = http.listeners(event);
    enableFastHandshakes(
      http,
      { takeHead: () => expect.unreachable("looked at") },
      {
        handshakeTimeout: 1000,
        maxHeaderSize: 16_384,
        bareHandles,
      },
    );
    expect(http.listeners(event)).toEqual(before);
  });
});

test.each([true, false])(
  "refuses a head over a small maxHeaderSize, in one segment and in two, bare handles: %s [C05]",
  async (bareHandles) => {
    const server = await serving({ bareHandles, limits: { maxHeaderSize: 1024 }, routes: { "/": {} } });
    const head = requestText({ headers: { X: "y".repeat(3000) } });
    for (const chunks of [[head], [head.slice(0, 100), head.slice(100)]]) {
      expect(parseResponse(await exchange(server.port, ...chunks)).status).toBe(431);
    }
    expect(await exchange(server.port, requestText({ headers: { Connection: "close" } }))).toMatch(/^HTTP\/1\.1 426 /);
    (await openRaw(server.port)).reset();
  },
);
