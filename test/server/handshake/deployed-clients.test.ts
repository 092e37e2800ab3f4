/** Requests as clients and gateways out there send them, whole and byte by byte. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { NetConnectOpts } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { accept } from "../../../src/server/accept.ts";
import { exchange, parseResponse, type RawRequest, readHead, requestText, sendRaw } from "../../support/raw-peer.ts";
import { afterwards, serving } from "../../support/serving.ts";

/** The statuses of the responses to a request that is sent whole and byte by byte. */
async function statuses(target: number | NetConnectOpts, request: RawRequest | string): Promise<number[]> {
  const text = typeof request === "string" ? request : requestText(request);
  const found = [];
  for (const parts of [[text], [...text]]) {
    const peer = await sendRaw(target);
    for (const part of parts) {
      peer.socket.write(part);
      if (parts.length > 1) await new Promise(setImmediate);
    }
    found.push(Number((await readHead(peer)).split(" ")[1]));
    peer.socket.destroy();
  }
  return found;
}

test.each(["", " ", "\t"])("an empty Sec-WebSocket-Extensions means none: %j", async (value) => {
  const { port } = await serving({ compression: true, routes: { "/": {} } });
  expect(
    await statuses(port, requestText().replace("\r\n\r\n", `\r\nSec-WebSocket-Extensions:${value}\r\n\r\n`)),
  ).toEqual([101, 101]);
});

test("takes a token of 8.7 KB as a subprotocol with the default limits", async () => {
  const { port } = await serving({ routes: { "/": { subprotocols: ["base64.binary.k8s.io"] } } });
  const token = `base64url.bearer.authorization.k8s.io.${"Zx09_-".repeat(1459)}`;
  const headers = { "Sec-WebSocket-Protocol": `base64.binary.k8s.io, ${token}` };
  expect(await statuses(port, { headers })).toEqual([101, 101]);
});

describe("cookies in fields of their own [C01]", () => {
  const crumbs = (count: number) => Array.from({ length: count }, (_, index) => `c${index}=${index}`);
  const request = (count: number) => requestText({ headers: { Cookie: crumbs(count) } });

  test("150 fields become one cookie string", async () => {
    const seen: unknown[] = [];
    const upgrade = ({ request: { headers } }: { request: { headers: { cookie?: string | undefined } } }) => ({
      data: seen.push(headers.cookie),
    });
    const { port } = await serving({ routes: { "/": { upgrade } } });
    expect(await statuses(port, request(150))).toEqual([101, 101]);
    expect(seen).toEqual([crumbs(150).join("; "), crumbs(150).join("; ")]);
  });

  test.each([
    [undefined, 256],
    [10, 10],
    [600, 600],
    [2500, 2500],
  ])(
    "maxHeaderFields %s takes %s fields with the handshake's own, and refuses one more with 431",
    async (given, most) => {
      const limits = { maxHeaderSize: 64 * 1024, ...(given !== undefined && { maxHeaderFields: given }) };
      const { port } = await serving({ limits, routes: { "/": {} } });
      const peer = await sendRaw(port, request(most - 5));
      expect(await readHead(peer)).toMatch(/^HTTP\/1\.1 101 /);
      peer.reset();
      const { status, body } = parseResponse(await exchange(port, request(most - 4)));
      expect([status, body]).toEqual([431, expect.stringMatching(/too many header fields/)]);
    },
  );

  test("without a limit, as many fields are taken as fit into the head", async () => {
    const limits = { maxHeaderSize: 64 * 1024, maxHeaderFields: Number.POSITIVE_INFINITY };
    const { port } = await serving({ limits, routes: { "/": {} } });
    const peer = await sendRaw(port, request(3000));
    expect(await readHead(peer)).toMatch(/^HTTP\/1\.1 101 /);
    peer.reset();
  });

  test("accept keeps the limits as well", async () => {
    const http = createServer((_, response) => void response.end());
    http.on(
      "upgrade",
      (message, socket, head) => void accept(message, socket, head, { limits: { maxHeaderFields: 10 } }),
    );
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    afterwards(() => http.close());
    const { port } = http.address() as { port: number };
    expect(await statuses(port, request(5))).toEqual([101, 101]);
    expect(await statuses(port, request(6))).toEqual([431, 431]);
  });
});

describe("over a Unix socket, any Host is taken [C10]", () => {
  const hosts = ["localhost", "%2Fvar%2Frun%2Fapp.sock", "/var/run/app.sock", "", "a b"];
  const withHost = (host: string, more = "") =>
    requestText().replace("Host: localhost\r\n", `Host: ${host}\r\n${more}`);

  async function overPath(kind: "own" | "shared", options: object = {}) {
    const folder = mkdtempSync(join(tmpdir(), "openline-"));
    afterwards(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "socket");
    const urls: string[] = [];
    const routes = { "/": { upgrade: ({ url }: { url: URL }) => ({ data: urls.push(url.href) }) }, "/plain": {} };
    if (kind === "own") await serving({ ...options, routes, listenOptions: { path } });
    else {
      const http = createServer();
      await new Promise<void>((resolve) => http.listen(path, resolve));
      afterwards(() => http.close());
      await serving({ ...options, routes, server: http });
    }
    return { path, urls };
  }

  test.each(["own", "shared"] as const)("%s listener", async (kind) => {
    const { path, urls } = await overPath(kind);
    for (const host of hosts) {
      expect(await statuses({ path }, withHost(host)), host).toEqual([101, 101]);
      expect(await statuses({ path }, withHost(host).replace("GET /", "GET /plain")), host).toEqual([101, 101]);
    }
    expect(new Set(urls)).toEqual(new Set(["http://localhost/"]));
  });

  test("refuses a browser's page over a Unix socket, whose host no list has [C09]", async () => {
    const { path } = await overPath("own");
    expect(await statuses({ path }, withHost("", "Origin: http://localhost\r\n"))).toEqual([403, 403]);
    const listed = await overPath("own", { hosts: ["localhost"] });
    expect(await statuses({ path: listed.path }, withHost("%2Fa"))).toEqual([421, 421]);
    expect(await statuses({ path: listed.path }, withHost("localhost"))).toEqual([101, 101]);
  });

  test("refuses a Host that is no host over TCP [C10]", async () => {
    const { port } = await serving({ routes: { "/": {} } });
    for (const host of hosts.slice(1)) expect(await statuses(port, withHost(host)), host).toEqual([400, 400]);
  });
});

test.each([
  ["http://localhost/foo?a=1", "localhost", 101],
  ["HTTP://LOCALHOST/foo", "localhost", 101],
  ["ws://localhost/foo", "localhost", 101],
  ["ws://localhost:9998/foo", "localhost:9998", 101],
  ["WSS://localhost:443/foo", "localhost", 101],
  ["http://localhost:80/foo", "localhost", 101],
  ["http://localhost/foo", "localhost:80", 101],
  ["ws://other/foo", "localhost", 400],
  ["ws://localhost:81/foo", "localhost", 400],
  ["ws://localhost/bar", "localhost", 404],
])("GET %s for the host %s is %i [C10]", async (path, host, status) => {
  const { port } = await serving({ routes: { "/foo": {} } });
  expect(await statuses(port, { path, headers: { Host: host } })).toEqual([status, status]);
});
