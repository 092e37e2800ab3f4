/** The logging hook: its records, which replace stderr, and its own exceptions, which change nothing. */
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { accept } from "../../src/server/accept.ts";
import { guardedLog, type LogRecord } from "../../src/server/log.ts";
import type { ServeOptions } from "../../src/server/serve-options.ts";
import { type Server, serve } from "../../src/server/server.ts";
import { until } from "../support/connection-pair.ts";
import { httpServer } from "../support/http-server.ts";
import { exchange, openRaw, parseResponse, type RawRequest, requestText } from "../support/raw-peer.ts";

const servers: Server[] = [];
let records: LogRecord[];
let stderr: MockInstance<typeof console.error>;
const log = (record: LogRecord) => void records.push(record);

beforeEach(() => {
  records = [];
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(async () => {
  for (const server of servers.splice(0)) {
    for (const connection of server.connections) connection.terminate();
    await server.close();
  }
  stderr.mockRestore();
});

async function serving(options: ServeOptions): Promise<Server> {
  const server = await serve({ host: "127.0.0.1", log, ...options });
  servers.push(server);
  return server;
}

const ask = async (port: number, request: RawRequest) => parseResponse(await exchange(port, requestText(request)));

function throws(): never {
  throw new Error("broken");
}

describe("a refused handshake", () => {
  test.each<[what: string, bytes: string, status: number, reason: string]>([
    ["a head over 16 KiB", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 431, "headers-too-large"],
    ["no HTTP", "HELLO\r\n\r\n", 400, "malformed-http"],
    ["a half head", "GET / HTTP/1.1\r\n", 408, "request-too-slow"],
    ["no Upgrade", requestText({ headers: { Upgrade: "" } }), 426, "missing-upgrade"],
  ])("%s is counted and logged although it never came to the handshake [C05]", async (_, bytes, status, reason) => {
    const server = await serving({ ...(status === 408 && { limits: { handshakeTimeout: 300 } }), routes: { "/": {} } });
    expect(parseResponse(await exchange(server.port, bytes)).status).toBe(status);
    expect(server.metrics().refused).toEqual({ [reason]: 1 });
    expect(records).toMatchObject([{ event: "refused", level: "info", status, reason }]);
  });

  test("a plain request beside the routes is not logged", async () => {
    const server = await serving({ routes: { "/socket": {} } });
    expect((await ask(server.port, { headers: { Upgrade: "" } })).status).toBe(404);
    expect(server.metrics().refused).toEqual({});
    expect(records).toEqual([]);
  });

  test.each<[RawRequest, number, string, string]>([
    [{ headers: { "Sec-WebSocket-Key": "" } }, 400, "info", "missing-key"],
    [{ headers: { Origin: "http://evil.example" } }, 403, "info", "origin-not-allowed"],
    [{ path: "/nowhere?secret=1" }, 404, "info", "unknown-path"],
    [{ path: "/private" }, 401, "info", "application"],
    [{ path: "/full" }, 503, "warn", "too-many-connections"],
  ])("%j is logged with %i, %s, %s", async (request, status, level, reason) => {
    const full = request.path === "/full";
    const { port } = await serving({
      trustProxy: 1,
      ...(full && { limits: { maxConnections: 0 } }),
      routes: { "/": {}, "/full": {}, "/private": { upgrade: () => new Response("no", { status: 401 }) } },
    });
    const headers = { "X-Forwarded-For": "9.9.9.9", ...request.headers };
    expect((await ask(port, { ...request, headers })).status).toBe(status);
    const path = request.path?.split("?")[0] ?? "/";
    const message = `Refused the handshake at ${path} from 9.9.9.9 with ${status}: ${reason}`;
    expect(records).toEqual([
      { event: "refused", level, message, status, reason, remoteAddress: "9.9.9.9", request: expect.anything() },
    ]);
  });

  test("an exception of upgrade is in its record instead of on stderr", async () => {
    const server = await serving({ routes: { "/": { upgrade: throws } } });
    expect((await ask(server.port, {})).status).toBe(500);
    const error = expect.objectContaining({ message: "broken" });
    expect(records).toMatchObject([{ event: "refused", level: "error", reason: "application-failed", error }]);
    expect(records).toMatchObject([{ remoteAddress: "127.0.0.1" }]);
    expect(stderr).not.toHaveBeenCalled();
    expect(server.metrics().refused).toEqual({ "application-failed": 1 });
  });

  test("holds in accept, too [G37]", async () => {
    const { port } = await httpServer((request, socket, head) => void accept(request, socket, head, { log }));
    await ask(port, { headers: { "Sec-WebSocket-Key": "" } });
    expect(records).toMatchObject([{ event: "refused", reason: "missing-key" }]);
  });
});

describe("a connection", () => {
  test("is logged with its report when it breaks a rule, and not when it closes", async () => {
    const { port } = await serving({ routes: { "/room": {} } });
    const good = await openRaw(port, { path: "/room" });
    good.close(4000);
    good.end();
    await good.closed;
    const bad = await openRaw(port, { path: "/room" });
    bad.send({ opcode: 3 });
    bad.end();
    await bad.closed;
    await until(() => records.length > 0);
    const report = expect.objectContaining({ violation: "reserved-opcode" });
    const message = "Failed the connection at /room from 127.0.0.1: reserved-opcode";
    expect(records).toEqual([{ event: "failed", level: "warn", message, report, connection: expect.anything() }]);
  });

  test("is logged when its client does not read [D04]", async () => {
    const server = await serving({
      limits: { maxOutboxSize: 1000, closeTimeout: 50 },
      routes: {
        "/": {
          open: (connection) => {
            const unread = Object.assign(new Blob(["x".repeat(600)]), { arrayBuffer: () => new Promise(() => {}) });
            connection.send(unread as Blob);
            connection.send("x".repeat(500));
            setImmediate(() => setImmediate(() => connection.send("one too many")));
          },
        },
      },
    });
    await openRaw(server.port);
    await until(() => records.length > 0);
    const report = { sent: { code: 1013 }, unsentMessages: 2 };
    expect(records).toMatchObject([{ event: "failed", level: "warn", report }]);
    expect(server.metrics()).toMatchObject({ messagesSent: 2, messagesUnsent: 2 });
    expect(records[0]?.message).toMatch(/ bytes wait for /);
  });
});

describe("an exception of a handler [D09]", () => {
  test("is logged every time, beside the error handler and instead of stderr", async () => {
    const seen: string[] = [];
    const { port } = await serving({
      routes: {
        "/": { message: throws },
        "/handled": { message: throws, error: (_, { message }) => void seen.push(message) },
      },
    });
    for (const path of ["/", "/", "/handled"]) {
      const peer = await openRaw(port, { path });
      peer.text("go");
      expect((await peer.nextFrame())?.payload.readUInt16BE(0)).toBe(1011);
    }
    expect(records.map(({ event, level, message }) => [event, level, message])).toEqual([
      ["handler-error", "error", "A handler threw on the connection at / from 127.0.0.1: broken"],
      ["handler-error", "error", "A handler threw on the connection at / from 127.0.0.1: broken"],
      ["handler-error", "error", "A handler threw on the connection at /handled from 127.0.0.1: broken"],
    ]);
    expect(seen).toEqual(["broken"]);
    expect(stderr).not.toHaveBeenCalled();
  });

  test.each<[string, PropertyDescriptor]>([
    ["a getter that throws", { get: throws }],
    ["a symbol", { value: Symbol("why") }],
    ["an object that is no text", { value: { toString: throws } }],
  ])("ends its connection where the error's message is %s", async (_, message) => {
    const { port } = await serving({
      routes: {
        "/": {
          message: () => {
            throw Object.defineProperty(new Error(), "message", message);
          },
        },
      },
    });
    const peer = await openRaw(port);
    peer.text("go");
    expect((await peer.nextFrame())?.payload.readUInt16BE(0)).toBe(1011);
    expect(records).toMatchObject([{ event: "handler-error", error: expect.any(Error) }]);
  });

  test("goes to a route's own hook, where it has one", async () => {
    const own: LogRecord[] = [];
    const { port } = await serving({ routes: { "/": { open: throws, log: (record) => void own.push(record) } } });
    const peer = await openRaw(port);
    expect((await peer.nextFrame())?.opcode).toBe(8);
    expect(own).toMatchObject([{ event: "handler-error" }]);
    expect(records).toEqual([]);
  });

  test("without a hook goes to stderr once a route", async () => {
    const server = await serve({ host: "127.0.0.1", routes: { "/": { open: throws } } });
    servers.push(server);
    for (let i = 0; i < 2; i++) await (await openRaw(server.port)).nextFrame();
    expect(stderr).toHaveBeenCalledTimes(1);
  });
});

test("an error of the listener is logged [D20]", async () => {
  await serving({
    routes: {
      "/": {
        upgrade: ({ request }) => {
          (request.socket as unknown as { server: Server & { emit: (...args: unknown[]) => void } }).server.emit(
            "error",
            new Error("EMFILE"),
          );
          return {};
        },
      },
    },
  }).then(({ port }) => openRaw(port));
  const message = "The server could not accept a connection: EMFILE";
  expect(records).toEqual([{ event: "listener-error", level: "error", message, error: expect.any(Error) }]);
});

describe.each<[string, () => never | Promise<never>]>([
  ["throws", throws],
  ["rejects", async () => throws()],
])("a hook that %s", (_, log) => {
  test("changes nothing, and is reported on stderr", async () => {
    const { port } = await serving({ log, routes: { "/": { message: throws } } });
    expect((await ask(port, { path: "/nowhere" })).status).toBe(404);
    const peer = await openRaw(port);
    peer.text("go");
    expect((await peer.nextFrame())?.payload.readUInt16BE(0)).toBe(1011);
    expect(stderr.mock.calls.map(([message]) => message)).toEqual([
      "The logging hook threw:",
      "The logging hook threw:",
    ]);
  });

  test("an undefined hook stays undefined", () => {
    expect(guardedLog(undefined)).toBeUndefined();
  });
});
