import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import {
  hostOf,
  isLocalhost,
  parseWebSocketUrl,
  portOf,
  resourceName,
  shownUrl,
  withoutRootDot,
} from "../../../src/client/dialing/url.ts";
import { HandshakeError, type HandshakeRule } from "../../../src/protocol/handshake/handshake-error.ts";

describe("shownUrl", () => {
  it.each([
    ["wss://user:secret@server.test/a", "wss://server.test/a"],
    ["ws://server.test:8080/a?token=secret", "ws://server.test:8080/a?…"],
    [`ws://server.test/${"a".repeat(300)}`, `ws://server.test/${"a".repeat(199)}…`],
  ])("of %s is %s", (url, shown) => {
    expect(shownUrl(new URL(url))).toBe(shown);
  });
});

describe("parseWebSocketUrl", () => {
  it.each([
    ["ws://example.com", "ws://example.com/"],
    ["WSS://EXAMPLE.com/a", "wss://example.com/a"],
    ["http://example.com/a?b", "ws://example.com/a?b"],
    ["https://example.com:8443/", "wss://example.com:8443/"],
    ["ws://example.com:80/", "ws://example.com/"],
    ["https://example.com:443/", "wss://example.com/"],
    ["https://example.com:80/", "wss://example.com:80/"],
    ["ws://user:secret@example.com/", "ws://user:secret@example.com/"],
    ["ws://[::1]:1/", "ws://[::1]:1/"],
    ["ws://example.com/a%23b", "ws://example.com/a%23b"],
    ["ws://example.com/\r\nX: y", "ws://example.com/X:%20y"],
    ["ws://example.com/a\0b", "ws://example.com/a%00b"],
  ])("%j is %s [R6455-3-1 C07 WHATWG-3.1-1]", (url, href) => {
    expect(parseWebSocketUrl(url).href).toBe(href);
    expect(parseWebSocketUrl(new URL(url)).href).toBe(href);
  });

  it("resolves against a base [WHATWG-3.1-1]", () => {
    expect(parseWebSocketUrl("/echo?a", "https://example.com/b").href).toBe("wss://example.com/echo?a");
    expect(parseWebSocketUrl("echo", new URL("http://example.com/b/c")).href).toBe("ws://example.com/b/echo");
  });

  it.each<[HandshakeRule, string]>([
    ["url-fragment", "ws://example.com/#a"],
    ["url-fragment", "ws://example.com/#"],
    ["url-fragment", "https://example.com/a?b#c"],
    ["unsupported-scheme", "ftp://example.com/"],
    ["unsupported-scheme", "mailto:a@example.com"],
    ["unsupported-scheme", "file:///a"],
    ["invalid-url", ""],
    ["invalid-url", "/echo"],
    ["invalid-url", "example.com/echo"],
    ["invalid-url", "ws://"],
    ["invalid-url", "ws://a b/"],
    ["invalid-url", "ws://example.com:65536/"],
    ["invalid-url", "ws://[::1/"],
    ["invalid-url", "ws://user@/"],
  ])("fails with %s for %j [R6455-3-2 R6455-4.1-1]", (rule, url) => {
    let failure: unknown;
    try {
      parseWebSocketUrl(url);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(HandshakeError);
    expect(failure).toMatchObject({ rule, section: "3" });
  });

  it.each([
    ["/echo", /"\/echo"; a whole one begins with ws:\/\/ or wss:\/\/ and a host/],
    ["ws://me:secret@a b/?secret", /"ws:\/\/a b\/"/],
    ["//me:se/cret@[::1/", /"\[::1\/"/],
    ["localhost:8080", /it is "localhost:"; before the host stands ws:\/\/ or wss:\/\//],
    [undefined, /the URL is not valid: undefined;/],
  ])("says what is wrong with %j, and no secret", (url, message) => {
    expect(() => parseWebSocketUrl(url as string)).toThrow(message);
    expect(() => parseWebSocketUrl(url as string)).not.toThrow(/secret|se\/cret/);
  });

  it("does not change a URL object", () => {
    const url = new URL("http://example.com/");
    parseWebSocketUrl(url);
    expect(url.href).toBe("http://example.com/");
  });
});

describe("resourceName", () => {
  it.each([
    ["ws://a", "/"],
    ["ws://a?b", "/?b"],
    ["ws://a/?", "/"],
    ["ws://a/b/c?d=e&f", "/b/c?d=e&f"],
    ["ws://a/ü?ü x", "/%C3%BC?%C3%BC%20x"],
  ])("of %s is %s [R6455-3-3]", (url, name) => {
    expect(resourceName(parseWebSocketUrl(url))).toBe(name);
  });
});

describe("names with a dot at their end", () => {
  it.each([
    ["localhost", "localhost", true],
    ["localhost.", "localhost", true],
    ["a.localhost.", "a.localhost", true],
    ["notlocalhost.", "notlocalhost", false],
    ["localhost.test.", "localhost.test", false],
    ["::1", "::1", false],
  ])("%s is %s, one of this machine: %s", (host, name, local) => {
    expect([withoutRootDot(host), isLocalhost(host)]).toEqual([name, local]);
  });
});

describe("portOf and hostOf", () => {
  it.each([
    ["ws://a/", "a", 80],
    ["wss://a/", "a", 443],
    ["ws://a:443/", "a", 443],
    ["wss://a:80/", "a", 80],
    ["ws://[::1]/", "::1", 80],
    ["wss://[2001:db8::1]:1234/", "2001:db8::1", 1234],
  ])("%s is at %s, port %i [R6455-3-1]", (url, host, port) => {
    expect(hostOf(parseWebSocketUrl(url))).toBe(host);
    expect(portOf(parseWebSocketUrl(url))).toBe(port);
  });
});

describe("a URL that cannot be read", () => {
  it.each([
    "ws://user:pa55 w0rd@ h/",
    "ws://user:pa55?w0rd@h:bad/",
    "ws://h:bad/?token=pa55",
    "ws://h:bad/?mail=pa55@w0rd",
    "ws://user:pa55#w0rd@h:bad/",
    "user:pa55@h",
  ])("%j is shown without possible secrets, and its error has no cause [C21]", (url) => {
    const error = errorOf(() => parseWebSocketUrl(url)) as HandshakeError;
    expect(error.rule).toMatch(/^invalid-url$|^unsupported-scheme$/);
    expect(inspect(error, { showHidden: true, depth: 9 })).not.toMatch(/pa55|w0rd/);
    expect(error.cause).toBeUndefined();
  });

  it("control: the error of `URL` shows all of it [C21]", () => {
    expect(inspect(errorOf(() => new URL("ws://user:secret@ h/")))).toContain("secret");
  });
});

function errorOf(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error("It did not throw");
}
