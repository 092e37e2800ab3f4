import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import type { CloseReport } from "../../../src/connection/closing/close-report.ts";
import { route } from "../../../src/server/route.ts";
import type { ServerConnection } from "../../../src/server/server-connection.ts";
import { says } from "../../support/asking.ts";
import { gate, until } from "../../support/connection-pair.ts";
import { closeFrame, closeStatus, RawPeer, readHead, requestText, sendRaw } from "../../support/raw-peer.ts";
import { serving } from "../../support/serving.ts";
import { frameFrom } from "../../support/wire.ts";

afterEach(() => {
  vi.useRealTimers();
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

  test("everything works over TLS, with small marks and large messages, too [R6455-4.2.2-1 R6455-10.6-1]", async () => {
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

  test("messages before the end of the client's side are answered, and so is its Close", async () => {
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

  describe("a peer that reads slowly, while more is sent than a system holds [D04]", () => {
    const size = 64 * 1024 * 1024;
    const limits = { closeTimeout: 5000, writeTimeout: 45_000, maxOutboxSize: 2 * size };

    /** A TLS socket with the queue in which the bytes of one large write wait. */
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
      /** Resolves when more bytes have left, with whether some are still waiting. */
      const moved = async () => {
        const before = waiting();
        // The count also rises: the next message may follow in the same turn.
        await until(() => waiting() !== before || socket.destroyed);
        return waiting() > 0;
      };
      return { socket, far, got, closed: closed!, moved };
    }

    // The clock is turned as bytes leave, so neither the machine's speed nor the kernel's buffers matter.
    test("gets all output before our Close, though it takes longer than writeTimeout", async () => {
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

    test("gets the whole message, though it takes many times writeTimeout, unless it stops to read", async () => {
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

  test("survives bytes that are no TLS, and clients that fail their handshake", async () => {
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

  test("a client that never begins TLS is cut off in time, and does not delay close [C05]", async () => {
    const server = await serving({ tls, routes: {}, limits: { handshakeTimeout: 100 } });
    const silent = await sendRaw(server.port);
    await silent.until(() => false);
    silent.end();
    // A close that waited for the client would take this long.
    const another = await serving({ tls, routes: {}, limits: { handshakeTimeout: 3_600_000 } });
    const idle = await sendRaw(another.port);
    await another.close();
    await idle.until(() => false);
  });
});
