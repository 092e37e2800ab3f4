/** Tunnels through HTTP proxies: a scripted one that misbehaves, and tinyproxy. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as netConnect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type ConnectOptions, connect, type ProxyOptions, serve, WebSocket } from "../../../src/index.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { until } from "../../support/connection-pair.ts";
import { leavesNothing } from "../../support/leaves-nothing.ts";
import { handshakeErrorOf } from "../../support/outcomes.ts";
import { freePort, startProgram } from "../../support/program.ts";
import { type RawServer, type RawServerOptions, rawServer } from "../../support/raw-server.ts";
import { describeWith } from "../../support/real-parts.ts";
import { serversOfFile } from "../../support/servers-of-file.ts";
import { echoesThroughTunnel } from "../../support/tunnels.ts";

const certificates = makeCertificates();
const { ca } = certificates;

leavesNothing();
afterEach(() => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
});
afterAll(() => certificates.remove());
const { serveRaw, serveEcho, closeLater } = serversOfFile();

/** An HTTP proxy that leads every tunnel to the port `target`, for any name. */
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
    await echoesThroughTunnel("ws://server.test/", {
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

  it("gets the fields of the option, in any form, and the server does not", async () => {
    const seen: string[][] = [];
    const server = await serve({
      port: 0,
      host: "127.0.0.1",
      routes: {
        "/": { upgrade: ({ request }) => ({ data: seen.push(request.rawHeaders.filter((_, at) => at % 2 === 0)) }) },
      },
    });
    closeLater(server);
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
    "may send %j before its answer",
    async (early) => {
      const server = await serveEcho();
      const proxy = await httpProxy(() => server.port, {}, "", early);
      await echoesThroughTunnel("ws://server.test/", { proxy: `http://127.0.0.1:${proxy.port}` });
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
    const server = await serveEcho(serverTls ? { tls: certificates.server } : {});
    const proxy = await httpProxy(() => server.port, proxyTls ? { tls: certificates.server } : {});
    const choice: ProxyOptions = { url: `${proxyTls ? "https" : "http"}://localhost:${proxy.port}`, tls: { ca } };
    await echoesThroughTunnel(`${serverTls ? "wss" : "ws"}://server.test/`, { proxy: choice, tls: { ca } });
  });

  it("is checked by its own options when it speaks TLS", async () => {
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

  it("fails with the server's rule when the server behind it fails", async () => {
    const server = await serveRaw(() => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    const proxy = await httpProxy(() => server.port);
    const error = await handshakeErrorOf(connect("ws://server.test/", { proxy: `http://127.0.0.1:${proxy.port}` }));
    expect([error.rule, error.status]).toEqual(["status-not-101", 404]);
  });

  it("passes bytes on that the server sends before the request", async () => {
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
    await echoesThroughTunnel("ws://server.test/", {
      proxy: "http://proxy.test:3128",
      createConnection: ({ host, port, secure }) => {
        targets.push({ host, port, secure });
        return netConnect(proxy.port, "127.0.0.1");
      },
    });
    expect(targets).toEqual([{ host: "proxy.test", port: 3128, secure: false }]);
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
    closeLater(await startProgram(executable, ["-d", "-c", file], port));
    return `127.0.0.1:${port}`;
  }

  it.each(["ws", "wss"])("a %s connection opens, echoes and closes [G54]", async (scheme) => {
    const server = await serveEcho(scheme === "wss" ? { tls: certificates.server } : {});
    const proxy = `http://user:pass@${await startProxy()}`;
    await echoesThroughTunnel(`${scheme}://127.0.0.1:${server.port}/`, { proxy, tls: { ca } });
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
