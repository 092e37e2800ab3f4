/** Connections of both ends while a test has replaced every timer: what only orders work goes on, what measures time stands. */
import { once } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type CloseEvent, connect, type Server, serve, WebSocket, WebSocketStream } from "../../src/index.ts";
import { acceptance, type RawServer, rawServer } from "../support/raw-server.ts";

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const one of opened.splice(0)) await one.close();
});

function replaceTimers(): void {
  vi.useFakeTimers({
    toFake: [
      "setTimeout",
      "clearTimeout",
      "setInterval",
      "clearInterval",
      "setImmediate",
      "clearImmediate",
      "queueMicrotask",
      "performance",
      "Date",
    ],
  });
}

async function serveEcho(): Promise<Server> {
  const server = await serve({
    port: 0,
    host: "127.0.0.1",
    compression: true,
    routes: {
      "/": {
        open: (connection) => connection.subscribe("news"),
        message: (connection, data) => {
          connection.send(data);
          server.publish("news", `news of ${data}`);
        },
      },
    },
  });
  opened.push(server);
  return server;
}

describe("while timers are replaced", () => {
  const long = "long ".repeat(100_000);

  it("connect sends, receives what is echoed and published, and closes", async () => {
    const server = await serveEcho();
    replaceTimers();
    const connection = await connect(`ws://127.0.0.1:${server.port}/`);
    const received: unknown[] = [];
    connection.send("short");
    connection.send(long);
    for await (const data of connection) if (received.push(data) === 4) break;
    expect(new Set(received)).toEqual(new Set(["short", "news of short", long, `news of ${long}`]));
    connection.close();
    expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true });
  });

  it("WebSocket fires all of its events, and its bufferedAmount falls", async () => {
    const server = await serveEcho();
    replaceTimers();
    const ws = new WebSocket(`ws://127.0.0.1:${server.port}/`);
    const target = ws as unknown as EventTarget;
    await once(target, "open");
    ws.send("hello");
    expect(ws.bufferedAmount).toBe(5);
    const [{ data }] = (await once(target, "message")) as [MessageEvent];
    expect([data, ws.bufferedAmount]).toEqual(["hello", 0]);
    ws.close();
    const [{ wasClean }] = (await once(target, "close")) as [CloseEvent];
    expect(wasClean).toBe(true);
  });

  it("WebSocket fires error and close, and WebSocketStream rejects, for a refusal", async () => {
    const server = await serveEcho();
    replaceTimers();
    const ws = new WebSocket(`ws://127.0.0.1:${server.port}/unknown`);
    const events = ["error", "close"].map((type) => once(ws as unknown as EventTarget, type));
    expect((await Promise.all(events)).flat().map(({ type }) => type)).toEqual(["error", "close"]);
    const wss = new WebSocketStream(`ws://127.0.0.1:${server.port}/unknown`);
    await expect(wss.opened).rejects.toMatchObject({ name: "WebSocketError" });
  });

  it("WebSocketStream is closed by its peer while a write waits", async () => {
    const server = await serveEcho();
    replaceTimers();
    const wss = new WebSocketStream(`ws://127.0.0.1:${server.port}/`);
    const { readable, writable } = await wss.opened;
    const writer = writable.getWriter();
    await writer.write("hello");
    expect((await readable.getReader().read()).value).toBe("hello");
    for (const connection of server.connections) connection.close(3000);
    expect(await wss.closed).toMatchObject({ closeCode: 3000 });
  });

  it("what measures time stands still until the test lets it go on", async () => {
    const silent: RawServer = await rawServer((request) => (request.target === "/" ? undefined : acceptance(request)));
    opened.push(silent);
    replaceTimers();
    const url = `ws://127.0.0.1:${silent.port}`;
    const attempt = connect(`${url}/`, { handshakeTimeout: 1000, serialize: false }).catch((error: unknown) => error);
    const other = await connect(`${url}/other`, { serialize: false });
    vi.advanceTimersByTime(1000);
    expect(await attempt).toMatchObject({ rule: "timed-out" });
    other.close();
    vi.advanceTimersByTime(60_000);
    expect((await other.closed).wasClean).toBe(false);
  });
});
