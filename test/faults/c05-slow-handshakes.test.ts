/** C05: sockets that are slow to say what they want, or never do. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { serverLimits } from "../../src/connection/options/limits.ts";
import { connect, HandshakeError } from "../../src/index.ts";
import { until } from "../support/connection-pair.ts";
import { exchange, parseResponse, type RawPeer, requestText, sendRaw } from "../support/raw-peer.ts";
import { rawServer } from "../support/raw-server.ts";
import { leftovers, noteResources } from "../support/resources.ts";
import { afterwards, serving } from "../support/serving.ts";

const drips: NodeJS.Timeout[] = [];
afterEach(() => {
  for (const drip of drips.splice(0)) clearInterval(drip);
});

/** Sends a byte of an endless head at a time. */
function dripping(socket: Socket, head: string): void {
  socket.write(head);
  drips.push(setInterval(() => socket.write("a"), 100));
}

async function slowSockets(port: number): Promise<RawPeer[]> {
  const silent = await sendRaw(port);
  const partial = await sendRaw(port, requestText().slice(0, -10));
  const drip = await sendRaw(port);
  dripping(drip.socket, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ");
  return [silent, partial, drip];
}

describe("C05 a request that does not come", () => {
  test("C05: a head has 10 s by default", () => {
    expect(serverLimits.handshakeTimeout).toBe(10_000);
    expect(serverLimits.upgradeTimeout).toBe(10_000);
    expect(serverLimits.maxPendingHandshakes).toBe(1000);
  });

  test("C05: a silent, a partial and a dripping socket are closed in time; control: node:http holds them [G42]", async () => {
    const server = await serving({ limits: { handshakeTimeout: 1000 }, routes: { "/": {} } });
    const http = createServer().listen(0, "127.0.0.1");
    await once(http, "listening");
    const sockets = new Set<Socket>();
    http.on("connection", (socket) => sockets.add(socket));
    afterwards(() => {
      for (const socket of sockets) socket.destroy();
      http.close();
    });
    const held = await slowSockets((http.address() as AddressInfo).port);
    const ours = await slowSockets(server.port);
    await Promise.all(ours.map((peer) => peer.until(() => false)));
    const answers = ours.map(({ received }) => received.toString("latin1").slice(0, 12));
    expect(answers).toEqual(["HTTP/1.1 408", "HTTP/1.1 408", "HTTP/1.1 408"]);
    // They came earlier, and wait for longer.
    expect(held.map(({ ended }) => ended)).toEqual([false, false, false]);
    for (const { socket } of [...held, ...ours]) socket.destroy();
  });

  test("C05: 300 silent sockets hold up nobody and are all let go", async () => {
    const server = await serving({ limits: { handshakeTimeout: 1000 }, routes: { "/": {} } });
    const before = await noteResources();
    const silent = await Promise.all(Array.from({ length: 300 }, () => sendRaw(server.port)));
    const peer = await sendRaw(server.port, requestText());
    await peer.until(() => peer.received.includes("101"));
    peer.socket.destroy();
    await Promise.all(silent.map((each) => each.until(() => false)));
    for (const { socket } of silent) socket.destroy();
    expect(await leftovers(before)).toEqual({});
  });
});

describe("C05 an answer that does not come", () => {
  test("C05: an upgrade that never decides is 503 after upgradeTimeout [G42]", async () => {
    const server = await serving({
      limits: { upgradeTimeout: 100 },
      routes: { "/": { upgrade: () => new Promise<never>(() => {}) } },
    });
    expect(parseResponse(await exchange(server.port, requestText())).status).toBe(503);
    expect(server.metrics().pendingHandshakes).toBe(0);
  });

  test("C05: beyond maxPendingHandshakes the next gets 503 at once, and room again once they are decided", async () => {
    const decided: (() => void)[] = [];
    const server = await serving({
      limits: { maxPendingHandshakes: 3 },
      routes: { "/": { upgrade: () => new Promise((resolve) => decided.push(() => resolve({}))) } },
    });
    const waiting = await Promise.all(Array.from({ length: 3 }, () => sendRaw(server.port, requestText())));
    await until(() => server.metrics().pendingHandshakes === 3);
    const refused = parseResponse(await exchange(server.port, requestText()));
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    for (const decide of decided.splice(0)) decide();
    await until(() => server.connections.size === 3);
    const next = await sendRaw(server.port, requestText());
    await until(() => decided.length === 1);
    for (const { socket } of [...waiting, next]) socket.destroy();
  });

  test("C05 control: without the limit any number of handshakes waits", async () => {
    const server = await serving({
      limits: { maxPendingHandshakes: Number.POSITIVE_INFINITY },
      routes: { "/": { upgrade: () => new Promise<never>(() => {}) } },
    });
    const waiting = await Promise.all(Array.from({ length: 1100 }, () => sendRaw(server.port, requestText())));
    await until(() => server.metrics().pendingHandshakes === 1100);
    for (const { socket } of waiting) socket.destroy();
    await until(() => server.metrics().pendingHandshakes === 0);
  });
});

describe("C05 a server that is slow to answer our client", () => {
  test.each<[string, (socket: Socket) => void]>([
    ["is silent", () => {}],
    ["sends a part of the head", (socket) => void socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgr")],
    ["drips an endless head", (socket) => dripping(socket, "HTTP/1.1 101 Switching Protocols\r\nX: ")],
  ])("C05: one that %s is given up after handshakeTimeout", async (_, answer) => {
    const before = await noteResources();
    const server = await rawServer((_request, socket) => {
      answer(socket);
      return undefined;
    });
    const error: unknown = await connect(`ws://127.0.0.1:${server.port}/`, { handshakeTimeout: 300 }).catch((e) => e);
    expect(error).toBeInstanceOf(HandshakeError);
    expect((error as HandshakeError).rule).toBe("timed-out");
    for (const drip of drips.splice(0)) clearInterval(drip);
    await server.close();
    expect(await leftovers(before)).toEqual({});
  });

  test("C05 control: without handshakeTimeout our client waits on", async () => {
    const server = await rawServer(() => undefined);
    afterwards(() => server.close());
    const abort = new AbortController();
    const attempt = connect(`ws://127.0.0.1:${server.port}/`, {
      handshakeTimeout: Number.POSITIVE_INFINITY,
      signal: abort.signal,
    }).then(
      () => "opened",
      () => "gave up",
    );
    expect(await Promise.race([attempt, delay(1000, "waits")])).toBe("waits");
    abort.abort();
    expect(await attempt).toBe("gave up");
  });
});
