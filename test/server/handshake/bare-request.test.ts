/** Requests that `node:http` has not read, on routes that ask the application: what `upgrade` sees of them, and what it may do. */
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import { canMakeRequests, requestOf } from "../../../src/server/handshake/bare-request.ts";
import { isWebSocketUpgrade } from "../../../src/server/handshake/upgrade-request.ts";
import type { Server } from "../../../src/server/server.ts";
import { HandleTransport } from "../../../src/transport/handles/handle-transport.ts";
import { until } from "../../support/connection-pair.ts";
import { openRaw, requestText, sendRaw } from "../../support/raw-peer.ts";
import { serving } from "../../support/serving.ts";
import { frameFrom } from "../../support/wire.ts";

/** The transport of the only connection, and whether it has become a stream. */
function transportOf(server: Server): { isBare: boolean } {
  const [connection] = server.connections;
  const { transport } = coreOf(connection!);
  return { isBare: transport instanceof HandleTransport && transport.stream === undefined };
}

const hello = frameFrom("client", { opcode: 1, payload: "hello" });

describe("a request that is made here", () => {
  test("has what one of node:http has, and a body that has ended", async () => {
    expect(canMakeRequests).toBe(true);
    const rawHeaders = ["Host", "a.example", "X-Twice", "1", "x-twice", "2", "Set-Cookie", "a", "Set-Cookie", "b"];
    const socket = new Socket();
    let made = 0;
    const request = requestOf({ target: "/path?query", rawHeaders }, () => {
      made++;
      return socket;
    });
    expect(request).toBeInstanceOf(IncomingMessage);
    expect(request).toMatchObject({
      method: "GET",
      url: "/path?query",
      httpVersion: "1.1",
      complete: true,
      rawHeaders,
    });
    expect(request.headers).toEqual({ host: "a.example", "x-twice": "1, 2", "set-cookie": ["a", "b"] });
    expect(request.headersDistinct["x-twice"]).toEqual(["1", "2"]);
    expect([request.trailers, request.aborted, made]).toEqual([{}, false, 0]);
    expect(request.socket).toBe(socket);
    const body: unknown[] = [];
    for await (const chunk of request) body.push(chunk);
    expect(body).toEqual([]);
  });
});

describe.each(["bare handles", "sockets"])("a route with `upgrade`, on %s", (kind) => {
  const bareHandles = kind === "bare handles";
  const deciding = {
    "at once": <Value>(value: Value) => value,
    later: async <Value>(value: Value) => {
      await new Promise(setImmediate);
      return value;
    },
  };

  test.each(Object.entries(deciding))("stays on what it came on, decided %s", async (_, when) => {
    const seen: unknown[] = [];
    const server = await serving({
      bareHandles,
      routes: {
        "/rooms/:room": {
          upgrade: ({ request, params, url, cookies, remoteAddress, signal }) => {
            seen.push(isWebSocketUpgrade(request), params.room, url.search, cookies.get("a"), remoteAddress);
            return when({ data: signal.aborted });
          },
          message: (connection, data) => void connection.send(`${data} ${connection.data}`),
        },
      },
    });
    const peer = await openRaw(server.port, { path: "/rooms/tea?x=1", headers: { Cookie: "a=b" } });
    expect(seen).toEqual([true, "tea", "?x=1", "b", expect.stringContaining("127.0.0.1")]);
    expect(transportOf(server)).toEqual({ isBare: bareHandles });
    peer.socket.write(hello);
    expect(await peer.nextTexts(1)).toEqual(["hello false"]);
  });

  test.each(Object.entries(deciding))("gives a real socket to whoever asks, decided %s", async (_, when) => {
    let socket: Socket | undefined;
    const server = await serving({
      bareHandles,
      routes: {
        "/": {
          upgrade: ({ request }) => {
            // A time for the request is none for the connection.
            socket = request.socket.setTimeout(60_000);
            expect(request.socket).toBe(socket);
            return when({});
          },
          message: (connection, data) => void connection.send(data),
        },
      },
    });
    const peer = await openRaw(server.port);
    expect(socket).toBeInstanceOf(Socket);
    expect(socket!.remotePort).toBe(peer.socket.localPort);
    expect(socket!.timeout).toBe(0);
    expect(transportOf(server)).toEqual({ isBare: false });
    peer.socket.write(hello);
    expect(await peer.nextTexts(1)).toEqual(["hello"]);
    peer.socket.destroy();
    await until(() => socket!.destroyed && server.connections.size === 0);
  });

  test("gives who asks behind the connection's end one socket, which is destroyed", async () => {
    let request: IncomingMessage | undefined;
    const server = await serving({
      bareHandles,
      routes: {
        "/": {
          upgrade: (context) => {
            request = context.request;
            return {};
          },
        },
      },
    });
    const peer = await openRaw(server.port);
    peer.socket.destroy();
    await until(() => server.connections.size === 0);
    const { socket } = request!;
    expect(socket.destroyed).toBe(true);
    expect(request!.socket).toBe(socket);
  });

  test("keeps what comes early, up to a mark, and tells of a client that leaves", async () => {
    let decide!: (result: object) => void;
    let reason: unknown;
    const server = await serving({
      bareHandles,
      routes: {
        "/": {
          upgrade: ({ signal }) => {
            signal.addEventListener("abort", () => {
              reason = signal.reason;
            });
            return new Promise<object>((resolve) => {
              decide = resolve;
            });
          },
          message: (connection, data) => void connection.send(data),
        },
      },
    });
    const early = await sendRaw(server.port, requestText());
    await until(() => server.metrics().pendingHandshakes === 1);
    const long = frameFrom("client", { opcode: 2, payload: Buffer.alloc(60_000, 7) });
    early.socket.write(Buffer.concat([hello, long, hello]));
    await until(() => early.socket.writableLength === 0);
    decide({});
    await until(() => early.received.includes("\r\n\r\n") && early.received.length > 60_000);
    await until(() => early.received.subarray(-5).toString() === "hello");
    const leaving = await sendRaw(server.port, requestText());
    await until(() => server.metrics().pendingHandshakes === 1);
    leaving.socket.destroy();
    await until(() => server.metrics().pendingHandshakes === 0);
    expect(String(reason)).toContain("The client left");
    expect(server.connections.size).toBe(1);
  });

  test.each(["end", "write"] as const)(
    "writes nothing where the application has answered by the socket's %s, and closes it with the server",
    async (way) => {
      const logged: string[] = [];
      const server = await serving({
        bareHandles,
        log: ({ message }) => void logged.push(message),
        routes: {
          "/": {
            upgrade: ({ request }) => {
              request.socket[way]("HTTP/1.1 299 Mine\r\n\r\n");
              return {};
            },
          },
        },
      });
      const peer = await sendRaw(server.port, requestText());
      await until(() => peer.received.includes("\r\n\r\n"));
      expect(peer.received.toString()).toBe("HTTP/1.1 299 Mine\r\n\r\n");
      await until(() => logged.length === 1);
      expect(logged[0]).toContain("answered already");
      expect(server.connections.size).toBe(0);
      if (way === "end") await until(() => peer.ended);
      peer.socket.write("What is not read is no reason to stay");
      await server.close();
      // A socket whose other end has ended before is not told of a reset.
      if (way === "end") peer.socket.destroy();
      await peer.closed;
    },
  );
});
