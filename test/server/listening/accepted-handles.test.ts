/** Handles that are taken before Node makes sockets of them: who hears of what, where, and what goes to Node as it was. */
import { execFile } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import { BlockList, connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { typescriptProgram } from "../../../scripts/typescript-program.ts";
import { connect as connectClient } from "../../../src/client/connect.ts";
import { coreOf } from "../../../src/connection/connection.ts";
import type { Server } from "../../../src/server/server.ts";
import { HandleTransport } from "../../../src/transport/handles/handle-transport.ts";
import { until } from "../../support/connection-pair.ts";
import { nextTurn } from "../../support/held-duplex.ts";
import { closeFrame, exchange, openRaw, parseResponse, requestText, sendRaw } from "../../support/raw-peer.ts";
import { afterwards, serving } from "../../support/serving.ts";

/** A server with handles, and the HTTP server below it, which answers with the length of the body. */
async function listening(options: { bareHandles?: boolean } = {}) {
  let http: HttpServer | undefined;
  const server = await serving({
    bareHandles: true,
    ...options,
    routes: { "/": { message: (connection, data) => void connection.send(data) } },
    request: async (request, response) => {
      http = (request.socket as Socket & { server: HttpServer }).server;
      let length = 0;
      for await (const chunk of request) length += (chunk as Buffer).length;
      response.end(`${request.url} ${length} ${request.socket.remoteAddress}`);
    },
  });
  await exchange(server.port, requestText({ path: "/plain", headers: { Connection: "close", Upgrade: [] } }));
  await untilCount(http!, 0);
  return { server, http: http! };
}

function isBare(server: Server): boolean {
  const [connection] = server.connections;
  return coreOf(connection!).transport instanceof HandleTransport;
}

function countOf(http: HttpServer): Promise<number> {
  return new Promise((resolve, reject) =>
    http.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

async function untilCount(http: HttpServer, count: number): Promise<void> {
  while ((await countOf(http)) !== count) await nextTurn();
}

describe("a connection is on a bare handle", () => {
  test("unless the option or the variable says no", async () => {
    const { server } = await listening();
    await openRaw(server.port);
    expect(isBare(server)).toBe(true);
    const without = await listening({ bareHandles: false });
    await openRaw(without.server.port);
    expect(isBare(without.server)).toBe(false);
    const before = process.env.OPENLINE_BARE_HANDLES;
    afterwards(() => {
      if (before === undefined) delete process.env.OPENLINE_BARE_HANDLES;
      else process.env.OPENLINE_BARE_HANDLES = before;
    });
    for (const [value, bare] of [
      ["0", false],
      ["1", true],
    ] as const) {
      process.env.OPENLINE_BARE_HANDLES = value;
      const byVariable = await serving({ routes: { "/": {} } });
      await openRaw(byVariable.port);
      expect(isBare(byVariable)).toBe(bare);
    }
  });

  test("and none with a PROXY header, whose bytes come first", async () => {
    const server = await serving({ proxyProtocol: ["127.0.0.1"], routes: { "/": {} } });
    await sendRaw(server.port, `PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n${requestText()}`);
    await until(() => server.connections.size === 1);
    const [connection] = server.connections;
    expect([isBare(server), connection!.remoteAddress]).toEqual([false, "192.0.2.1"]);
  });

  test("with the addresses of both ends", async () => {
    const { server } = await listening();
    const peer = await openRaw(server.port);
    const [{ remoteAddress, remotePort, localAddress, localPort }] = [...server.connections] as [
      Server["connections"] extends ReadonlySet<infer One> ? One : never,
    ];
    expect([remoteAddress, remotePort]).toEqual([peer.socket.localAddress, peer.socket.localPort]);
    expect([localAddress, localPort]).toEqual([peer.socket.remoteAddress, server.port]);
  });
});

describe("what Node gets is whole", () => {
  test.each([1, 70_000, 1_000_000])("a body of %i bytes behind its head, in one piece and in many", async (length) => {
    const { server } = await listening();
    const head = `POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`;
    const body = Buffer.alloc(length, "b");
    const answers = [await exchange(server.port, Buffer.concat([Buffer.from(head), body]))];
    const peer = await sendRaw(server.port);
    for (const part of [head.slice(0, 20), head.slice(20), body.subarray(0, 1), body.subarray(1)]) {
      peer.socket.write(part);
      for (let turns = 0; turns < 5; turns++) await nextTurn();
    }
    await peer.until(() => peer.ended);
    answers.push(peer.received.toString());
    for (const answer of answers) expect(answer).toContain(`/upload ${length} 127.0.0.1`);
  });

  test("requests one after another on one socket, and then a WebSocket on it", async () => {
    const { server } = await listening();
    const get = "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n";
    const peer = await sendRaw(server.port, get + get);
    await peer.until(() => peer.received.toString().split("/plain 0 127.0.0.1").length === 3);
    peer.received = Buffer.alloc(0);
    peer.socket.write(requestText());
    await peer.until(() => peer.received.includes("\r\n\r\n"));
    expect(peer.received.toString()).toMatch(/^HTTP\/1.1 101 /);
    peer.received = Buffer.alloc(0);
    const long = "m".repeat(300_000);
    peer.text("short", long);
    expect(await peer.nextTexts(2)).toEqual(["short", long]);
  });

  test("a silent socket after its time, and at the server's end", async () => {
    const { server, http } = await listening();
    const early = await sendRaw(server.port);
    await untilCount(http, 1);
    const accepted = once(http, "connection");
    // Another listener gets what is handed over.
    const [socket] = (await accepted) as [Socket];
    expect(socket.remotePort).toBe(early.socket.localPort);
    early.socket.write("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
    await early.until(() => early.received.includes("/late 0"));
    const late = await sendRaw(server.port);
    await untilCount(http, 2);
    await Promise.all([server.close(), late.until(() => late.ended)]);
  });
});

test("a server that is closed while it hands silent sockets over lets go of all of them", async () => {
  const { server, http } = await listening();
  const silent = await Promise.all(Array.from({ length: 5 }, () => sendRaw(server.port)));
  await untilCount(http, 5);
  let closed: Promise<void> | undefined;
  http.on("connection", () => {
    closed ??= server.close();
  });
  await Promise.all(silent.map((peer) => peer.until(() => peer.ended)));
  await closed;
});

test("a tunnel that somebody else makes of a request carries bytes both ways", async () => {
  const { server, http } = await listening();
  http.on("connect", (_, socket: Socket, head: Buffer) => {
    socket.write(`HTTP/1.1 200 OK\r\n\r\n${head}`);
    socket.pipe(socket);
  });
  const peer = await sendRaw(server.port, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\nhead ");
  await peer.until(() => peer.received.includes("head "));
  const sent = Buffer.alloc(500_000, "t");
  peer.received = Buffer.alloc(0);
  peer.socket.write(sent);
  await peer.until(() => peer.received.length === sent.length);
  expect(peer.received.equals(sent)).toBe(true);
  peer.end();
  await peer.until(() => peer.ended);
});

describe("a server in which others have a say", () => {
  test("counts open handles, and is closed when the last one is", async () => {
    const { server, http } = await listening();
    const ended = await openRaw(server.port);
    const reset = await openRaw(server.port);
    const silent = await sendRaw(server.port);
    await untilCount(http, 3);
    silent.end();
    await untilCount(http, 2);
    reset.reset();
    await untilCount(http, 1);
    let closed = false;
    http.close(() => {
      closed = true;
    });
    for (let turns = 0; turns < 10; turns++) await nextTurn();
    expect(closed).toBe(false);
    ended.send(closeFrame(1000));
    ended.end();
    await until(() => closed);
  });

  test("tells a listener and the channel of Node of every socket", async () => {
    const { server, http } = await listening();
    const sockets: unknown[] = [];
    const note = (socket: unknown): void => void sockets.push(socket);
    http.on("connection", note);
    await openRaw(server.port);
    expect(sockets).toHaveLength(1);
    http.off("connection", note);
    const hear = (message: unknown): void => void sockets.push((message as { socket: unknown }).socket);
    subscribe("net.server.socket", hear);
    afterwards(() => unsubscribe("net.server.socket", hear));
    await openRaw(server.port);
    unsubscribe("net.server.socket", hear);
    expect(sockets).toHaveLength(2);
    await openRaw(server.port);
    expect(sockets).toHaveLength(2);
  });

  test("drops what its own limit of connections does not admit, and says so", async () => {
    const { server, http } = await listening();
    await openRaw(server.port);
    http.maxConnections = 1;
    const dropped = once(http, "drop");
    const peer = await sendRaw(server.port);
    expect((await dropped)[0]).toMatchObject({ remotePort: peer.socket.localPort });
    await peer.until(() => peer.ended);
    expect(await countOf(http)).toBe(1);
  });

  test("refuses whom its list blocks, where Node has one", async () => {
    const { server, http } = await listening();
    const blockList = new BlockList();
    blockList.addAddress("127.0.0.1");
    Object.assign(http, { blockList });
    const peer = await sendRaw(server.port, requestText());
    const knows = Number(process.versions.node.split(".")[0]) >= 22;
    await peer.until(() => peer.ended || peer.received.length > 0);
    expect(peer.received.length === 0).toBe(knows);
  });

  test("hears that a connection could not be accepted [D20]", async () => {
    const { http } = await listening();
    const errors: unknown[] = [];
    http.on("error", (error) => errors.push(error));
    const { _handle: handle } = http as unknown as { _handle: { onconnection(error: number): void } };
    handle.onconnection(-24);
    expect(errors).toEqual([expect.objectContaining({ code: "EMFILE", syscall: "accept" })]);
  });
});

test("takes many at once, of which some leave at every step", async () => {
  const { server, http } = await listening();
  const head = requestText();
  const leave = async (index: number): Promise<void> => {
    const socket = connect(server.port, "127.0.0.1").on("error", () => {});
    await once(socket, "connect");
    if (index % 6 > 0) socket.write(index % 6 === 1 ? head.slice(0, 10) : head);
    if (index % 6 > 2) await once(socket, "data");
    if (index % 6 === 5) return void socket.resetAndDestroy();
    if (index % 2 === 0) socket.end();
    else socket.destroy();
    socket.resume();
  };
  await Promise.all(Array.from({ length: 120 }, (_, index) => leave(index)));
  await untilCount(http, 0);
  await until(() => server.connections.size === 0);
});

test("D19 connections that end with messages under way leave no handle", async () => {
  const { server, http } = await listening();
  const before = process.getActiveResourcesInfo().filter((kind) => kind.startsWith("TCPSocket")).length;
  for (let round = 0; round < 5; round++) {
    const connection = await connectClient(`ws://127.0.0.1:${server.port}/`);
    for (let index = 0; index < 50; index++) connection.send("x".repeat(10_000));
    if (round % 2 === 0) connection.terminate();
    else connection.close();
    await connection.closed;
  }
  await untilCount(http, 0);
  await until(() => process.getActiveResourcesInfo().filter((kind) => kind.startsWith("TCPSocket")).length <= before);
});

test.each([["--pending-deprecation"], permissions()])(
  "no deprecated function is called, nor one that the permission model keeps back: %s",
  async (...flags) => {
    const program = typescriptProgram(new URL("../../support/bare-server.ts", import.meta.url).pathname);
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, ...program]);
    expect([stdout, stderr]).toEqual(["HandleTransport: hello\n", ""]);
  },
);

/** What turns the model on, whose flag was renamed when it was no experiment any more, and lets the program do its work. */
function permissions(): string[] {
  const known = process.allowedNodeEnvironmentFlags;
  const model = known.has("--permission") ? "--permission" : "--experimental-permission";
  return [
    model,
    "--disable-warning=ExperimentalWarning",
    "--allow-fs-read=*",
    ...(known.has("--allow-net") ? ["--allow-net"] : []),
  ];
}

test("a request that is refused is answered as ever", async () => {
  const server = await serving({ bareHandles: true, routes: { "/": { origin: ["https://a.example"] } } });
  const answer = parseResponse(await exchange(server.port, requestText({ headers: { Origin: "https://b.example" } })));
  expect(answer.status).toBe(403);
});
