/** The request: what a client sends, and what a server accepts and refuses. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RefusalRule } from "../../../src/protocol/handshake/handshake-error.ts";
import { createRefusal } from "../../../src/protocol/handshake/refusal.ts";
import {
  type CreateRequestOptions,
  createRequestHeaders,
  verifyRequest,
} from "../../../src/protocol/handshake/request.ts";
import { createResponse } from "../../../src/protocol/handshake/response.ts";
import { badValue, good, key, type Pair, requestFields, values } from "../../support/handshake-fields.ts";

describe("createRequestHeaders", () => {
  const create = (options: Partial<CreateRequestOptions> = {}): Pair[] =>
    createRequestHeaders({ url: new URL("ws://example.com/chat"), ...options }).headers;

  it("sets the fields of section 4.1 [R6455-4.1-11 R6455-4.1-12 R6455-4.1-13 R6455-4.1-16]", () => {
    const { secWebSocketKey, headers } = createRequestHeaders({ url: new URL("ws://example.com/chat") });
    expect(headers).toEqual([
      ["Host", "example.com"],
      ["Upgrade", "websocket"],
      ["Connection", "Upgrade"],
      ["Sec-WebSocket-Key", secWebSocketKey],
      ["Sec-WebSocket-Version", "13"],
    ]);
  });

  it("makes a fresh key of 16 bytes, as an encoder writes them [R6455-4.1-14]", () => {
    const keys = Array.from({ length: 200 }, () => createRequestHeaders({ url: new URL("ws://a/") }).secWebSocketKey);
    for (const one of keys) {
      expect(one).toMatch(/^[+/0-9A-Za-z]{21}[AQgw]==$/);
      expect(Buffer.from(one, "base64")).toHaveLength(16);
    }
    expect(new Set(keys).size).toBe(200);
  });

  it.each([
    ["ws://example.com:80/", "example.com"],
    ["wss://example.com:443/", "example.com"],
    ["ws://example.com:443/", "example.com:443"],
    ["wss://[::1]:8080/", "[::1]:8080"],
    ["ws://user:secret@example.com/", "example.com"],
    ["ws://BÜCHER.example/", "xn--bcher-kva.example"],
  ])("%s has the Host %s [R6455-4.1-11]", (url, host) => {
    expect(create({ url: new URL(url) })[0]).toEqual(["Host", host]);
  });

  it("adds what is asked for [R6455-4.1-15 R6455-4.1-17 R6455-4.1-18 R6455-4.1-19]", () => {
    const headers = create({
      subprotocols: ["b", "a"],
      extensions: "permessage-deflate; client_max_window_bits",
      origin: "https://example.com",
      headers: new Map([["Cookie", "a=1"]]),
    });
    expect(headers.slice(5)).toEqual([
      ["Sec-WebSocket-Protocol", "b, a"],
      ["Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"],
      ["Origin", "https://example.com"],
      ["Cookie", "a=1"],
    ]);
    expect(create({ subprotocols: [] })).toHaveLength(5);
  });

  it("takes another Host, once, and an Origin where none is given", () => {
    const badHost = new TypeError(
      "Cannot create the request: Host is repeated, or is not a host with an optional port",
    );
    expect(create({ headers: [["HOST", "other.example:81"]] })[0]).toEqual(["Host", "other.example:81"]);
    expect(create({ headers: [["Host", "other.example"]] })).toHaveLength(5);
    expect(create({ headers: [["Origin", "null"]] })).toContainEqual(["Origin", "null"]);
    for (const host of ["", "a/b", "a@b"]) expect(() => create({ headers: [["Host", host]] })).toThrow(badHost);
    const twice: Pair[] = [
      ["Host", "a"],
      ["host", "a"],
    ];
    expect(() => create({ headers: twice })).toThrow(badHost);
    expect(() => create({ origin: "http://a", headers: [["origin", "http://b"]] })).toThrow(TypeError);
  });

  it.each([[""], ["a b"], ["a,b"], ["a\r\nX: y"], ["a/b"], ["é"], ["\0"]])(
    "throws for the subprotocol %j [R6455-4.1-17 C07]",
    (subprotocol) => {
      expect(() => create({ subprotocols: ["a", subprotocol] })).toThrow(
        new TypeError("Cannot create the request: a subprotocol is not a token"),
      );
    },
  );

  it("throws for a repeated subprotocol [R6455-4.1-17]", () => {
    expect(() => create({ subprotocols: ["a", "b", "a"] })).toThrow(
      new TypeError("Cannot create the request: a subprotocol is repeated"),
    );
  });

  it("throws for CR, LF and NUL wherever they stand [C07]", () => {
    for (const text of ["a\r\nX: y", "a\r", "a\n", "a\0"]) {
      expect(() => create({ extensions: text })).toThrow(badValue("Sec-WebSocket-Extensions"));
      expect(() => create({ origin: text })).toThrow(badValue("Origin"));
      expect(() => create({ headers: [["X-A", text]] })).toThrow(TypeError);
      expect(() => create({ headers: [[text, "a"]] })).toThrow(TypeError);
      expect(() => create({ headers: [["Host", text]] })).toThrow(TypeError);
    }
  });

  it("says that a value is no string, and what it is", () => {
    expect(() => create({ headers: [["Authorization", undefined as never]] })).toThrow(
      new TypeError("Cannot add the header field Authorization: its value must be a string, not undefined"),
    );
  });

  it.each([
    ["Upgrade", ""],
    ["connection", ""],
    ["Sec-WebSocket-Key", ""],
    ["sec-websocket-version", ""],
    ["Sec-WebSocket-Protocol", "; the option is subprotocols"],
    ["sec-websocket-extensions", "; the option is compression"],
    ["Content-Length", ""],
    ["Transfer-Encoding", ""],
  ])("throws for a second %s [R6455-11.3.1-1 C07]", (name, option) => {
    expect(() => create({ headers: [[name, "1"]] })).toThrow(
      new TypeError(`Cannot add the header field ${name}: the handshake sets it itself${option}`),
    );
  });
});

function ruleOf(request: Partial<typeof good>): RefusalRule | undefined {
  const verified = verifyRequest({ ...good, ...request });
  return verified.ok ? undefined : verified.rule;
}

describe("verifyRequest", () => {
  it("takes the request of section 1.3, with what it says [R6455-4.2.1-2 R6455-4.2.1-3]", () => {
    const rawHeaders = requestFields({}, [
      ["Origin", "http://example.com"],
      ["Sec-WebSocket-Protocol", "chat, superchat"],
    ]);
    expect(verifyRequest({ ...good, rawHeaders })).toEqual({
      ok: true,
      secWebSocketKey: key,
      resourceName: "/chat?a=b",
      subprotocols: ["chat", "superchat"],
      extensions: [],
      host: "example.com",
      origin: "http://example.com",
    });
  });

  it("takes a request without Origin [R6455-4.2.1-6 R6455-10.1-1]", () => {
    const verified = verifyRequest(good);
    expect(verified).toMatchObject({ ok: true, origin: undefined, subprotocols: [], extensions: [] });
  });

  it("cares neither for the order of the fields nor for their case, and ignores unknown ones [R6455-4.2.1-1]", () => {
    const fields = requestFields();
    const reversed: string[] = [];
    for (let index = fields.length - 2; index >= 0; index -= 2) {
      reversed.push((fields[index] as string).toUpperCase(), fields[index + 1] as string, `X-${index}`, "x");
    }
    expect(verifyRequest({ ...good, rawHeaders: reversed })).toEqual(verifyRequest(good));
  });

  it.each<[RefusalRule | undefined, string, Partial<typeof good>]>([
    ["wrong-method", "POST [R6455-4.2.1-2 C08]", { method: "POST" }],
    ["wrong-method", "HEAD [R6455-4.2.1-2]", { method: "HEAD" }],
    ["wrong-method", "get [R6455-4.2.1-2]", { method: "get" }],
    ["wrong-method", "no method [R6455-4.2.1-2]", { method: "" }],
    ["old-http-version", "HTTP/1.0 [R6455-4.2.1-2]", { httpVersion: "1.0" }],
    ["old-http-version", "HTTP/0.9 [R6455-4.2.1-2]", { httpVersion: "0.9" }],
    ["old-http-version", "no version [R6455-4.2.1-2]", { httpVersion: "" }],
    ["old-http-version", "11 [R6455-4.2.1-2]", { httpVersion: "11" }],
    ["old-http-version", "11.1 [R6455-4.2.1-2]", { httpVersion: "11.1" }],
    ["old-http-version", "1.10 [R6455-4.2.1-2]", { httpVersion: "1.10" }],
    [undefined, "HTTP/1.2 [R6455-4.2.1-2]", { httpVersion: "1.2" }],
  ])("%s: %s", (rule, _title, request) => {
    expect(ruleOf(request)).toBe(rule);
  });

  it.each<[RefusalRule | undefined, string, Record<string, Pair[]>]>([
    ["missing-host", "no Host [R6455-4.2.1-2]", values("Host")],
    ["duplicate-host", "two Hosts [C10]", values("Host", "example.com", "other.example")],
    ["duplicate-host", "the same Host twice [C10]", values("Host", "example.com", "example.com")],
    ["invalid-host", "empty Host [C10]", values("Host", "")],
    ["invalid-host", "userinfo after the port [C10]", values("Host", "a.com:80@b")],
    ["invalid-host", "a URL [C10]", values("Host", "http://a.com")],
    ["invalid-host", "a list [C10]", values("Host", "a.com, b.com")],
    ["invalid-host", "what no URL holds [C10]", values("Host", "1.2.3.4.5")],
    ["invalid-host", "a bad escape [C10]", values("Host", "a%zz")],
    [undefined, "IPv6 and a port [C10]", values("Host", "[::1]:9998")],
    [undefined, "upper case [C10]", values("Host", "EXAMPLE.com")],
    ["missing-upgrade", "no Upgrade [R6455-4.2.1-3]", values("Upgrade")],
    ["missing-upgrade", "Upgrade to h2c [R6455-4.2.1-3]", values("Upgrade", "h2c")],
    ["missing-upgrade", "not the whole token [R6455-4.2.1-3]", values("Upgrade", "websockets")],
    ["missing-upgrade", "with a version [R6455-4.2.1-3]", values("Upgrade", "websocket/13")],
    ["missing-upgrade", "empty Upgrade [R6455-4.2.1-3]", values("Upgrade", "")],
    ["missing-upgrade", "malformed Upgrade [R6455-4.2.1-3]", values("Upgrade", "websocket;")],
    [undefined, "WebSocket [R6455-4.2.1-3]", values("Upgrade", "WebSocket")],
    [undefined, "one of a list [R6455-4.2.1-3]", values("Upgrade", "h2c/1, WEBSOCKET")],
    ["missing-connection", "no Connection [R6455-4.2.1-3]", values("Connection")],
    ["missing-connection", "keep-alive [R6455-4.2.1-3]", values("Connection", "keep-alive")],
    ["missing-connection", "not the whole token [R6455-4.2.1-3]", values("Connection", "no-upgrade")],
    ["missing-connection", "malformed [R6455-4.2.1-3]", values("Connection", "Upgrade;")],
    [undefined, "upgrade [R6455-4.2.1-3]", values("Connection", "upgrade")],
    [undefined, "as Firefox sends it [R6455-4.2.1-3]", values("Connection", "keep-alive, Upgrade")],
    [undefined, "over two lines [R6455-4.2.1-3]", values("Connection", "keep-alive", "Upgrade")],
    ["unsupported-version", "no version [R6455-4.2.2-4 R6455-4.4-1]", values("Sec-WebSocket-Version")],
    ["unsupported-version", "8 [R6455-4.2.1-5 R6455-4.4-1]", values("Sec-WebSocket-Version", "8")],
    ["unsupported-version", "14 [R6455-4.2.1-5 C11]", values("Sec-WebSocket-Version", "14")],
    ["unsupported-version", "013 [R6455-4.3-1 C11]", values("Sec-WebSocket-Version", "013")],
    ["unsupported-version", "13.0 [R6455-4.3-1 C11]", values("Sec-WebSocket-Version", "13.0")],
    ["unsupported-version", "a list [R6455-4.3-1 C11]", values("Sec-WebSocket-Version", "13, 13")],
    ["unsupported-version", "empty [R6455-4.3-1 C11]", values("Sec-WebSocket-Version", "")],
    ["duplicate-version", "twice [R6455-11.3.5-1 C11]", values("Sec-WebSocket-Version", "13", "13")],
    ["duplicate-version", "two [R6455-11.3.5-1 C11]", values("Sec-WebSocket-Version", "13", "8")],
    ["missing-key", "no key [R6455-4.2.1-4 C11]", values("Sec-WebSocket-Key")],
    ["duplicate-key", "twice [R6455-11.3.1-1 C11]", values("Sec-WebSocket-Key", key, key)],
    ["invalid-key", "empty [R6455-4.2.1-4 C11]", values("Sec-WebSocket-Key", "")],
    ["invalid-key", "15 bytes [R6455-4.2.1-4 C11]", values("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAA")],
    ["invalid-key", "17 bytes [R6455-4.2.1-4 C11]", values("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAA=")],
    ["invalid-key", "18 bytes [R6455-4.2.1-4 C11]", values("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAAA")],
    ["invalid-key", "unpadded [R6455-4.2.1-4 C11]", values("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA")],
    ["invalid-key", "URL alphabet [R6455-4.2.1-4 C11]", values("Sec-WebSocket-Key", "AAAA-AAAA_AAAAAAAAAAAA==")],
    ["invalid-key", "a space [R6455-4.2.1-4 C11]", values("Sec-WebSocket-Key", "AAAAAAAAAA AAAAAAAAAAA==")],
    ["invalid-key", "a line after it [R6455-4.2.1-4 C11]", values("Sec-WebSocket-Key", `${key}\n`)],
    ["invalid-key", "a list [R6455-4.2.1-4 C11]", values("Sec-WebSocket-Key", `${key}, ${key}`)],
    [undefined, "any 16 bytes [R6455-4.2.1-4]", values("Sec-WebSocket-Key", "/////////////////////w==")],
    [undefined, "an encoder's stray bits [R6455-4.1-14]", values("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEC==")],
    [undefined, "whitespace around it [R6455-4.1-14]", values("Sec-WebSocket-Key", `  ${key}\t`)],
  ])("%s: %s", (rule, _title, replaced) => {
    expect(ruleOf({ rawHeaders: requestFields(replaced) })).toBe(rule);
  });

  const protocol = (...lines: string[]): Pair[] => lines.map((line) => ["Sec-WebSocket-Protocol", line]);
  const extensions = (...lines: string[]): Pair[] => lines.map((line) => ["Sec-WebSocket-Extensions", line]);
  const list = (count: number): string => Array.from({ length: count }, (_, index) => `x${index}`).join(", ");

  it.each<[RefusalRule | undefined, string, Pair[]]>([
    ["unexpected-body", "a length [C08]", [["Content-Length", "1"]]],
    ["unexpected-body", "no number [C08]", [["Content-Length", "+0"]]],
    ["unexpected-body", "an empty length [C08]", [["Content-Length", ""]]],
    [
      "unexpected-body",
      "two lengths [C08]",
      [
        ["Content-Length", "0"],
        ["Content-Length", "5"],
      ],
    ],
    ["unexpected-body", "chunked [C08]", [["Transfer-Encoding", "chunked"]]],
    ["unexpected-body", "any transfer coding [C08]", [["transfer-encoding", "identity"]]],
    ["unexpected-body", "a length after a zero [C08]", [["Content-Length", "05"]]],
    [undefined, "no length to speak of [C08]", [["Content-Length", "0"]]],
    [undefined, "no length in two digits [C08]", [["Content-Length", "00"]]],
    ["malformed-subprotocols", "empty [R6455-4.1-17]", protocol("")],
    ["malformed-subprotocols", "two words [R6455-4.1-17]", protocol("a b")],
    ["malformed-subprotocols", "a separator [R6455-4.1-17]", protocol("a/b")],
    ["malformed-subprotocols", "not ASCII [R6455-4.1-17]", protocol("caf\xe9")],
    ["repeated-subprotocol", "twice [R6455-4.1-17]", protocol("a, b, a")],
    ["repeated-subprotocol", "twice over lines [R6455-4.1-17]", protocol("a", "a")],
    [undefined, "in two cases, which differ [R6455-4.1-17]", protocol("a, A")],
    [undefined, "32 subprotocols [C02]", protocol(list(32))],
    ["too-many-subprotocols", "33 subprotocols [C02]", protocol(list(33))],
    [
      undefined,
      "a token of 8754 characters, as Kubernetes carries them",
      protocol(`base64url.bearer.${"Zx09_-".repeat(1459)}`),
    ],
    [undefined, "16384 characters [C02]", protocol("a".repeat(16_384))],
    ["field-too-long", "16385 characters [C02]", protocol("a".repeat(16_385))],
    ["field-too-long", "16385 characters over lines [C02]", protocol("a".repeat(16_000), "b".repeat(385))],
    [undefined, "an empty field of extensions, which offers nothing", extensions("")],
    [undefined, "an empty field of extensions beside one that offers", extensions(" ", "a")],
    ["malformed-extensions", "commas alone [R6455-9.1-1]", extensions(", ,")],
    ["malformed-extensions", "no name [R6455-9.1-1]", extensions("; a")],
    ["malformed-extensions", "a quoted value that is no token [R6455-9.1-1]", extensions('a; b="1 2"')],
    ["malformed-extensions", "after a good one [R6455-9.1-1]", extensions("permessage-deflate", "a;")],
    [undefined, "magic names [C03]", extensions("constructor; __proto__, hasOwnProperty, __proto__")],
    [undefined, "16 extensions [C02]", extensions(list(16))],
    ["too-many-extensions", "17 extensions [C02]", extensions(list(17))],
    ["field-too-long", "16385 characters of extensions [C02]", extensions(`a; b=${"1".repeat(16_380)}`)],
    [
      "duplicate-origin",
      "two origins [C09]",
      [
        ["Origin", "http://example.com"],
        ["Origin", "http://evil.example"],
      ],
    ],
  ])("%s: %s", (rule, _title, added) => {
    expect(ruleOf({ rawHeaders: requestFields({}, added) })).toBe(rule);
  });

  it("reads lists that are split over lines as one, in order [R6455-11.3.4-1 R6455-11.3.2-1 R6455-9.1-2]", () => {
    const rawHeaders = requestFields({}, [...protocol("b", "a, c"), ...extensions("y; p=1", "x, y; p=2")]);
    expect(verifyRequest({ ...good, rawHeaders })).toMatchObject({
      ok: true,
      subprotocols: ["b", "a", "c"],
      extensions: [
        { name: "y", parameters: [["p", "1"]] },
        { name: "x", parameters: [] },
        { name: "y", parameters: [["p", "2"]] },
      ],
    });
  });

  it.each([
    ["/", "/"],
    ["/?", "/?"],
    ["/!~", "/!~"],
    ["//evil.example/x", "//evil.example/x"],
    ["/a%23b?c=d%20e", "/a%23b?c=d%20e"],
    ["http://example.com/chat?x", "/chat?x"],
    ["HTTPS://Example.com", "/"],
    ["http://example.com?x=/", "/?x=/"],
    ["ws://example.com/chat?x", "/chat?x"],
    ["WSS://EXAMPLE.com?x", "/?x"],
    ["http://example.com:80/", "/"],
    ["ws://example.com:80", "/"],
    ["wss://example.com:443/", "/"],
    ["https://example.com:0443/", "/"],
  ])("the target %s asks for %s [R6455-4.1-10 R6455-3-3]", (target, resourceName) => {
    expect(verifyRequest({ ...good, target })).toMatchObject({ ok: true, resourceName });
  });

  it.each([
    [""],
    ["*"],
    ["chat"],
    ["example.com:80"],
    ["/a#b"],
    ["/a b"],
    ["/a\x00"],
    ["/a\r\nX: y"],
    ["/\xe9"],
    ["http://evil.example/"],
    ["http://example.com@evil.example/"],
    ["http://example.com:81/"],
    ["ws://example.com:443/"],
    ["wss://example.com:80/"],
    ["ws:///"],
    ["wsss://example.com/"],
    ["ftp://example.com/"],
    ["http:/example.com/"],
    ["/files/../secret"],
    ["/files/%2E./secret"],
    ["/files/.?a"],
    ["/files/.."],
    ["/files\\..\\secret"],
    ["http://example.com/a/%2e%2E/b"],
    ["seven77example.com/http://"],
  ])("the target %j is invalid [R6455-4.1-10 C10]", (target) => {
    expect(ruleOf({ target })).toBe("invalid-target");
  });

  it.each(["/...", "/.well-known/a", "/a./..b", "/?a/../b", "/%2e%2e%2e", "/files/..%2Fa"])(
    "takes %j, which parsers of URLs leave as it is [C10]",
    (target) => {
      expect(new URL(target, "http://a").href).toBe(`http://a${target}`);
      expect(ruleOf({ target })).toBeUndefined();
    },
  );

  it("answers 2001 header fields [C01]", () => {
    const many = Array.from({ length: 2001 }, (_, index): Pair => [`X-${index}`, "x"]);
    const verified = verifyRequest({ ...good, rawHeaders: [...many.flat(), ...requestFields()] });
    expect(verified).toMatchObject({ ok: false, rule: "too-many-headers", refusal: { status: 431 } });
  });

  it("takes 256 header fields and not 257, or as many as the limit says [C01]", () => {
    const add = (count: number) =>
      requestFields(
        {},
        Array.from({ length: count }, (_, index): Pair => [`X-${index}`, "x"]),
      );
    expect(ruleOf({ rawHeaders: add(251) })).toBeUndefined();
    expect(ruleOf({ rawHeaders: add(252) })).toBe("too-many-headers");
    const verify = (count: number) =>
      verifyRequest({ ...good, rawHeaders: add(count) }, { maxHeaderFields: 10, maxHeaderSize: 20 });
    expect(verify(5).ok).toBe(true);
    expect(verify(6)).toMatchObject({ ok: false, rule: "too-many-headers" });
  });

  it("takes fields as long as the limit says [C02]", () => {
    const verify = (added: Pair[]) =>
      verifyRequest({ ...good, rawHeaders: requestFields({}, added) }, { maxHeaderFields: 256, maxHeaderSize: 20 });
    for (const field of [protocol, extensions]) {
      expect(verify(field("a".repeat(20))).ok).toBe(true);
      expect(verify(field("a".repeat(21)))).toMatchObject({ ok: false, rule: "field-too-long" });
    }
  });

  it.each([
    ["example.com:80", "http://example.com/chat"],
    ["example.com", "http://example.com:80/chat"],
    ["Example.com:443", "wss://example.com/chat"],
  ])("a default port may be spelled out: Host %s for the target %s", (host, target) => {
    const rawHeaders = requestFields({ Host: [["Host", host]] });
    expect(verifyRequest({ ...good, rawHeaders, target })).toMatchObject({ ok: true, resourceName: "/chat", host });
  });

  it.each(["%2Fvar%2Frun%2Fapp.sock", "/var/run/app.sock", "", "a b", "1.2.3.4.5"])(
    "the Host %j is taken over a Unix socket alone, and counts as none [C10]",
    (host) => {
      const rawHeaders = requestFields({ Host: [["Host", host]] });
      expect(ruleOf({ rawHeaders })).toBe("invalid-host");
      expect(verifyRequest({ ...good, rawHeaders, overUnixSocket: true })).toMatchObject({ ok: true, host: "" });
    },
  );

  it("over a Unix socket, Host is there once all the same, and one that is a host is kept [C10]", () => {
    const verify = (rawHeaders: readonly string[]) => verifyRequest({ ...good, rawHeaders, overUnixSocket: true });
    expect(verify(good.rawHeaders)).toMatchObject({ ok: true, host: "example.com" });
    expect(verify(good.rawHeaders.slice(2))).toMatchObject({ ok: false, rule: "missing-host" });
    expect(verify(["Host", "", ...good.rawHeaders])).toMatchObject({ ok: false, rule: "duplicate-host" });
  });

  it("answers every head that was cut short, with an HTTP error [C01]", () => {
    const whole = requestFields();
    for (let length = 0; length < whole.length; length++) {
      const verified = verifyRequest({ ...good, rawHeaders: whole.slice(0, length) });
      expect(verified).toMatchObject({ ok: false, refusal: { status: expect.any(Number) } });
    }
  });

  it("refuses each required value cut at any character [R6455-4.2.1-1]", () => {
    const rules: RefusalRule[] = ["missing-upgrade", "missing-connection", "invalid-key", "unsupported-version"];
    rules.forEach((rule, index) => {
      const at = 3 + index * 2;
      const value = good.rawHeaders[at] as string;
      for (let length = 0; length < value.length; length++) {
        expect(ruleOf({ rawHeaders: good.rawHeaders.with(at, value.slice(0, length)) })).toBe(rule);
      }
    });
  });

  it("verifies or refuses an extension offer cut at any character, by the grammar [R6455-9.1-1]", () => {
    const value = 'x; y="1\\5"; z';
    const whole = ["x", "x; y", 'x; y="1\\5"', value];
    for (let length = 0; length <= value.length; length++) {
      const text = value.slice(0, length);
      const complete = text.trim() === "" || whole.includes(text.trim());
      expect(ruleOf({ rawHeaders: requestFields({}, extensions(text)) }), text).toBe(
        complete ? undefined : "malformed-extensions",
      );
    }
  });

  it("never throws, and every refusal can be written [R6455-10.7-1 C01 C02]", () => {
    const names = [
      ..."Host Upgrade Connection Sec-WebSocket-Key Sec-WebSocket-Version Origin Content-Length".split(" "),
      ..."Sec-WebSocket-Protocol Sec-WebSocket-Extensions Transfer-Encoding __proto__".split(" "),
    ];
    const value = fc.oneof(
      fc.constantFrom("websocket", "Upgrade", "13", key, "example.com", "a;b=1", "", " ", '"', "0"),
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.string({ unit: fc.constantFrom(...'ab ,;="\\\t\r\n\0'), maxLength: 40 }),
    );
    const field = fc.tuple(fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 8 })), value);
    const request = fc.record({
      method: fc.oneof(fc.constant("GET"), fc.string()),
      httpVersion: fc.oneof(fc.constant("1.1"), fc.string()),
      target: fc.oneof(fc.constant("/"), fc.webUrl(), fc.string({ unit: "binary" })),
      rawHeaders: fc
        .tuple(fc.boolean(), fc.array(field, { maxLength: 12 }), fc.nat(1))
        .map(([base, fields, odd]) => [...(base ? requestFields() : []), ...fields.flat()].slice(odd)),
    });
    fc.assert(
      fc.property(request, (one) => {
        const verified = verifyRequest(one);
        if (verified.ok) {
          expect(createResponse({ secWebSocketKey: verified.secWebSocketKey })).toMatch(/^HTTP\/1\.1 101 /);
          expect(() => new URL(`http://${verified.host}`)).not.toThrow();
        } else {
          expect(createRefusal(verified.refusal).length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
