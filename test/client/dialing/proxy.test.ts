/** Proxies: which one, by option and by environment, and tunnels through real ones and through ones that misbehave. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, connect as netConnect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { chooseProxy, proxyOfEnvironment } from "../../../src/client/dialing/proxy.ts";
import { type ConnectOptions, connect, type ProxyOptions, type Server, serve, WebSocket } from "../../../src/index.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { until } from "../../support/connection-pair.ts";
import { leavesNothing } from "../../support/leaves-nothing.ts";
import { handshakeErrorOf } from "../../support/outcomes.ts";
import { freePort, startProgram } from "../../support/program.ts";
import { type Answer, type RawServer, type RawServerOptions, rawServer } from "../../support/raw-server.ts";
import { describeWith } from "../../support/real-parts.ts";

const certificates = makeCertificates();
const { ca } = certificates;
const opened: { close(): unknown }[] = [];

leavesNothing();
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
  for (const server of opened.splice(0)) await server.close();
});
afterAll(() => certificates.remove());

async function serveRaw(answer: Answer, options?: RawServerOptions): Promise<RawServer> {
  const server = await rawServer(answer, options);
  opened.push(server);
  return server;
}

async function serveEcho(tls = false): Promise<Server> {
  const server = await serve({
    port: 0,
    host: "127.0.0.1",
    ...(tls && { tls: certificates.server }),
    routes: { "/": { message: (connection, data) => void connection.send(data) } },
  });
  opened.push(server);
  return server;
}

/** Opens a connection, lets it echo something long and closes it. */
async function echoes(url: string, options: ConnectOptions): Promise<void> {
  const connection = await connect(url, options);
  const text = `through a tunnel ${"x".repeat(100_000)}`;
  connection.send(text);
  for await (const data of connection) {
    expect(data).toBe(text);
    break;
  }
  connection.close();
  expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true });
}

describe("the environment", () => {
  it.each<[string, Record<string, string>, string | undefined]>([
    ["ws://server.test/", {}, undefined],
    ["ws://server.test/", { HTTP_PROXY: "http://p:1", HTTPS_PROXY: "http://q:2" }, "http://p:1"],
    ["wss://server.test/", { HTTP_PROXY: "http://p:1", HTTPS_PROXY: "http://q:2" }, "http://q:2"],
    ["ws://server.test/", { http_proxy: "http://lower:1", HTTP_PROXY: "http://upper:1" }, "http://lower:1"],
    ["ws://server.test/", { http_proxy: "", HTTP_PROXY: "http://upper:1" }, "http://upper:1"],
    ["ws://server.test/", { ALL_PROXY: "socks5://s:1" }, "socks5://s:1"],
    [
      "wss://server.test/",
      { all_proxy: "socks5://s:1", ALL_PROXY: "socks5://t:1", http_proxy: "http://p:1" },
      "socks5://s:1",
    ],
    ["ws://server.test/", { HTTP_PROXY: "http://p:1", all_proxy: "socks5://s:1" }, "http://p:1"],
    // A request's Proxy field in a CGI program.
    ["ws://server.test/", { HTTP_PROXY: "http://evil:1", REQUEST_METHOD: "GET" }, undefined],
    ["ws://server.test/", { http_proxy: "http://p:1", REQUEST_METHOD: "GET" }, "http://p:1"],
    ...["localhost", "localhost.", "a.localhost", "a.localhost.", "127.0.0.1", "127.9.9.9", "[::1]"].map(
      (host) =>
        [`ws://${host}/`, { http_proxy: "http://p:1" }, undefined] as [string, Record<string, string>, undefined],
    ),
  ])("for %s, %o says %s", (url, environment, proxy) => {
    expect(proxyOfEnvironment(new URL(url), environment)).toBe(proxy);
  });

  it.each<[string, string, boolean]>([
    ["*", "ws://server.test/", true],
    ["server.test", "ws://server.test/", true],
    ["SERVER.TEST", "ws://server.test/", true],
    ["server.test", "ws://a.server.test/", true],
    ["server.test", "ws://myserver.test/", false],
    [".server.test", "ws://a.server.test/", true],
    [".server.test", "ws://server.test/", true],
    ["*.server.test", "ws://a.server.test/", true],
    ["server.test", "ws://server.test./", true],
    ["server.test", "ws://a.server.test./", true],
    ["server.test.", "ws://server.test/", true],
    [".server.test.", "ws://a.server.test./", true],
    ["server.test.:80", "ws://server.test./", true],
    ["server.test", "ws://myserver.test./", false],
    ["a.server.test", "ws://server.test/", false],
    ["other.test, server.test", "ws://server.test/", true],
    ["other.test server.test", "ws://server.test/", true],
    ["", "ws://server.test/", false],
    [",,", "ws://server.test/", false],
    ["server.test:80", "ws://server.test/", true],
    ["server.test:80", "wss://server.test/", false],
    ["server.test:8080", "ws://server.test:8080/", true],
    ["10.0.0.1", "ws://10.0.0.1/", true],
    ["10.0.0.1:81", "ws://10.0.0.1/", false],
    ["0.0.1", "ws://10.0.0.1/", false],
    ["10.0.0.0/8", "ws://10.200.0.1/", true],
    ["10.0.0.0/8", "ws://11.0.0.1/", false],
    ["10.0.0.0/99", "ws://10.0.0.1/", false],
    ["10.0.0.0/", "ws://11.0.0.1/", false],
    ["2001:db8::/32", "ws://[2001:db8::1]/", true],
    ["2001:db8::1", "ws://[2001:db8:0::1]/", true],
    ["[2001:db8::1]", "ws://[2001:db8::1]/", true],
    ["[2001:db8::1]:80", "ws://[2001:db8::1]/", true],
    ["[2001:db8::1]:81", "ws://[2001:db8::1]/", false],
    ["2001:db8::2", "ws://[2001:db8::1]/", false],
    ["10.0.0.0/8", "ws://[2001:db8::1]/", false],
  ])("NO_PROXY=%s exempts %s: %s", (no_proxy, url, exempt) => {
    const environment = { no_proxy, http_proxy: "http://p:1", https_proxy: "http://p:1" };
    expect(proxyOfEnvironment(new URL(url), environment) === undefined).toBe(exempt);
  });

  it("decides where the option does not", async () => {
    const environment = { http_proxy: "p.test:3128" };
    const url = new URL("ws://server.test/");
    expect(await chooseProxy(url, undefined, environment)).toMatchObject({
      protocol: "http:",
      host: "p.test",
      port: 3128,
    });
    expect(await chooseProxy(url, false, environment)).toBeUndefined();
    expect(await chooseProxy(url, () => undefined, environment)).toBeUndefined();
    expect(await chooseProxy(url, async () => "socks5://[::1]", environment)).toMatchObject({
      protocol: "socks5:",
      host: "::1",
      port: 1080,
    });
    expect(await chooseProxy(url, { url: new URL("https://q.test"), tls: { ca } }, {})).toMatchObject({
      port: 443,
      tls: { ca },
    });
    for (const scheme of ["socks5", "socks5h", "socks"]) {
      expect(await chooseProxy(url, undefined, { ALL_PROXY: `${scheme}://q.test:1/` })).toMatchObject({
        protocol: "socks5:",
        port: 1,
      });
    }
  });

  it.each([
    ["ftp://p.test", "its URL is not one of http, https or socks5"],
    ["socks4://p.test", "its URL is not one of http, https or socks5"],
    ["http://p:x", "its URL is not valid"],
  ])("fails with proxy-failed for the proxy %s", async (proxy, detail) => {
    const error = await handshakeErrorOf(connect("ws://server.test/", { proxy }));
    expect([error.rule, error.message]).toEqual([
      "proxy-failed",
      `Cannot open the connection to ws://server.test/: the proxy did not open a tunnel: ${detail}`,
    ]);
  });

  it("takes no path of a file where tls wants PEM", async () => {
    const proxy = { url: "https://p.test", tls: { ca: "/etc/tls/ca.pem" } };
    await expect(connect("ws://server.test/", { proxy })).rejects.toThrow(
      /^Cannot use the proxy: tls\.ca must be the PEM/,
    );
  });

  it("is read when connecting, and never for the loopback interface [G34]", async () => {
    const server = await serveEcho();
    const proxy = await serveRaw(() => "HTTP/1.1 403 Forbidden\r\n\r\n");
    vi.stubEnv("http_proxy", `http://127.0.0.1:${proxy.port}`);
    await echoes(`ws://127.0.0.1:${server.port}/`, {});
    expect(proxy.accepted).toBe(0);
    expect((await handshakeErrorOf(connect("ws://server.test/"))).status).toBe(403);
  });
});

/** An HTTP proxy of the test's own, which tunnels to where it is told, whatever the name that is asked for. */
async function httpProxy(target: () => number, options?: RawServerOptions, glued = "", early = ""): Promise<RawServer> {
  return serveRaw((request, socket) => {
    expect(request.method).toBe("CONNECT");
    const onward = netConnect(target(), "127.0.0.1");
    onward.on("error", () => socket.destroy());
    socket.on("close", () => onward.destroy());
    onward.on("connect", () => {
      socket.write(`${early}HTTP/1.1 200 Connection established\r\n\r\n${glued}`);
      socket.pipe(onward).pipe(socket);
    });
    return undefined;
  }, options);
}

describe("an HTTP proxy", () => {
  it("is asked for a tunnel, with its own credentials and nothing else [R6455-4.1-4]", async () => {
    const server = await serveEcho();
    const proxy = await httpProxy(() => server.port);
    const at = `us%40er:p%3Ass@127.0.0.1:${proxy.port}`;
    await echoes("ws://server.test/", {
      proxy: `http://${at}`,
      headers: { Authorization: "Bearer secret", Cookie: "a=b" },
    });
    const [request] = proxy.requests;
    expect([request!.method, request!.target]).toEqual(["CONNECT", "server.test:80"]);
    expect(request!.fields).toEqual([
      ["Host", "server.test:80"],
      ["Connection", "keep-alive"],
      ["Proxy-Authorization", `Basic ${Buffer.from("us@er:p:ss").toString("base64")}`],
    ]);
  });

  it("is asked with the fields that the option adds, in any form, and they go no further", async () => {
    const seen: string[][] = [];
    const server = await serve({
      port: 0,
      host: "127.0.0.1",
      routes: {
        "/": { upgrade: ({ request }) => ({ data: seen.push(request.rawHeaders.filter((_, at) => at % 2 === 0)) }) },
      },
    });
    opened.push(server);
    const proxy = await httpProxy(() => server.port);
    const url = `http://user:pass@127.0.0.1:${proxy.port}`;
    const token = { "User-Agent": "test/1", "proxy-authorization": "Bearer token" };
    for (const headers of [token, Object.entries(token), new Headers(token), new Map(Object.entries(token))]) {
      (await connect("ws://server.test/", { proxy: { url, headers } })).terminate();
      const ws = new WebSocket("ws://server.test/", [], { proxy: () => ({ url, headers }) });
      await once(ws as unknown as EventTarget, "open");
      ws.close();
      await once(ws as unknown as EventTarget, "close");
    }
    expect(proxy.requests).toHaveLength(8);
    for (const request of proxy.requests) {
      expect(request.values("user-agent")).toEqual(["test/1"]);
      expect(request.values("proxy-authorization")).toEqual(["Bearer token"]);
    }
    expect(seen.flat().map((name) => name.toLowerCase())).not.toContain("user-agent");
  });

  it.each<[string, ConnectOptions["proxy"] & object, RegExp]>([
    ["a line break [C07]", { url: "http://127.0.0.1:1", headers: { "X-A": "1\r\nX-B: 2" } }, /the header field X-A/],
    ["a field that names the server", { url: "http://127.0.0.1:1", headers: { Host: "a" } }, /sets it itself/],
    ["a field that frames", { url: "http://127.0.0.1:1", headers: [["Content-Length", "1"]] }, /sets it itself/],
    ["fields for socks5", { url: "socks5://127.0.0.1:1", headers: {} }, /are for http and https proxies/],
    ["a misspelt option", { url: "http://127.0.0.1:1", header: {} } as never, /there is no option "header"/],
  ])("rejects %s before it connects", async (_, proxy, message) => {
    const dialled: unknown[] = [];
    const createConnection = (target: unknown) => {
      dialled.push(target);
      return netConnect(1, "127.0.0.1");
    };
    await expect(connect("ws://server.test/", { proxy, createConnection })).rejects.toThrow(message);
    expect(dialled).toEqual([]);
  });

  it.each(["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"])(
    "may say %j before its answer",
    async (early) => {
      const server = await serveEcho();
      const proxy = await httpProxy(() => server.port, {}, "", early);
      await echoes("ws://server.test/", { proxy: `http://127.0.0.1:${proxy.port}` });
    },
  );

  it("is asked for IPv6 addresses in brackets", async () => {
    const proxy = await serveRaw(() => "HTTP/1.1 403 Forbidden\r\n\r\n");
    await handshakeErrorOf(connect("wss://[2001:db8::1]:8443/", { proxy: `http://127.0.0.1:${proxy.port}` }));
    expect(proxy.requests[0]!.target).toBe("[2001:db8::1]:8443");
  });

  it.each<[string, boolean, boolean]>([
    ["plain, the server plain", false, false],
    ["plain, the server TLS", false, true],
    ["TLS, the server plain", true, false],
    ["TLS, the server TLS", true, true],
  ])("leaves nothing behind: %s", async (_, proxyTls, serverTls) => {
    const server = await serveEcho(serverTls);
    const proxy = await httpProxy(() => server.port, proxyTls ? { tls: certificates.server } : {});
    const choice: ProxyOptions = { url: `${proxyTls ? "https" : "http"}://localhost:${proxy.port}`, tls: { ca } };
    await echoes(`${serverTls ? "wss" : "ws"}://server.test/`, { proxy: choice, tls: { ca } });
    for (const one of opened.splice(0)) await one.close();
  });

  it("that speaks TLS must be trusted by its own options", async () => {
    const proxy = await httpProxy(() => 1, { tls: certificates.server });
    const error = await handshakeErrorOf(
      connect("wss://server.test/", { proxy: `https://localhost:${proxy.port}`, tls: { ca } }),
    );
    expect([error.rule, error.message]).toEqual(["proxy-failed", expect.stringMatching(/certificate|issuer/)]);
    expect(proxy.requests).toEqual([]);
  });

  it.each<[string, string, number | undefined, string, RegExp]>([
    [
      "refuses with a body",
      "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 9\r\n\r\nWho's it?",
      407,
      "Who's it?",
      /it answered 407 "Who's it\?"$/,
    ],
    [
      "refuses with a long body",
      `HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5000\r\n\r\n${"x".repeat(5000)}`,
      502,
      "x".repeat(1024),
      /it answered 502 "x{120}…"$/,
    ],
    ["refuses without a length", "HTTP/1.1 403 Forbidden\r\n\r\nNo", 403, "No", /it answered 403 "No"$/],
    [
      "answers 101",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
      101,
      "",
      /it answered 101$/,
    ],
    ["does not speak HTTP", "SSH-2.0-x\r\n\r\n", undefined, "", /it does not begin with a status line of HTTP\/1$/],
    ["closes", "", undefined, "", /socket hang up|ended/],
  ])("fails with proxy-failed when it %s", async (_, answer, status, body, message) => {
    const proxy = await rawServer((_, socket) => {
      socket.end(answer);
      return undefined;
    });
    const error = await handshakeErrorOf(connect("ws://server.test/", { proxy: `http://127.0.0.1:${proxy.port}` }));
    expect([error.rule, error.status, Buffer.from(error.body).toString()]).toEqual(["proxy-failed", status, body]);
    expect(error.message).toMatch(message);
    await proxy.close();
  });

  it.each([
    ["comes later", " and now the rest", "Who? and now the rest"],
    ["stops coming", "", "Who?"],
  ])("keeps the beginning of a refusal's body that %s", async (_, rest, body) => {
    const proxy = await rawServer((_, socket) => {
      socket.write("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 21\r\n\r\nWho?");
      setTimeout(() => socket.write(rest), 10);
      return undefined;
    });
    const error = await handshakeErrorOf(connect("ws://server.test/", { proxy: `http://127.0.0.1:${proxy.port}` }));
    expect([error.rule, error.status, Buffer.from(error.body).toString()]).toEqual(["proxy-failed", 407, body]);
    await proxy.close();
  });

  it("fails with proxy-failed when it cannot be reached [R6455-4.1-6]", async () => {
    const error = await handshakeErrorOf(connect("ws://server.test/", { proxy: "http://nowhere.invalid" }));
    expect([error.rule, error.message]).toEqual([
      "proxy-failed",
      expect.stringMatching(/(?:there is no address of the name|getaddrinfo EAI_AGAIN) nowhere\.invalid/),
    ]);
    const vacant = await rawServer(() => undefined);
    await vacant.close();
    const refused = await handshakeErrorOf(connect("ws://server.test/", { proxy: `http://127.0.0.1:${vacant.port}` }));
    expect([refused.rule, refused.message]).toEqual(["proxy-failed", expect.stringMatching(/ECONNREFUSED/)]);
  });

  it("fails with the server's own rule when the server behind it does", async () => {
    const server = await serveRaw(() => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    const proxy = await httpProxy(() => server.port);
    const error = await handshakeErrorOf(connect("ws://server.test/", { proxy: `http://127.0.0.1:${proxy.port}` }));
    expect([error.rule, error.status]).toEqual(["status-not-101", 404]);
  });

  it("hands over what the server says before it is asked", async () => {
    const server = await serveRaw(() => undefined);
    const proxy = await httpProxy(() => server.port, {}, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nFull");
    const error = await handshakeErrorOf(connect("ws://server.test/", { proxy: `http://127.0.0.1:${proxy.port}` }));
    expect([error.rule, error.status, Buffer.from(error.body).toString()]).toEqual(["status-not-101", 503, "Full"]);
  });

  it("is given up in time, and when the signal aborts", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const proxy = await serveRaw(() => undefined);
    const url = `http://127.0.0.1:${proxy.port}`;
    const slow = handshakeErrorOf(connect("ws://server.test/", { proxy: url, handshakeTimeout: 50 }));
    await until(() => proxy.requests.length === 1);
    vi.advanceTimersByTime(50);
    expect((await slow).rule).toBe("timed-out");
    const abort = new AbortController();
    const pending = connect("ws://server.test/", { proxy: url, signal: abort.signal });
    await until(() => proxy.requests.length === 2);
    abort.abort("enough");
    await expect(pending).rejects.toBe("enough");
  });

  it("is reached by createConnection where there is one", async () => {
    const server = await serveEcho();
    const proxy = await httpProxy(() => server.port);
    const targets: unknown[] = [];
    await echoes("ws://server.test/", {
      proxy: "http://proxy.test:3128",
      createConnection: ({ host, port, secure }) => {
        targets.push({ host, port, secure });
        return netConnect(proxy.port, "127.0.0.1");
      },
    });
    expect(targets).toEqual([{ host: "proxy.test", port: 3128, secure: false }]);
  });
});

async function readExactly(socket: Socket, length: number): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = socket.read(length);
    if (bytes !== null) return bytes;
    await once(socket, "readable");
  }
}

/** A SOCKS server that reads as many bytes as each step says and answers with bytes, or one by one. */
async function scriptedSocks(
  steps: readonly (readonly [reads: number, answer: readonly number[]])[],
  bytewise: boolean,
) {
  const received: number[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer(async (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    socket.setNoDelay(true);
    for (const [reads, answer] of steps) {
      received.push([...(await readExactly(socket, reads))]);
      if (bytewise)
        for (const byte of answer) {
          socket.write(Buffer.of(byte));
          await delay(1);
        }
      else socket.write(Buffer.from(answer));
    }
    socket.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return { url: `127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

describe("a SOCKS5 proxy", () => {
  const ascii = (text: string) => [...Buffer.from(text)];

  it.each<[string, string, number[]]>([
    ["a name", "ws://server.test/", [5, 1, 0, 3, 11, ...ascii("server.test"), 0, 80]],
    ["an IPv4 address", "wss://10.1.2.3/", [5, 1, 0, 1, 10, 1, 2, 3, 1, 187]],
    [
      "an IPv6 address",
      "ws://[2001:db8::1:ff]:8080/",
      [5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0xff, 31, 144],
    ],
    ["an IPv6 address that ends in zeros", "ws://[2001::]/", [5, 1, 0, 4, 0x20, 1, ...new Array(14).fill(0), 0, 80]],
  ])("is asked for %s as it is", async (_, url, request) => {
    const proxy = await scriptedSocks(
      [
        [3, [5, 0]],
        [request.length, [5, 4, 0, 1, 0, 0, 0, 0, 0, 0]],
      ],
      false,
    );
    const error = await handshakeErrorOf(connect(url, { proxy: `socks5://${proxy.url}` }));
    expect(error.message).toMatch(/the proxy did not open a tunnel: the server's host cannot be reached$/);
    expect(proxy.received).toEqual([[5, 1, 0], request]);
  });

  it("gets the user name and password", async () => {
    const proxy = await scriptedSocks(
      [
        [4, [5, 2]],
        [9, [1, 1]],
      ],
      false,
    );
    const error = await handshakeErrorOf(
      connect("ws://server.test/", { proxy: `socks5://%C3%A4:p%40ss@${proxy.url}` }),
    );
    expect(error.message).toMatch(/: it did not accept the user name and password$/);
    expect(proxy.received).toEqual([
      [5, 2, 0, 2],
      [1, 2, 0xc3, 0xa4, 4, ...ascii("p@ss")],
    ]);
  });

  it.each<[string, [number, number[]][], RegExp]>([
    ["speaks another version", [[3, [4, 0]]], /: it does not speak SOCKS5$/],
    ["accepts no method", [[3, [5, 255]]], /: it wants another way to authenticate$/],
    ["wants a password that it was not offered", [[3, [5, 2]]], /: it wants another way to authenticate$/],
    ["closes at once", [[3, []]], /: it closed the connection$/],
    ["closes inside an answer", [[3, [5]]], /: it closed the connection$/],
    [
      "closes after the request",
      [
        [3, [5, 0]],
        [10, []],
      ],
      /: it closed the connection$/,
    ],
    [
      "closes inside the last answer",
      [
        [3, [5, 0]],
        [10, [5, 0, 0, 1, 1]],
      ],
      /: it closed the connection$/,
    ],
    [
      "fails in general",
      [
        [3, [5, 0]],
        [10, [5, 1, 0, 1]],
      ],
      /: it has a general failure$/,
    ],
    [
      "fails in an unknown way",
      [
        [3, [5, 0]],
        [10, [5, 99, 0, 1]],
      ],
      /: it answered 99$/,
    ],
    [
      "has an unknown type of address",
      [
        [3, [5, 0]],
        [10, [5, 0, 0, 9]],
      ],
      /: its answer has an unknown type of address$/,
    ],
  ])("fails with proxy-failed when it %s", async (_, steps, message) => {
    for (const bytewise of [false, true]) {
      const proxy = await scriptedSocks(steps, bytewise);
      const error = await handshakeErrorOf(connect("ws://server.test/", { proxy: `socks5://${proxy.url}` }));
      expect(error.rule).toBe("proxy-failed");
      expect(error.message).toMatch(message);
    }
    for (const one of opened.splice(0)) await one.close();
  });

  it("fails with proxy-failed for a user name that it cannot be told", async () => {
    const proxy = await scriptedSocks([[4, [5, 2]]], false);
    const error = await handshakeErrorOf(
      connect("ws://server.test/", { proxy: `socks5://${"u".repeat(256)}:p@${proxy.url}` }),
    );
    expect(error.message).toMatch(/more than 255 bytes$/);
  });

  it.each<[string, number[]]>([
    ["an IPv4 address", [1, 0, 0, 0, 0, 0, 0]],
    ["an IPv6 address", [4, ...new Array(18).fill(0)]],
    ["a name", [3, 2, 0x61, 0x62, 0, 0]],
  ])("may answer with %s, and the tunnel begins right behind it", async (_, address) => {
    const server = createServer(async (socket) => {
      socket.on("error", () => {});
      await readExactly(socket, 3);
      socket.write(Buffer.of(5, 0));
      await readExactly(socket, 18);
      socket.write(Buffer.from([5, 0, 0, ...address]));
      const request = `${await readExactly(socket, 150)}`;
      socket.end(`HTTP/1.1 418 ${request.slice(0, 14)}\r\nContent-Length: 0\r\n\r\n`).resume();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = `socks5://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await handshakeErrorOf(connect("ws://server.test/", { proxy }))).toMatchObject({
      rule: "status-not-101",
      status: 418,
    });
    server.close();
  });
});

describeWith("tinyproxy", "through tinyproxy", (executable) => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "openline-tinyproxy-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function startProxy(): Promise<string> {
    const port = await freePort();
    const file = join(folder, "tinyproxy.conf");
    writeFileSync(file, `Port ${port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nBasicAuth user pass\n`);
    opened.push(await startProgram(executable, ["-d", "-c", file], port));
    return `127.0.0.1:${port}`;
  }

  it.each(["ws", "wss"])("a %s connection opens, echoes and closes [G54]", async (scheme) => {
    const server = await serveEcho(scheme === "wss");
    const proxy = `http://user:pass@${await startProxy()}`;
    await echoes(`${scheme}://127.0.0.1:${server.port}/`, { proxy, tls: { ca } });
  });

  it("fails with proxy-failed and its status for wrong credentials or a server that is not there", async () => {
    const at = await startProxy();
    expect(await handshakeErrorOf(connect("ws://127.0.0.1:1/", { proxy: `http://user:wrong@${at}` }))).toMatchObject({
      rule: "proxy-failed",
      status: 401,
    });
    const error = await handshakeErrorOf(connect("ws://127.0.0.1:1/", { proxy: `http://user:pass@${at}` }));
    expect([error.rule, error.status]).toEqual(["proxy-failed", 500]);
    expect(Buffer.from(error.body).toString()).toContain("<");
  });
});

describeWith("microsocks", "through microsocks", (executable) => {
  async function startProxy(): Promise<string> {
    const port = await freePort();
    opened.push(
      await startProgram(executable, ["-i", "127.0.0.1", "-p", String(port), "-u", "user", "-P", "pass"], port),
    );
    return `127.0.0.1:${port}`;
  }

  it.each(["ws", "wss"])("a %s connection opens, echoes and closes, by name and by address [G54]", async (scheme) => {
    const server = await serveEcho(scheme === "wss");
    const proxy = `socks5://user:pass@${await startProxy()}`;
    for (const host of ["localhost", "127.0.0.1"]) {
      await echoes(`${scheme}://${host}:${server.port}/`, { proxy, tls: { ca } });
    }
  });

  it("fails with proxy-failed for wrong credentials or a server that is not there", async () => {
    const at = await startProxy();
    const wrong = await handshakeErrorOf(connect("ws://127.0.0.1:1/", { proxy: `socks5://user:wrong@${at}` }));
    expect(wrong.message).toMatch(/: it did not accept the user name and password$/);
    const absent = await handshakeErrorOf(connect("ws://127.0.0.1:1/", { proxy: `socks5://user:pass@${at}` }));
    expect(absent.message).toMatch(/: the server refused$/);
  });
});
