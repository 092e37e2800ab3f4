/** One handshake, and two listeners that would answer it (fault C18). */
import { once } from "node:events";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { connect as connectTls } from "node:tls";
import { describe, expect, test, vi } from "vitest";
import { WebSocketServer } from "ws";
import { accept } from "../../../src/server/accept.ts";
import type { LogRecord } from "../../../src/server/log.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { gate } from "../../support/connection-pair.ts";
import { httpServer } from "../../support/http-server.ts";
import { exchange, RawPeer, readHead, requestText, sendRaw } from "../../support/raw-peer.ts";
import { afterwards, serving } from "../../support/serving.ts";

const twice = /^Cannot accept: the request was answered already/;
const says = (what: string) => ({ open: (connection: { send(data: string): unknown }) => void connection.send(what) });

/** Sends a request, byte by byte where asked to, and returns the answer once `text` is in it. */
async function received(port: number, text: string, bytewise: boolean): Promise<string> {
  const peer = await sendRaw(port);
  for (const part of bytewise ? requestText() : [requestText()]) {
    peer.socket.write(part);
    if (bytewise) await new Promise(setImmediate);
  }
  await peer.until(() => peer.received.includes(text));
  const answer = peer.received.toString("latin1");
  peer.reset();
  return answer;
}

const once101 = (answer: string) => expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 101"]);

describe.each([false, true])("a request that comes byte by byte: %s [C18]", (bytewise) => {
  test("the second of two calls of accept rejects, and the first connection is unharmed", async () => {
    const rejected: unknown[] = [];
    const { port } = await httpServer((request, socket, head) => {
      void accept(request, socket, head, says("first"));
      accept(request, socket, head, says("second")).catch((error) => rejected.push(error.message));
    });
    const answer = await received(port, "first", bytewise);
    once101(answer);
    expect(answer).not.toContain("second");
    expect(rejected).toEqual([expect.stringMatching(twice)]);
  });

  test.each(["at once", "later"])("accept %s rejects for a path that serve has, and close ends", async (when) => {
    const rejected: unknown[] = [];
    const { http, port } = await httpServer();
    const server = await serving({ server: http, routes: { "/": says("served") } });
    http.on("upgrade", async (request, socket, head) => {
      if (when === "later") await new Promise(setImmediate);
      await accept(request, socket, head, says("accepted")).catch((error) => rejected.push(error.message));
    });
    const answer = await received(port, "served", bytewise);
    once101(answer);
    expect(rejected).toEqual([expect.stringMatching(twice)]);
    await server.close();
    expect(server.connections.size).toBe(0);
  });

  test("serve logs a request that an earlier listener has accepted, and close ends", async () => {
    const records: LogRecord[] = [];
    const { http, port } = await httpServer((request, socket, head) => {
      void accept(request, socket, head, says("accepted"));
    });
    const server = await serving({
      server: http,
      routes: { "/": says("served") },
      log: (record) => records.push(record),
    });
    once101(await received(port, "accepted", bytewise));
    expect(records.map(({ event, message }) => [event, message])).toEqual([
      [
        "listener-error",
        expect.stringMatching(/could not accept a connection: Cannot accept: the request was answered/),
      ],
    ]);
    expect(server.metrics().opened).toBe(0);
    await server.close();
  });

  test.each(["accept", "serve"])("%s behind a listener of ws, which has opened or refused it", async (ours) => {
    const errors: unknown[] = [];
    const stderr = vi.spyOn(console, "error").mockImplementation((_, error) => errors.push(error));
    afterwards(() => stderr.mockRestore());
    for (const [path, theirs] of [
      ["/", "theirs"],
      ["/other", "400 Bad Request"],
    ] as const) {
      const { http, port } = await httpServer();
      const ws = new WebSocketServer({ server: http, path });
      ws.on("connection", (socket) => socket.send("theirs"));
      if (ours === "serve") await serving({ server: http, routes: { "/": says("ours") } });
      else {
        http.on("upgrade", (request, socket, head) => {
          accept(request, socket, head, says("ours")).catch((error) => errors.push(error));
        });
      }
      const answer = await received(port, theirs, bytewise);
      expect(answer.match(/HTTP\/1\.1 \d+/g)).toHaveLength(1);
      expect(answer).not.toContain("ours");
    }
    expect(errors.map((error) => (error as Error).message)).toEqual([
      expect.stringMatching(twice),
      expect.stringMatching(twice),
    ]);
  });
});

describe("C18", () => {
  test("bytes that another listener writes while upgrade decides are noticed, and nothing is written behind them", async () => {
    const errors: string[] = [];
    const { opened, open } = gate();
    const { http, port } = await httpServer((request, socket, head) => {
      accept(request, socket, head, { upgrade: () => opened.then(() => ({})) }).catch(({ message }) =>
        errors.push(message),
      );
    });
    const ws = new WebSocketServer({ server: http });
    ws.on("connection", (socket) => {
      socket.send("theirs");
      socket.on("message", (data) => socket.send(String(data)));
    });
    const peer = await sendRaw(port, requestText());
    await peer.until(() => peer.received.includes("theirs"));
    open();
    await vi.waitUntil(() => errors.length > 0);
    expect(errors[0]).toMatch(twice);
    await readHead(peer);
    peer.text("still theirs");
    expect(await peer.nextTexts(2)).toEqual(["theirs", "still theirs"]);
    peer.reset();
  });

  test("bytes of another listener are noticed over TLS, too", async () => {
    const certificates = makeCertificates();
    afterwards(() => certificates.remove());
    const errors: string[] = [];
    const http = createTlsServer(certificates.server);
    const ws = new WebSocketServer({ server: http });
    ws.on("connection", (socket) => socket.send("theirs"));
    http.on("upgrade", (request, socket, head) => {
      accept(request, socket, head, says("ours")).catch(({ message }) => errors.push(message));
    });
    afterwards(() => http.close());
    await once(http.listen(0, "127.0.0.1"), "listening");
    const { port } = http.address() as AddressInfo;
    const peer = new RawPeer(connectTls({ port, ca: certificates.ca, servername: "localhost" }), "client");
    peer.socket.write(requestText());
    await peer.until(() => peer.received.includes("theirs"));
    expect(errors).toEqual([expect.stringMatching(twice)]);
    peer.socket.destroy();
  });

  test("a socket that answered plain requests, and whose bytes are counted, is still free to claim", async () => {
    let count = 0;
    const { http, port } = await httpServer(
      (request, socket, head) => void accept(request, socket, head, says("ours")),
    );
    http.on("request", (_, response) => response.end("plain"));
    http.on("connection", (socket) => {
      socket.on("data", (chunk: Buffer) => {
        count += chunk.length;
      });
    });
    const peer = await sendRaw(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await peer.until(() => peer.received.includes("plain"));
    peer.socket.write(requestText());
    await peer.until(() => peer.received.includes("ours"));
    expect(peer.received.toString()).toContain("ours");
    expect(count).toBeGreaterThan(0);
    peer.reset();
  });

  test("a refused request is not refused a second time", async () => {
    const rejected: string[] = [];
    const { port } = await httpServer((request, socket, head) => {
      void accept(request, socket, head, { origin: [] });
      accept(request, socket, head).catch(({ message }) => rejected.push(message));
    });
    const answer = await exchange(port, requestText({ headers: { Origin: "http://a" } }));
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 403"]);
    expect(rejected).toEqual([expect.stringMatching(twice)]);
  });

  test("control: a server of ws beside one for another path writes its refusal between the frames [C18]", async () => {
    const { http, port } = await httpServer();
    const first = new WebSocketServer({ server: http, path: "/" });
    first.on("connection", (socket) => socket.send("first"));
    new WebSocketServer({ server: http, path: "/second" });
    const peer = await sendRaw(port, requestText());
    await peer.until(() => false);
    expect(peer.received.toString("latin1").match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 101", "HTTP/1.1 400"]);
    peer.socket.destroy();
  });
});
