import { describe, expect, test } from "vitest";
import { answer, echo, said, says } from "../support/asking.ts";
import { gate, until } from "../support/connection-pair.ts";
import { nextTurn } from "../support/held-duplex.ts";
import { openRaw, type RawRequest, readHead, requestText, sendRaw } from "../support/raw-peer.ts";
import { serving } from "../support/serving.ts";

test.each<[string, RawRequest, number, RegExp, [string, string]?]>([
  ["an unknown path [R6455-4.2.2-5]", { path: "/none" }, 404, /nothing is served at this path/],
  ["an unknown path, plain", { path: "/none", headers: { Upgrade: "", Connection: "" } }, 404, /nothing is served/],
  ["no Upgrade [R6455-4.2.1-3]", { headers: { Upgrade: "" } }, 426, /Upgrade header field/, ["upgrade", "websocket"]],
  ["no Connection", { headers: { Connection: "close" } }, 426, /no Upgrade token/, ["upgrade", "websocket"]],
  ["another protocol", { headers: { Upgrade: "h2c" } }, 426, /Upgrade header field/, ["upgrade", "websocket"]],
  [
    "plain POST",
    { method: "POST", headers: { Upgrade: "", Connection: "" } },
    405,
    /method is not GET/,
    ["allow", "GET"],
  ],
  ["no Host", { headers: { Host: "" } }, 400, /no Host/],
  ["a head over 16 KiB [C05]", { headers: { "X-Long": "x".repeat(17_000) } }, 431, /too large/],
  ["HTTP/1.0", { version: "1.0" }, 400, /older than HTTP\/1.1/],
])("%s is refused, and the connection closed", async (_, request, status, body, header) => {
  const { port } = await serving({ routes: { "/": echo } });
  const response = await answer(port, request);
  expect(response.status).toBe(status);
  expect(response.body).toMatch(body);
  expect(response.headers.get("connection")).toMatch(/^close/i);
  if (header) expect(response.headers.get(header[0])).toBe(header[1]);
});

describe("limits of a server", () => {
  test("refuses with 503 beyond maxConnections, until a client has left", async () => {
    const server = await serving({ routes: { "/": says("in") }, limits: { maxConnections: 2 } });
    const first = await openRaw(server.port);
    await openRaw(server.port);
    const { status, headers, body } = await answer(server.port, {});
    expect([status, headers.get("retry-after")]).toEqual([503, "1"]);
    expect(body).toMatch(/as many connections as it takes/);
    first.reset();
    await until(() => server.connections.size === 1);
    expect(await said(server.port, "/")).toBe("in");
  });

  test("refuses with 503 beyond maxPendingHandshakes, until one is decided", async () => {
    const { opened, open } = gate();
    const server = await serving({
      routes: { "/": { upgrade: () => opened.then(() => ({})) } },
      limits: { maxPendingHandshakes: 1 },
    });
    const first = await sendRaw(server.port, requestText());
    await until(() => server.metrics().pendingHandshakes === 1);
    const { status, body } = await answer(server.port, {});
    expect(status).toBe(503);
    expect(body).toMatch(/too many opening handshakes are waiting/);
    open();
    expect(await readHead(first)).toMatch(/ 101 /);
    await until(() => server.metrics().pendingHandshakes === 0);
    await openRaw(server.port);
  });

  test("many pending handshakes cause no warning of a leak", async () => {
    const warnings: unknown[] = [];
    const note = (warning: unknown) => warnings.push(warning);
    process.on("warning", note);
    const server = await serving({ routes: { "/": { upgrade: () => new Promise(() => {}) } } });
    for (let i = 0; i < 30; i++) await sendRaw(server.port, requestText());
    await until(() => server.metrics().pendingHandshakes === 30);
    await server.close();
    await nextTurn();
    process.off("warning", note);
    expect(warnings).toEqual([]);
    expect(server.metrics().pendingHandshakes).toBe(0);
  });
});

test("lets in pages of the same host by default, where there is an Origin [G48]", async () => {
  const { port } = await serving({ routes: { "/": says("in"), "/any": { ...says("in"), origin: "any" } } });
  const headers = { Origin: "https://localhost" };
  expect(await (await openRaw(port, { headers })).nextTexts(1)).toEqual(["in"]);
  const other = { Origin: "https://evil.example" };
  expect((await answer(port, { headers: other })).status).toBe(403);
  expect(await (await openRaw(port, { path: "/any", headers: other })).nextTexts(1)).toEqual(["in"]);
});
