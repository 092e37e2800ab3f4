import { describe, expect, it } from "vitest";
import {
  checkOrigin,
  checkOriginPolicy,
  hostSet,
  isHostAllowed,
  type OriginPolicy,
} from "../../../src/server/handshake/origin.ts";
import { serve } from "../../../src/server/server.ts";
import { exchange, openRaw, parseResponse, requestText } from "../../support/raw-peer.ts";

const list = ["https://example.com", "http://localhost:3000"];

/** An Origin, a Host, and whether `same-host` and the list above let them in. */
const matrix: [title: string, origin: string | undefined, host: string, sameHost: boolean, listed: boolean][] = [
  ["absent", undefined, "example.com", true, true],
  ["same", "https://example.com", "example.com", true, true],
  ["another scheme", "http://example.com", "example.com", true, false],
  ["another port", "https://example.com:8443", "example.com", false, false],
  ["the default port, written", "https://example.com:443", "example.com", true, true],
  ["the default port, in Host", "https://example.com", "example.com:443", true, true],
  ["the other scheme's port, in Host", "https://example.com", "example.com:80", false, true],
  ["the other scheme's port, in Origin", "https://example.com:80", "example.com", false, false],
  ["the other scheme's port, in both", "https://example.com:80", "example.com:80", true, false],
  ["a port without digits", "https://example.com:", "example.com", true, true],
  ["the same port", "http://localhost:3000", "localhost:3000", true, true],
  ["leading zeros", "http://localhost:03000", "localhost:3000", true, true],
  ["another port of localhost", "http://localhost:3001", "localhost:3000", false, false],
  ["subdomain", "https://a.example.com", "example.com", false, false],
  ["parent domain", "https://example.com", "a.example.com", false, true],
  ["a name that ends alike", "https://notexample.com", "example.com", false, false],
  ["a name that begins alike", "https://example.com.evil.example", "example.com", false, false],
  ["a dot at the end", "https://example.com.", "example.com", false, false],
  ["null", "null", "example.com", false, false],
  ["null, and a host called null", "null", "null", false, false],
  ["empty", "", "example.com", false, false],
  ["a bare host", "example.com", "example.com", false, false],
  ["no scheme", "://example.com", "example.com", false, false],
  ["no host", "https://", "example.com", false, false],
  ["upper case", "HTTPS://EXAMPLE.COM", "example.com", true, true],
  ["upper case in Host", "https://example.com", "EXAMPLE.com", true, true],
  ["IPv4 literal", "http://127.0.0.1:1", "127.0.0.1:1", true, false],
  ["IPv6 literal", "http://[::1]:1", "[::1]:1", true, false],
  ["another IPv6 literal", "http://[::2]:1", "[::1]:1", false, false],
  ["localhost is not its address", "http://localhost", "127.0.0.1", false, false],
  ["userinfo trick, their host", "https://example.com@evil.example", "example.com", false, false],
  ["userinfo trick, our host", "https://evil.example@example.com", "example.com", false, false],
  ["userinfo with a port", "https://example.com:443@evil.example", "example.com", false, false],
  ["a path", "https://example.com/", "example.com", false, false],
  ["a query", "https://example.com?a", "example.com", false, false],
  ["a fragment", "https://evil.example#https://example.com", "example.com", false, false],
  ["a backslash", "https://evil.example\\@example.com", "example.com", false, false],
  ["two origins", "https://example.com https://evil.example", "example.com", false, false],
  ["a tab", "https://exam\tple.com", "example.com", false, false],
  ["a NUL", "https://example.com\0", "example.com", false, false],
  ["a scheme of an extension", "chrome-extension://example.com", "example.com", false, false],
  ["file", "file://", "example.com", false, false],
  ["a Host that is none", "https://example.com", "", false, true],
  ["a Host with userinfo", "https://b", "a.com:80@b", false, false],
  ["names of Object.prototype", "https://constructor", "__proto__", false, false],
];

describe("checkOrigin", () => {
  it.each(matrix)("%s [C09 C10 R6455-4.2.2-3 R6455-10.2-1]", (_title, origin, host, sameHost, listed) => {
    expect(checkOrigin(origin, host, "same-host", undefined)).toBe(sameHost);
    expect(checkOrigin(origin, host, list, undefined)).toBe(listed);
    expect(checkOrigin(origin, host, [], undefined)).toBe(origin === undefined);
    expect(checkOrigin(origin, host, "any", undefined)).toBe(true);
  });

  it("never finds the origin null equal, not even to itself [C09]", () => {
    expect(checkOrigin("null", "null", ["null"], undefined)).toBe(false);
  });

  it("asks a function, with the request, for any origin [G48]", async () => {
    const seen: unknown[] = [];
    const policy: OriginPolicy<{ path: string }> = (origin, request) => {
      seen.push([origin, request.path]);
      return origin === "a";
    };
    expect(checkOrigin("a", "h", policy, { path: "/1" })).toBe(true);
    expect(checkOrigin(undefined, "h", policy, { path: "/2" })).toBe(false);
    expect(seen).toEqual([
      ["a", "/1"],
      [undefined, "/2"],
    ]);
    await expect(checkOrigin("a", "h", async () => true, undefined)).resolves.toBe(true);
    await expect(checkOrigin("a", "h", async () => Promise.reject(new Error("no")), undefined)).rejects.toThrow("no");
  });
});

describe("checkOriginPolicy", () => {
  it("takes every policy that can match", () => {
    for (const policy of ["same-host", "any", list, [], () => true, ["chrome-extension://abc"]] as const) {
      expect(() => checkOriginPolicy(policy)).not.toThrow();
    }
  });

  it.each(["*", "https://example.com", "", null, 1, {}])("throws for %j, which is no policy", (policy) => {
    expect(() => checkOriginPolicy(policy as never)).toThrow(/^Cannot use the origin policy .*: it is "same-host"/);
  });

  it.each([
    ["null"],
    ["example.com"],
    ["https://example.com/"],
    ["https://*.example.com"],
    [""],
    ["*"],
    ["https://a@b"],
  ])("throws for the list entry %j, which would never match as meant [C09]", (entry) => {
    expect(() => checkOriginPolicy(["https://example.com", entry])).toThrow(TypeError);
  });
});

describe("the hosts that a server answers to", () => {
  const hosts = hostSet(["Example.com", "127.0.0.1", "[::1]"]);

  it.each(["example.com", "EXAMPLE.com:8080", "127.0.0.1:9998", "[::1]", "[::1]:443"])(
    "%s is a host of the server [C09]",
    (host) => {
      expect(isHostAllowed(host, hosts)).toBe(true);
      expect(isHostAllowed(host, undefined)).toBe(true);
    },
  );

  it.each([
    "evil.example",
    "example.com.evil.example",
    "127.0.0.2",
    "a.example.com",
    "",
    "example.com:80@evil.example",
  ])("%j is no host of the server [C09 C10]", (host) => {
    expect(isHostAllowed(host, hosts)).toBe(false);
  });

  it.each(["example.com:80", "http://example.com", "a b", "", "*.example.com"])("throws for %j", (host) => {
    expect(() => hostSet([host])).toThrow(TypeError);
  });

  it("answers 421 to a foreign name that points at the server, with that page's origin or none [C09]", async () => {
    const server = await serve({
      host: "127.0.0.1",
      hosts: ["127.0.0.1"],
      routes: { "/": {}, "/async": { upgrade: () => ({}) } },
    });
    const ask = async (path: string, headers: Record<string, string>) =>
      parseResponse(await exchange(server.port, requestText({ path, headers })));
    for (const path of ["/", "/async"]) {
      const rebound = { Host: "evil.example", Origin: "http://evil.example" };
      expect((await ask(path, rebound)).status).toBe(421);
      const { Origin: _, ...silent } = rebound;
      expect((await ask(path, silent)).status).toBe(421);
      const peer = await openRaw(server.port, { path, headers: { Host: `127.0.0.1:${server.port}` } });
      peer.end();
    }
    expect(server.metrics().refused).toEqual({ "host-not-allowed": 4 });
    // The control: without the list, the foreign name is the same host.
    const open = await serve({ host: "127.0.0.1", routes: { "/": {} } });
    const peer = await openRaw(open.port, { headers: { Host: "evil.example", Origin: "http://evil.example" } });
    peer.end();
    await Promise.all([server.close(), open.close()]);
  });
});
