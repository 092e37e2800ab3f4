import { describe, expect, test } from "vitest";
import { type Server, serve } from "../../src/server/server.ts";
import { gate, until } from "../support/connection-pair.ts";
import { nextTurn } from "../support/held-duplex.ts";
import { closeStatus, openRaw, readHead, requestText, sendRaw } from "../support/raw-peer.ts";
import { serving } from "../support/serving.ts";

describe("close", () => {
  test("closes all clients with 1001, waits for them, refuses new ones, and leaves nothing running", async () => {
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

  test("cuts clients off that do not answer within closeTimeout [D01]", async () => {
    const server = await serving({ routes: { "/": {} }, limits: { closeTimeout: 50 } });
    const peer = await openRaw(server.port);
    await until(() => server.connections.size === 1);
    const [connection] = server.connections;
    await server.close();
    expect(await connection!.closed).toMatchObject({ code: 1006, sent: { code: 1001 } });
    await peer.until(() => false);
  });

  test("is not held up by a handler that never ends", async () => {
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

  test("is not held up by kept-alive plain connections, nor by handshakes under way", async () => {
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

  test("can be called in `open`, and closes a connection that is being established", async () => {
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
