/** C06 to C08: text that becomes more header fields, more responses or more requests than were meant. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { accept, type Connection, connect, HandshakeError, type UpgradeResult } from "../../src/index.ts";
import { until } from "../support/connection-pair.ts";
import { oldWs } from "../support/old-ws.ts";
import { exchange, parseResponse, type RawRequest, readHead, requestText, sendRaw } from "../support/raw-peer.ts";
import { acceptance, rawServer } from "../support/raw-server.ts";
import { afterwards, oldServing, serving } from "../support/serving.ts";

afterEach(() => void vi.restoreAllMocks());

const breaks = ["\r\nX-Injected: 1", "\nX-Injected: 1", "\r", "\0"];

describe("C06 an application that hands a client's text to the response", () => {
  /** A `Response` of a package of its own, which checks nothing. */
  const lax = (status: unknown, headers: readonly (readonly [string, string])[]) => ({
    status,
    headers,
    arrayBuffer: async () => new ArrayBuffer(0),
  });
  const decisions: [string, (text: string) => unknown][] = [
    ["a refusal's field value", (text) => lax(401, [["X-Name", `a${text}`]])],
    ["a refusal's field name", (text) => lax(401, [[`X-Name${text}`, "a"]])],
    ["a refusal's status", (text) => lax(Object.assign(401, { toString: () => `401${text}` }), [["a", `b${text}`]])],
    ["an acceptance's field value", (text) => ({ headers: { "X-Name": `a${text}` } })],
    ["an acceptance's field name", (text) => ({ headers: [[`X-Name${text}`, "a"]] })],
    ["the subprotocol", (text) => ({ subprotocol: `a${text}` })],
  ];

  test.each(decisions)("C06: a line break in %s throws, and not a byte of it is sent [G50]", async (_, decide) => {
    const stderr = vi.spyOn(console, "error").mockImplementation(() => {});
    for (const text of breaks) {
      const server = await serving({ routes: { "/": { upgrade: () => decide(text) as UpgradeResult<unknown> } } });
      const answer = await exchange(server.port, requestText({ headers: { "Sec-WebSocket-Protocol": "a" } }));
      expect(answer).not.toContain("X-Injected");
      expect(answer).not.toContain("\0");
      expect(parseResponse(answer).status).toBe(500);
    }
    expect(stderr).toHaveBeenCalledTimes(breaks.length);
  });

  test("C06 control: ws 8.17.0 sends a refusal's field as it is", async () => {
    const old = await oldServing(undefined, {
      verifyClient: (_, refuse) => refuse(false, 401, "no", { "X-Name": `a${breaks[0]}` }),
    });
    const answer = await exchange(old.port, requestText());
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    expect(answer).toContain("\r\nX-Injected: 1\r\n");
  });
});

describe("C07 an application that hands somebody's text to our client", () => {
  type Attempt = (url: string, text: string) => Promise<unknown>;
  const attempts: [string, Attempt][] = [
    ["a subprotocol", (url, text) => connect(url, { subprotocols: [`a${text}`] })],
    ["a field's name", (url, text) => connect(url, { headers: { [`X${text}`]: "a" } })],
    ["a field's value", (url, text) => connect(url, { headers: { "X-Name": `a${text}` } })],
    ["the origin", (url, text) => connect(url, { origin: `http://a${text}` })],
    ["the host", (url, text) => connect(url, { headers: { Host: `a${text}` } })],
    ["a cookie", (url, text) => connect(url, { cookieJar: { getCookieString: () => `a=b${text}`, setCookie() {} } })],
    ["the path", (url, text) => connect(`${url}a${text}`)],
    ["the query", (url, text) => connect(`${url}?a=${text}`)],
    ["the credentials", (url, text) => connect(url.replace("//", `//user:a${text}@`))],
  ];

  test.each(attempts)("C07: a line break or a NUL in %s adds no field", async (_, attempt) => {
    const server = await rawServer((request) => acceptance(request));
    afterwards(() => server.close());
    const url = `ws://127.0.0.1:${server.port}/`;
    const plain = (await attempt(url, "a")) as Connection;
    plain.terminate();
    expect(server.requests).toHaveLength(1);
    for (const text of [...breaks, "\n", "\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n"]) {
      // Where a URL has them, its parser drops or escapes them, which may lead nowhere; elsewhere they are refused.
      const connection = (await attempt(url, text).catch(() => undefined)) as Connection | undefined;
      connection?.terminate();
    }
    for (const request of server.requests) {
      expect(request.values("x-injected")).toEqual([]);
      expect(request.rest).toHaveLength(0);
      expect(request.fields.every(([name, value]) => !/[\r\n\0]/.test(name + value))).toBe(true);
    }
  });

  test("C07 control: a client that writes what it is given adds a field, and a whole request", async () => {
    const server = await rawServer((request) => acceptance(request));
    afterwards(() => server.close());
    const peer = await sendRaw(
      server.port,
      requestText({ headers: { Origin: `http://a${breaks[0]}\r\n\r\nGET /second HTTP/1.1` } }),
    );
    await readHead(peer);
    expect(server.requests[0]!.values("x-injected")).toEqual(["1"]);
    expect(server.requests[0]!.rest.toString()).toContain("GET /second");
    peer.socket.destroy();
  });
});

describe("C08 a request behind another, to be seen by one of two that read them", () => {
  const second = requestText({ path: "/second" });
  const body = "a=1";
  const length = { "Content-Length": String(body.length) };
  const chunked = { "Transfer-Encoding": "chunked" };
  const mixed: [string, RawRequest, string][] = [
    ["a POST", { method: "POST" }, ""],
    ["a POST with a body", { method: "POST", headers: length }, body],
    ["a HEAD", { method: "HEAD" }, ""],
    ["an OPTIONS", { method: "OPTIONS" }, ""],
    ["HTTP/1.0", { version: "1.0" }, ""],
    ["a body by length", { headers: length }, body],
    ["a body by chunks", { headers: chunked }, "3\r\na=1\r\n0\r\n\r\n"],
    ["both", { headers: { ...length, ...chunked } }, "0\r\n\r\n"],
    ["two lengths", { headers: { "Content-Length": ["3", "3"] } }, body],
    ["a length that is none", { headers: { "Content-Length": "x" } }, ""],
    ["a length shorter than what comes", { headers: { "Content-Length": "1" } }, body],
    ["an unknown coding", { headers: { "Transfer-Encoding": "gzip" } }, body],
    ["no key", { headers: { "Sec-WebSocket-Key": "" } }, ""],
    ["a bad key", { headers: { "Sec-WebSocket-Key": "x" } }, ""],
    ["another version", { headers: { "Sec-WebSocket-Version": "8" } }, ""],
    ["another protocol", { headers: { Upgrade: "h2c" } }, ""],
    ["no Connection: Upgrade", { headers: { Connection: "keep-alive" } }, ""],
    ["no Upgrade", { headers: { Upgrade: "" } }, ""],
    ["a foreign origin", { headers: { Origin: "http://evil.example" } }, ""],
    ["an unknown path", { path: "/nowhere" }, ""],
    ["no Host", { headers: { Host: "" } }, ""],
    ["a path that is refused", { path: "/refused" }, ""],
  ];
  const statusLines = (answer: string) => answer.match(/HTTP\/1\.1 \d{3} /g) ?? [];

  test.each(mixed)("C08: behind %s nothing is answered, in one chunk and in two", async (_, request, rest) => {
    const paths: string[] = [];
    const server = await serving({
      routes: {
        "/": {},
        "/refused": { upgrade: () => new Response(null, { status: 403 }) },
        "/second": { upgrade: ({ url }) => ({ data: paths.push(url.pathname) }) },
      },
    });
    const first = requestText(request) + rest;
    for (const chunks of [[first + second], [first, second]]) {
      const answer = await exchange(server.port, ...chunks);
      expect(statusLines(answer)).toHaveLength(1);
      expect(statusLines(answer)[0]).toMatch(/ [45]\d\d /);
    }
    expect(paths).toEqual([]);
  });

  // While a body is still to come, Node 26 hands over a stream of its own instead of the socket.
  const unfinished = [{ "Content-Length": "30" }, "a=1"] as const;
  test.each([
    ["without a body", {}, ""],
    ["with a body still to come", ...unfinished],
  ] as const)("C08: an upgrade %s behind a request not answered yet opens nothing", async (_, headers, beginning) => {
    const answers: ServerResponse[] = [];
    const refused: unknown[] = [];
    const server = await serving({
      request: (_, response) => answers.push(response),
      routes: { "/second": { open: (connection) => connection.send("second") } },
      log: (record) => record.event === "refused" && refused.push([record.reason, record.remoteAddress]),
    });
    const upgrade = requestText({ path: "/second", headers }) + beginning;
    for (const behind of [
      [`GET / HTTP/1.1\r\nHost: a\r\n\r\n${upgrade}`],
      ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", upgrade],
    ]) {
      const peer = await sendRaw(server.port, ...behind);
      // When what is behind it was read, too.
      await until(() => answers[0]?.socket?.bytesRead === behind.join("").length);
      answers.pop()!.end("first");
      await peer.until(() => false);
      const { status, body } = parseResponse(peer.received.toString("latin1"));
      expect([status, body]).toEqual([200, "first"]);
      peer.socket.destroy();
    }
    expect(server.connections.size).toBe(0);
    expect(refused).toEqual(Array(2).fill(["behind-unanswered", "127.0.0.1"]));
  });

  test("C08: nor does it with accept, or with a server that is shared", async () => {
    const answer = (_: unknown, response: ServerResponse) => void setTimeout(() => response.end("first"), 20);
    const shared = createServer(answer);
    await serving({ server: shared, routes: { "/second": {} } });
    const own = createServer(answer);
    const accepted: unknown[] = [];
    own.on("upgrade", async (request, socket, head) => accepted.push(await accept(request, socket, head)));
    for (const http of [shared, own]) {
      http.listen(0, "127.0.0.1");
      await once(http, "listening");
      afterwards(() => http.close());
      const requests = `GET / HTTP/1.1\r\nHost: a\r\n\r\n${requestText({ path: "/second" })}`;
      const { status, body } = parseResponse(await exchange((http.address() as AddressInfo).port, requests));
      expect([status, body]).toEqual([200, "first"]);
    }
    expect(accepted).toEqual([undefined]);
  });

  test("C08: an answer that never comes holds the socket for a second, not longer", async () => {
    const server = await serving({ request: () => {}, routes: { "/second": {} } });
    const requests = `GET / HTTP/1.1\r\nHost: a\r\n\r\n${requestText({ path: "/second" })}`;
    expect(await exchange(server.port, requests)).toBe("");
    const withBody = requestText({ path: "/second", headers: { "Content-Length": "30" } });
    expect(await exchange(server.port, requests.replace(requestText({ path: "/second" }), withBody))).toBe("");
    expect(server.metrics().refused).toEqual({ "behind-unanswered": 2 });
  });

  test("C08 control: ws 8.17.0 opens it, and the answer to the first request stands between the frames", async () => {
    const http = createServer((_, response) => void setTimeout(() => response.end("first"), 20));
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const old = new oldWs.WebSocketServer({ server: http });
    old.on("connection", (socket) => socket.send("second"));
    afterwards(() => http.close());
    const peer = await sendRaw(
      (http.address() as AddressInfo).port,
      `GET / HTTP/1.1\r\nHost: a\r\n\r\n${requestText()}`,
    );
    await peer.until(() => peer.received.includes("first"));
    expect(peer.received.toString("latin1")).toMatch(/^HTTP\/1\.1 101 .*second.*HTTP\/1\.1 200 OK/s);
    peer.socket.destroy();
  });

  test("C08 control: node:http alone answers the second request behind a first one with a body", async () => {
    const http = createServer((request, response) => {
      request.resume();
      response.end(request.url);
    }).listen(0, "127.0.0.1");
    await once(http, "listening");
    afterwards(() => http.closeAllConnections());
    afterwards(() => http.close());
    const peer = await sendRaw(
      (http.address() as AddressInfo).port,
      `${requestText({ method: "POST", headers: { ...length, Upgrade: "", Connection: "" } })}${body}`,
      "GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    await peer.until(() => false);
    expect(statusLines(peer.received.toString("latin1"))).toHaveLength(2);
    expect(peer.received.toString("latin1")).toContain("/second");
    peer.socket.destroy();
  });

  test.each([200, 204, 304, 400, 426])(
    "C08: a %i that says it upgrades is no success for our client",
    async (status) => {
      const server = await rawServer((request) => acceptance(request, {}, `HTTP/1.1 ${status} OK`));
      afterwards(() => server.close());
      const error: unknown = await connect(`ws://127.0.0.1:${server.port}/`).catch((reason) => reason);
      expect(error).toBeInstanceOf(HandshakeError);
      expect((error as HandshakeError).rule).toBe("status-not-101");
      expect((error as HandshakeError).status).toBe(status);
    },
  );

  test("C08 control: who looks at the fields alone takes the 200 for an upgrade", async () => {
    const server = await rawServer((request) => acceptance(request, {}, "HTTP/1.1 200 OK"));
    afterwards(() => server.close());
    const peer = await sendRaw(server.port, requestText());
    const head = await readHead(peer);
    expect(/^upgrade: websocket\r$/im.test(head) && /^sec-websocket-accept: /im.test(head)).toBe(true);
    peer.socket.destroy();
  });
});
