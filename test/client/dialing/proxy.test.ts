/** The choice of a proxy, by option and by environment. */
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { chooseProxy, proxyOfEnvironment } from "../../../src/client/dialing/proxy.ts";
import { connect } from "../../../src/index.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { leavesNothing } from "../../support/leaves-nothing.ts";
import { handshakeErrorOf } from "../../support/outcomes.ts";
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
const { serveRaw, serveEcho } = serversOfFile();

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
    // The environment of a CGI program has a request's field Proxy.
    ["ws://server.test/", { HTTP_PROXY: "http://evil:1", REQUEST_METHOD: "GET" }, undefined],
    ["ws://server.test/", { http_proxy: "http://p:1", REQUEST_METHOD: "GET" }, "http://p:1"],
    ...["localhost", "localhost.", "a.localhost", "a.localhost.", "127.0.0.1", "127.9.9.9", "[::1]"].map(
      (host) =>
        [`ws://${host}/`, { http_proxy: "http://p:1" }, undefined] as [string, Record<string, string>, undefined],
    ),
  ])("for %s, %o gives %s", (url, environment, proxy) => {
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

  it("is no substitute for PEM: the path of a file in tls is refused", async () => {
    const proxy = { url: "https://p.test", tls: { ca: "/etc/tls/ca.pem" } };
    await expect(connect("ws://server.test/", { proxy })).rejects.toThrow(
      /^Cannot use the proxy: tls\.ca must be the PEM/,
    );
  });

  it("is read when connecting, and never for the loopback interface [G34]", async () => {
    const server = await serveEcho();
    const proxy = await serveRaw(() => "HTTP/1.1 403 Forbidden\r\n\r\n");
    vi.stubEnv("http_proxy", `http://127.0.0.1:${proxy.port}`);
    await echoesThroughTunnel(`ws://127.0.0.1:${server.port}/`, {});
    expect(proxy.accepted).toBe(0);
    expect((await handshakeErrorOf(connect("ws://server.test/"))).status).toBe(403);
  });
});
