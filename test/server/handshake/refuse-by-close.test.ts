/** Pages that are refused by a Close: what they get, what runs of the route meanwhile, and what they can hold. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import type { ServerLimits } from "../../../src/connection/options/limits.ts";
import { accept } from "../../../src/server/accept.ts";
import type { LogRecord } from "../../../src/server/log.ts";
import { refuse } from "../../../src/server/refusal.ts";
import type { Route } from "../../../src/server/route.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";
import { gate, until } from "../../support/connection-pair.ts";
import { httpServer } from "../../support/http-server.ts";
import {
  closeFrame,
  closeStatus,
  exchange,
  openRaw,
  parseResponse,
  RawPeer,
  readHead,
  requestText,
  sampleAccept,
  sendRaw,
} from "../../support/raw-peer.ts";
import { serving } from "../../support/serving.ts";
import { cut, frameFrom } from "../../support/wire.ts";

const page = { Origin: "http://localhost" };
const denied = { upgrade: () => refuse({ status: 401, reason: "no", retryAfter: 3 }) };
const said = { code: 4401, reason: "no; retry-after=3" };

/** What a page is answered to this request; the peer has not answered the Close yet. */
async function askAsPage(port: number, headers: Record<string, string> = {}, path = "/"): Promise<[string, RawPeer]> {
  const peer = await sendRaw(port, requestText({ path, headers: { ...page, ...headers } }));
  return [await readHead(peer), peer];
}

const statusOf = async (port: number, headers: Record<string, string>) =>
  parseResponse(await exchange(port, requestText({ headers }))).status;

describe("a page that is refused by a Close", () => {
  test("gets a 101, the Close and the end of the stream, and nothing of the route runs [R6455-7.1.1]", async () => {
    const called: string[] = [];
    const note = (name: string) => () => void called.push(name);
    const records: LogRecord[] = [];
    const server = await serving({
      refuseByClose: true,
      log: (record) => void records.push(record),
      routes: {
        "/": {
          ...denied,
          open: note("open"),
          message: note("message"),
          closing: note("closing"),
          close: note("close"),
          error: note("error"),
          compression: true,
        } as Route,
      },
    });
    const [head, peer] = await askAsPage(server.port, { "Sec-WebSocket-Extensions": "permessage-deflate" });
    expect(head).toBe(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${sampleAccept}\r\n\r\n`,
    );
    expect(closeStatus(await peer.nextFrame())).toEqual(said);
    expect(peer.ended).toBe(false);
    expect(server.connections.size).toBe(0);
    // A page may have sent already, from its `open` listener.
    peer.text("login");
    peer.close(4401);
    expect(await peer.allFrames()).toEqual([]);
    peer.end();
    await peer.closed;
    expect(called).toEqual([]);
    const { opened, closed, refused, messagesReceived, bytesReceived } = server.metrics();
    expect({ opened, closed, refused, messagesReceived, bytesReceived }).toEqual({
      opened: 0,
      closed: {},
      refused: { application: 1 },
      messagesReceived: 0,
      bytesReceived: 0,
    });
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({
      event: "refused",
      level: "info",
      status: 401,
      code: 4401,
      reason: "application",
    });
    expect(records[0]!.message).toMatch(/^Refused the handshake at \/ from 127\.0\.0\.1 with 4401: application$/);
  });

  test.each([
    ["first,second", [], "first"],
    ["first,second", ["second"], "second"],
    ["first", ["other"], "first"],
    ["", ["other"], undefined],
  ])("offers %j to a route of %j, and gets %s, since a browser fails without one", async (offered, listed, chosen) => {
    const server = await serving({ refuseByClose: true, subprotocols: listed, routes: { "/": denied } });
    const [head, peer] = await askAsPage(server.port, { "Sec-WebSocket-Protocol": offered });
    expect(/^Sec-WebSocket-Protocol: (.*)\r$/m.exec(head)?.[1]).toBe(chosen);
    expect(closeStatus(await peer.nextFrame())).toEqual(said);
    peer.end();
  });

  test("gets the status without the option, and so does a program with it", async () => {
    const server = await serving({
      refuseByClose: true,
      routes: { "/": denied, "/off": { ...denied, refuseByClose: false } },
    });
    for (const [path, headers] of [
      ["/off", page],
      ["/", {}],
    ] as const) {
      const response = parseResponse(await exchange(server.port, requestText({ path, headers })));
      expect([response.status, response.headers.get("retry-after"), response.body]).toEqual([401, "3", "no\n"]);
    }
    const refused = await connect(`ws://127.0.0.1:${server.port}/`).catch((error) => error);
    expect(refused.status).toBe(401);
  });

  test("gets the response where that says more: a foreign origin, a wrong host, a Response, an exception", async () => {
    const server = await serving({
      refuseByClose: true,
      log: () => {},
      hosts: ["localhost"],
      routes: {
        "/": {
          upgrade: ({ url }) => {
            if (url.search === "?throws") throw new Error("no");
            return new Response("no", { status: 418 });
          },
        },
        "/denied": denied,
      },
    });
    expect(await statusOf(server.port, page)).toBe(418);
    const status = async (path: string, headers: Record<string, string>) =>
      parseResponse(await exchange(server.port, requestText({ path, headers }))).status;
    expect(await status("/?throws", page)).toBe(500);
    expect(await status("/denied", { Origin: "http://evil.example" })).toBe(403);
    expect(await status("/denied", { ...page, Host: "evil.example" })).toBe(421);
    expect(await status("/denied", { ...page, "Sec-WebSocket-Version": "8" })).toBe(426);
    expect(await status("/none", page)).toBe(404);
  });

  test("is told by accept as well", async () => {
    const outcomes: unknown[] = [];
    const { port } = await httpServer(async (request, socket, head) => {
      outcomes.push(await accept(request, socket, head, { refuseByClose: true, ...denied }));
    });
    const [, peer] = await askAsPage(port);
    expect(closeStatus(await peer.nextFrame())).toEqual(said);
    peer.end();
    await peer.closed;
    expect(outcomes).toEqual([undefined]);
  });

  test("that leaves while it is decided is only let go", async () => {
    const deciding = gate();
    const server = await serving({
      refuseByClose: true,
      routes: { "/": { upgrade: () => deciding.opened.then(() => refuse()) } },
    });
    const peer = await sendRaw(server.port, requestText({ headers: page }));
    await until(() => server.metrics().pendingHandshakes === 1);
    peer.reset();
    await until(() => server.metrics().pendingHandshakes === 0);
    deciding.open();
    expect(server.metrics().refused).toEqual({});
  });
});

describe.each<[string, "handle" | "socket" | "TLS"]>([
  ["bare handles", "handle"],
  ["sockets", "socket"],
  ["TLS", "TLS"],
])("what a refused page can hold, on %s", (_, under) => {
  let certificates: Certificates;

  beforeAll(() => {
    if (under === "TLS") certificates = makeCertificates();
  });

  afterAll(() => certificates?.remove());

  /** A server that refuses, and what a page is to it: its peer, and the TCP below. */
  async function refusing(limits: Partial<ServerLimits> = {}) {
    const server = await serving({
      refuseByClose: true,
      limits,
      routes: { "/": denied, "/open": {} },
      ...(under === "TLS" ? { tls: certificates.server } : { bareHandles: under === "handle" }),
    });
    const open = async (path = "/", behind: Uint8Array = Buffer.alloc(0)): Promise<[RawPeer, Socket]> => {
      const tcp = connectTcp({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
      const secure = { socket: tcp, ca: certificates?.ca, servername: "localhost", allowHalfOpen: true };
      const peer = new RawPeer(under === "TLS" ? connectTls(secure) : tcp, "client");
      peer.socket.write(Buffer.concat([Buffer.from(requestText({ path, headers: page })), behind]));
      expect(await readHead(peer)).toMatch(/^HTTP\/1\.1 101 /);
      return [peer, tcp];
    };
    const openRefused = async (): Promise<[RawPeer, Socket]> => {
      const [peer, tcp] = await open();
      expect(closeStatus(await peer.nextFrame())).toEqual(said);
      return [peer, tcp];
    };
    return { server, open, openRefused };
  }

  test("one that has sent already is read up to its Close, so that both ends are clean [R6455-7.1.1-1]", async () => {
    const { openRefused } = await refusing();
    const close = frameFrom("client", closeFrame(4401));
    for (const [cuts, length] of [
      ["whole", 50_000],
      ["bytewise", 50],
    ] as const) {
      const [peer] = await openRefused();
      const sent = frameFrom("client", { opcode: 2, payload: Buffer.alloc(length) });
      for (const chunk of cut(sent, cuts)) peer.socket.write(chunk);
      // Its answer shows that the rest was read, and did not end it.
      peer.send({ opcode: 9, payload: "still there?" });
      expect(await peer.nextFrame()).toMatchObject({ opcode: 10 });
      expect(peer.ended).toBe(false);
      for (const chunk of cut(close, cuts)) peer.socket.write(chunk);
      expect(await peer.allFrames()).toEqual([]);
      peer.end();
      await peer.closed;
      expect(peer.socket.errored).toBe(null);
    }
  });

  test("one that sends its Close before it has read ours is done at once", async () => {
    const { open } = await refusing();
    const [peer] = await open("/", frameFrom("client", closeFrame(4401)));
    expect((await peer.allFrames()).map(closeStatus)).toEqual([said]);
    peer.end();
    await peer.closed;
  });

  test.each<[string, (peer: RawPeer, tcp: Socket) => void]>([
    ["says nothing", () => {}],
    ["ends its stream", (peer) => peer.end()],
    ["ends its stream within a frame", (peer) => void peer.socket.end(Buffer.from([0x88, 0x82, 0, 0]))],
    ["resets", (_, tcp) => void tcp.resetAndDestroy()],
    [
      "sends a frame that never ends",
      (peer) => void peer.socket.write(Buffer.from([0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0])),
    ],
    ["sends messages and no Close", (peer) => peer.text("login", "login")],
    ["sends what is no frame", (peer) => void peer.socket.write("GET / HTTP/1.1\r\n\r\n")],
  ])("one that %s is gone when its time is over, and holds no place of others", async (_, act) => {
    const { server, open, openRefused } = await refusing({ maxConnectionsPerAddress: 1, closeTimeout: 300 });
    const [peer, tcp] = await openRefused();
    act(peer, tcp);
    const [other] = await open("/open");
    await until(() => server.connections.size === 1);
    other.socket.destroy();
    await peer.until(() => false);
    peer.end();
    await peer.closed;
  });

  test("one that floods is read and thrown away, and cut off all the same [C04]", async () => {
    const { server, openRefused } = await refusing();
    const [peer] = await openRefused();
    const chunk = Buffer.alloc(64 * 1024, 0x82);
    let open = true;
    void peer.closed.then(() => {
      open = false;
    });
    while (open) {
      if (peer.socket.write(chunk)) continue;
      await Promise.race([new Promise((resolve) => peer.socket.once("drain", resolve)), peer.closed]);
    }
    const { messagesReceived, refused } = server.metrics();
    expect([messagesReceived, refused]).toEqual([0, { application: 1 }]);
  });

  test("the server closes while one is still there", async () => {
    const { server, openRefused } = await refusing({ closeTimeout: 300 });
    const [peer] = await openRefused();
    await server.close();
    await peer.until(() => false);
    peer.end();
  });
});

describe("limits that refuse tell pages, too", () => {
  const tellsBusy = async (port: number, reason: string) => {
    const [head, peer] = await askAsPage(port);
    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    expect(closeStatus(await peer.nextFrame())).toEqual({
      code: 1013,
      reason: `Cannot open the connection: ${reason}`,
    });
    peer.close(1013);
    await peer.until(() => false);
    peer.end();
    expect(await statusOf(port, {})).toBe(503);
  };

  test("too many connections, of all and from an address: 1013 without a hint", async () => {
    for (const [limits, reason] of [
      [{ maxConnections: 1 }, "the server has as many connections as it takes"],
      [{ maxConnectionsPerAddress: 1 }, "there are too many connections from your address"],
    ] as const) {
      const server = await serving({ refuseByClose: true, limits, routes: { "/": {} } });
      const peer = await openRaw(server.port);
      await until(() => server.connections.size === 1);
      await tellsBusy(server.port, reason);
      expect(server.connections.size).toBe(1);
      peer.socket.destroy();
    }
  });

  test("too many handshakes, and a decision that takes too long", async () => {
    const server = await serving({
      refuseByClose: true,
      limits: { maxPendingHandshakes: 1, upgradeTimeout: 300 },
      routes: { "/": { upgrade: () => new Promise<never>(() => {}) } },
    });
    const first = await sendRaw(server.port, requestText({ headers: page }));
    await until(() => server.metrics().pendingHandshakes === 1);
    const [, second] = await askAsPage(server.port);
    expect(closeStatus(await second.nextFrame())?.reason).toMatch(/too many opening handshakes are waiting$/);
    await readHead(first);
    expect(closeStatus(await first.nextFrame())).toEqual({
      code: 1013,
      reason: "Cannot open the connection: the server took too long to decide",
    });
    for (const peer of [first, second]) peer.end();
    expect(server.metrics().refused).toEqual({ "too-many-handshakes": 1, "upgrade-timeout": 1 });
  });

  test("a server that drains says when to come back; one that closes, 1001", async () => {
    const deciding = gate();
    const server = await serving({
      refuseByClose: true,
      routes: { "/": {}, "/slow": { upgrade: () => deciding.opened.then(() => ({})) } },
    });
    const stays = await openRaw(server.port);
    const drained = server.drain({ over: 0, code: 4000, retryAfter: 8 });
    const [, refused] = await askAsPage(server.port);
    expect(closeStatus(await refused.nextFrame())).toEqual({
      code: 4000,
      reason: "Cannot open the connection: the server is closing; retry-after=8",
    });
    refused.end();
    stays.close(4000);
    stays.end();
    await drained;

    const other = await serving({
      refuseByClose: true,
      routes: { "/": { upgrade: () => new Promise<never>(() => {}) } },
    });
    const waits = await sendRaw(other.port, requestText({ headers: page }));
    await until(() => other.metrics().pendingHandshakes === 1);
    const closed = other.close();
    await readHead(waits);
    expect(closeStatus(await waits.nextFrame())).toEqual({
      code: 1001,
      reason: "Cannot open the connection: the server is closing",
    });
    waits.end();
    await closed;
    deciding.open();
  });

  test("a page whose origin is not let in, or only a function could let in, learns nothing, and nothing is asked", async () => {
    const asked: unknown[] = [];
    const origin = (given: string | undefined) => {
      asked.push(given);
      return true;
    };
    const server = await serving({
      refuseByClose: true,
      limits: { maxConnections: 1 },
      routes: { "/": {}, "/asks": { origin } },
    });
    const peer = await openRaw(server.port);
    await until(() => server.connections.size === 1);
    expect(await statusOf(server.port, { Origin: "http://evil.example" })).toBe(503);
    expect(await statusOf(server.port, { ...page, "Sec-WebSocket-Version": "8" })).toBe(503);
    const response = parseResponse(await exchange(server.port, requestText({ path: "/asks", headers: page })));
    expect([response.status, asked]).toEqual([503, []]);
    peer.socket.destroy();
  });

  test("a handshake behind an unanswered request gets no 101 [C08]", async () => {
    const server = await serving({
      refuseByClose: true,
      limits: { maxConnections: 0 },
      routes: { "/": {} },
      request: (_, response) => void setTimeout(() => response.end("answer"), 50),
    });
    const answered = await exchange(
      server.port,
      `GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n${requestText({ headers: page })}`,
    );
    expect(answered).not.toContain("101");
  });
});
