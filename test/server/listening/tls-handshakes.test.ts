/**
 * Opening handshakes over TLS: in whatever pieces a request comes, and however it ends, the client gets what it gets where
 * `node:http` reads every request, which is the control here.
 */
import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import { connect as connectTcp, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { disableFastHandshakes } from "../../../src/server/listening/fast-handshake.ts";
import type { ServeOptions } from "../../../src/server/serve-options.ts";
import type { Server } from "../../../src/server/server.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";
import { until } from "../../support/connection-pair.ts";
import { nextTurn } from "../../support/held-duplex.ts";
import { closeFrame, RawPeer, readHead, requestText } from "../../support/raw-peer.ts";
import { serving } from "../../support/serving.ts";
import { frameFrom } from "../../support/wire.ts";

let certificates: Certificates;

beforeAll(() => {
  certificates = makeCertificates();
});

afterAll(() => certificates.remove());

/** A server, the HTTP server below it, and how many handshakes that has read. */
interface Side {
  readonly server: Server;
  readonly http: HttpServer;
  read(): number;
}

/** A server over TLS; the control's requests are all read by `node:http`. */
async function listening(who: "ours" | "control", options: Partial<ServeOptions> = {}): Promise<Side> {
  let http: HttpServer | undefined;
  const server = await serving({
    tls: certificates.server,
    request: async (request, response) => {
      http = (request.socket as Socket & { server: HttpServer }).server;
      let length = 0;
      for await (const chunk of request) length += (chunk as Buffer).length;
      response.end(`${request.method} ${request.url} ${length}`);
    },
    routes: {
      "/": { message: (connection, data) => void connection.send(data) },
      "/asked": {
        upgrade: async ({ request, url, cookies, remoteAddress }) => {
          await nextTurn();
          const { authorized } = request.socket as TLSSocket;
          return { data: `${url.href.replace(/:\d+/, "")} ${cookies.get("a")} ${remoteAddress} ${authorized}` };
        },
        open: (connection) => void connection.send(`${connection.data}`),
        message: (connection, data) => void connection.send(data),
      },
    },
    ...options,
  } as ServeOptions);
  const peer = await open(server.port, clientOptions(options));
  await send(peer, ["GET /first HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"], "records");
  await peer.until(() => false);
  peer.below.destroy();
  if (who === "control") disableFastHandshakes(http!);
  const emit = vi.spyOn(http!, "emit");
  return { server, http: http!, read: () => emit.mock.calls.filter(([event]) => event === "upgrade").length };
}

function clientOptions({ tls }: Partial<ServeOptions>): ConnectionOptions {
  return tls?.requestCert ? certificates.client : {};
}

/** Ours and the control. */
async function both(options?: Partial<ServeOptions>): Promise<readonly [Side, Side]> {
  return [await listening("ours", options), await listening("control", options)];
}

/** A stream over a socket of TCP that can hold what is written, so that many records of TLS leave in one segment. */
class Gathering extends Duplex {
  readonly #below: Socket;
  #held: Buffer[] | undefined;

  constructor(below: Socket) {
    super();
    this.#below = below;
    below.on("data", (chunk) => this.push(chunk));
    below.on("end", () => this.push(null));
    below.on("error", () => {});
    below.on("close", () => this.destroy());
  }

  hold(): void {
    this.#held = [];
  }

  release(): void {
    this.#below.write(Buffer.concat(this.#held!));
    this.#held = undefined;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.#held) this.#held.push(Buffer.from(chunk));
    else this.#below.write(chunk);
    done();
  }

  override _final(done: () => void): void {
    this.#below.end();
    done();
  }
}

/** A client over TLS, with the socket below. */
class SecurePeer extends RawPeer {
  readonly gathering: Gathering;
  readonly below: Socket;

  constructor(socket: TLSSocket, gathering: Gathering, below: Socket) {
    super(socket, "client");
    this.gathering = gathering;
    this.below = below;
  }
}

/** A client whose TLS handshake is done, as far as it is concerned. */
async function open(port: number, options: ConnectionOptions = {}): Promise<SecurePeer> {
  const below = connectTcp({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  await once(below, "connect");
  const gathering = new Gathering(below);
  const socket = connectTls({ socket: gathering, ca: certificates.ca, servername: "localhost", ...options });
  const peer = new SecurePeer(socket, gathering, below);
  await once(socket, "secureConnect");
  return peer;
}

const pieces = ["records", "one record", "a record for each byte", "a segment for each byte"] as const;
type Pieces = (typeof pieces)[number];

/** Sends what is given, each part in a record of its own or otherwise. Records leave in one segment unless said otherwise. */
async function send(peer: SecurePeer, parts: readonly (string | Uint8Array)[], how: Pieces): Promise<void> {
  const bytes = parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part)));
  const whole = Buffer.concat(bytes);
  const each = how === "one record" ? [whole] : how === "records" ? bytes : [...whole].map((byte) => Buffer.of(byte));
  const gathers = how !== "a segment for each byte";
  if (gathers) peer.gathering.hold();
  for (const record of each) {
    if (peer.socket.destroyed) break;
    // What is written before it is done with the last would share a record.
    await new Promise((done) => peer.socket.write(record, done));
    if (!gathers) await nextTurn();
  }
  if (gathers) peer.gathering.release();
}

/** What is answered until the server ends the stream, without the time of day. */
async function answered(port: number, parts: readonly (string | Uint8Array)[], how: Pieces): Promise<string> {
  const peer = await open(port);
  await send(peer, parts, how);
  await peer.until(() => false);
  peer.below.destroy();
  return peer.received.toString("latin1").replace(/\r\nDate: [^\r]*/g, "");
}

const frame = (payload: string) => frameFrom("client", { opcode: 1, payload });
const close = frameFrom("client", closeFrame(1000));
const plain = (path: string, connection = "keep-alive") =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: ${connection}\r\n\r\n`;
const head = requestText();
const asked = requestText({ path: "/asked", headers: { Cookie: "a=b" } });
const without = (...names: string[]) => requestText({ headers: Object.fromEntries(names.map((name) => [name, ""])) });

const conversations: Readonly<Record<string, readonly (string | Uint8Array)[]>> = {
  "a handshake, messages and a Close": [head, frame("one"), frame("two"), close],
  "a handshake about which the application is asked": [asked, frame("one"), close],
  "a handshake that is decided after a long message": [asked, frame("m".repeat(30_000)), close],
  "a frame that breaks a rule": [head, Uint8Array.of(0xff, 0x80, 0, 0, 0, 0)],
  "two handshakes": [head, head],
  "plain requests, and then a handshake": [plain("/one"), plain("/two"), head, frame("three"), close],
  "plain requests": [plain("/one"), plain("/two", "close")],
  "a request with a body": [
    "POST /body HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\n\r\n",
    "abc",
    "def",
  ],
  "a request for another protocol": [requestText({ headers: { Upgrade: "h2c", Connection: "close, upgrade" } })],
  "no key": [without("Sec-WebSocket-Key")],
  "no host": [without("Host")],
  "another version": [requestText({ headers: { "Sec-WebSocket-Version": "12" } })],
  "a path without a route": [requestText({ path: "/nowhere" })],
  "another origin": [requestText({ headers: { Origin: "http://other.example" } })],
  "HTTP/1.0": [requestText({ version: "1.0" })],
  "a folded field": [head.replace("\r\n\r\n", "\r\nX: a\r\n b\r\n\r\n")],
  "lines that end without a carriage return": [head.replaceAll("\r\n", "\n")],
  "a NUL in a field": [head.replace("\r\n\r\n", "\r\nX: a\0b\r\n\r\n")],
  "a head that is too large": [head.replace("\r\n\r\n", `\r\nX: ${"x".repeat(2000)}\r\n\r\n`)],
  "the preface of HTTP/2": ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  "no HTTP": ["\x16\x03\x01 hello\r\n\r\n"],
};

describe.each(pieces)("over TLS, in pieces: %s", (how) => {
  test("each conversation is what it is where node:http reads the request [C01 C16]", async () => {
    const [ours, control] = await both({ limits: { maxHeaderSize: 1024 }, log: () => {} });
    for (const [name, parts] of Object.entries(conversations)) {
      const answers = await Promise.all([ours, control].map(({ server }) => answered(server.port, parts, how)));
      expect(answers[0], name).toBe(answers[1]);
      expect(answers[0], name).toMatch(/^HTTP\/1\.1 \d{3} /);
    }
    await until(() => ours.server.connections.size + control.server.connections.size === 0);
    expect(ours.server.metrics()).toEqual(control.server.metrics());
  });
});

test("an ordinary handshake is answered without node:http; control: there it is read", async () => {
  const counts = await Promise.all(
    (await both()).map(async ({ server, read }) => {
      for (const request of [head, asked]) {
        const peer = await open(server.port);
        await send(peer, [request], "one record");
        expect(await readHead(peer)).toMatch(/^HTTP\/1\.1 101 /);
        peer.below.destroy();
      }
      return read();
    }),
  );
  expect(counts).toEqual([0, 2]);
});

describe("a client over TLS that ends", () => {
  const whole = Buffer.concat([Buffer.from(head), frame("one"), close]);
  const places = [0, 1, 40, head.length - 1, head.length, head.length + 3, whole.length - close.length, whole.length];
  const ends = {
    "its side": ({ socket }: SecurePeer) => socket.end(),
    "the stream below": ({ below }: SecurePeer) => below.end(),
    "with a reset": ({ below }: SecurePeer) => below.resetAndDestroy(),
  };

  test.each(Object.entries(ends))("%s, at every moment, leaves what it leaves with node:http [C04]", async (_, end) => {
    const [ours, control] = await both({ log: () => {} });
    for (const place of places) {
      const answers = await Promise.all(
        [ours, control].map(async ({ server, http }) => {
          const peer = await open(server.port);
          if (place > 0) await send(peer, [whole.subarray(0, place)], "records");
          if (place >= head.length) await peer.until(() => peer.received.includes("\r\n\r\n"));
          end(peer);
          await untilCount(http, 0);
          peer.below.destroy();
          return peer.received.toString("latin1").replace(/\r\nDate: [^\r]*/g, "");
        }),
      );
      expect(answers[0], String(place)).toBe(answers[1]);
    }
    await until(() => ours.server.connections.size + control.server.connections.size === 0);
    expect(ours.server.metrics()).toEqual(control.server.metrics());
  });
});

describe("a client over TLS that is slow", () => {
  test("is told in time, whether it is silent, stops in its head or sends a byte at a time [C05]", async () => {
    const answers = await Promise.all(
      (await both({ limits: { handshakeTimeout: 500 } })).map(async ({ server }) => {
        const silent = await open(server.port);
        const partial = await open(server.port);
        await send(partial, [head.slice(0, -10)], "records");
        const dripping = await open(server.port);
        await send(dripping, ["GET / HTTP/1.1\r\nX: "], "records");
        const drip = setInterval(() => dripping.socket.write("a"), 50);
        const peers = [silent, partial, dripping];
        await Promise.all(peers.map((peer) => peer.until(() => false)));
        clearInterval(drip);
        for (const { below } of peers) below.destroy();
        return peers.map(({ received }) => received.toString().slice(0, 12));
      }),
    );
    expect(answers).toEqual(Array(2).fill(Array(3).fill("HTTP/1.1 408")));
  });

  test("is served after its silence", async () => {
    const { server } = await listening("ours");
    const peer = await open(server.port);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    await send(peer, [head, frame("late"), close], "records");
    await peer.until(() => false);
    expect(peer.received.toString()).toContain("late");
    peer.below.destroy();
  });

  test.each([
    ["close", (server: Server) => server.close()],
    ["drain", (server: Server) => server.drain({ over: 0, deadline: 1000, stopListening: true })],
  ])("holds up %s no longer than with node:http", async (_, end) => {
    for (const { server, http } of await both()) {
      const silent = await open(server.port);
      await untilCount(http, 1);
      await Promise.all([end(server), silent.until(() => false)]);
      silent.below.destroy();
    }
  });
});

describe("what TLS agreed on is known as ever", () => {
  test("upgrade sees the client's certificate, and one without it is not let in", async () => {
    const seen: unknown[] = [];
    const options: Partial<ServeOptions> = {
      tls: { ...certificates.server, ca: certificates.ca, requestCert: true },
      routes: {
        "/": {
          upgrade: ({ request, url }) => {
            const socket = request.socket as TLSSocket;
            seen.push([socket.getPeerCertificate().subject.CN, socket.authorized, socket.encrypted, url.protocol]);
            return {};
          },
        },
      },
    };
    for (const { server } of await both(options)) {
      const peer = await open(server.port, certificates.client);
      await send(peer, [head, close], "records");
      await peer.until(() => false);
      peer.below.destroy();
      const stranger = await open(server.port);
      await stranger.until(() => false);
      expect(stranger.received.length).toBe(0);
      stranger.below.destroy();
    }
    expect(seen).toEqual(Array(2).fill(["openline test client", true, true, "https:"]));
  });

  test("a client that has agreed on HTTP/2, which the program offers, is answered by node:http", async () => {
    const tls = { ...certificates.server, ALPNProtocols: ["h2", "http/1.1"] };
    const answers: string[] = [];
    for (const { server } of await both({ tls })) {
      for (const [protocol, request] of [
        ["h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
        ["http/1.1", Buffer.concat([Buffer.from(head), close])],
      ] as const) {
        const peer = await open(server.port, { ALPNProtocols: [protocol] });
        expect((peer.socket as TLSSocket).alpnProtocol).toBe(protocol);
        await send(peer, [request], "records");
        await peer.until(() => false);
        answers.push(peer.received.toString("latin1").slice(0, 12));
        peer.below.destroy();
      }
    }
    expect(answers).toEqual(["HTTP/1.1 400", "HTTP/1.1 101", "HTTP/1.1 400", "HTTP/1.1 101"]);
  });

  test("a client of TLS 1.2 may negotiate anew while it is silent, and when it is connected", async () => {
    for (const { server } of await both()) {
      const peer = await open(server.port, { maxVersion: "TLSv1.2" });
      const anew = () =>
        new Promise<void>((resolve, reject) => {
          (peer.socket as TLSSocket).renegotiate({}, (error) => (error ? reject(error) : resolve()));
        });
      await anew();
      await send(peer, [head], "records");
      await peer.until(() => peer.received.includes("\r\n\r\n"));
      await anew();
      await send(peer, [frame("anew"), close], "records");
      await peer.until(() => false);
      expect(peer.received.toString()).toContain("anew");
      peer.below.destroy();
    }
  });

  test("options of node:http among those of TLS hold", async () => {
    const tls = { ...certificates.server, maxHeaderSize: 300 };
    for (const { server } of await both({ tls })) {
      const long = head.replace("\r\n\r\n", `\r\nX: ${"x".repeat(400)}\r\n\r\n`);
      expect(await answered(server.port, [long], "records")).toMatch(/^HTTP\/1\.1 431 /);
    }
  });
});

function countOf(http: HttpServer): Promise<number> {
  return new Promise((resolve, reject) =>
    http.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

async function untilCount(http: HttpServer, count: number): Promise<void> {
  while ((await countOf(http)) !== count) await nextTurn();
}
