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

  it("R6455-4.1-11, R6455-4.1-12, R6455-4.1-13, R6455-4.1-16: sets the fields of section 4.1", () => {
    const { secWebSocketKey, headers } = createRequestHeaders({ url: new URL("ws://example.com/chat") });
    expect(headers).toEqual([
      ["Host", "example.com"],
      ["Upgrade", "websocket"],
      ["Connection", "Upgrade"],
      ["Sec-WebSocket-Key", secWebSocketKey],
      ["Sec-WebSocket-Version", "13"],
    ]);
  });

  it("R6455-4.1-14: makes a fresh key of 16 bytes, as an encoder writes them", () => {
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
  ])("R6455-4.1-11: %s has the Host %s", (url, host) => {
    expect(create({ url: new URL(url) })[0]).toEqual(["Host", host]);
  });

  it("R6455-4.1-15, R6455-4.1-17, R6455-4.1-18, R6455-4.1-19: adds what is asked for", () => {
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
    "R6455-4.1-17, C07: throws for the subprotocol %j",
    (subprotocol) => {
      expect(() => create({ subprotocols: ["a", subprotocol] })).toThrow(
        new TypeError("Cannot create the request: a subprotocol is not a token"),
      );
    },
  );

  it("R6455-4.1-17: throws for a repeated subprotocol", () => {
    expect(() => create({ subprotocols: ["a", "b", "a"] })).toThrow(
      new TypeError("Cannot create the request: a subprotocol is repeated"),
    );
  });

  it("C07: throws for CR, LF and NUL wherever they stand", () => {
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
  ])("R6455-11.3.1-1, C07: throws for a second %s", (name, option) => {
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
  it("R6455-4.2.1-2, R6455-4.2.1-3: takes the request of section 1.3, with what it says", () => {
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

  it("R6455-4.2.1-6, R6455-10.1-1: takes a request without Origin", () => {
    const verified = verifyRequest(good);
    expect(verified).toMatchObject({ ok: true, origin: undefined, subprotocols: [], extensions: [] });
  });

  it("R6455-4.2.1-1: cares neither for the order of the fields nor for their case, and ignores unknown ones", () => {
    const fields = requestFields();
    const reversed: string[] = [];
    for (let index = fields.length - 2; index >= 0; index -= 2) {
      reversed.push((fields[index] as string).toUpperCase(), fields[index + 1] as string, `X-${index}`, "x");
    }
    expect(verifyRequest({ ...good, rawHeaders: reversed })).toEqual(verifyRequest(good));
  });

  it.each<[RefusalRule | undefined, string, Partial<typeof good>]>([
    ["wrong-method", "R6455-4.2.1-2, C08: POST", { method: "POST" }],
    ["wrong-method", "R6455-4.2.1-2: HEAD", { method: "HEAD" }],
    ["wrong-method", "R6455-4.2.1-2: get", { method: "get" }],
    ["wrong-method", "R6455-4.2.1-2: no method", { method: "" }],
    ["old-http-version", "R6455-4.2.1-2: HTTP/1.0", { httpVersion: "1.0" }],
    ["old-http-version", "R6455-4.2.1-2: HTTP/0.9", { httpVersion: "0.9" }],
    ["old-http-version", "R6455-4.2.1-2: no version", { httpVersion: "" }],
    ["old-http-version", "R6455-4.2.1-2: 11", { httpVersion: "11" }],
    ["old-http-version", "R6455-4.2.1-2: 11.1", { httpVersion: "11.1" }],
    ["old-http-version", "R6455-4.2.1-2: 1.10", { httpVersion: "1.10" }],
    [undefined, "R6455-4.2.1-2: HTTP/1.2", { httpVersion: "1.2" }],
  ])("%s: %s", (rule, _title, request) => {
    expect(ruleOf(request)).toBe(rule);
  });

  it.each<[RefusalRule | undefined, string, Record<string, Pair[]>]>([
    ["missing-host", "R6455-4.2.1-2: no Host", values("Host")],
    ["duplicate-host", "C10: two Hosts", values("Host", "example.com", "other.example")],
    ["duplicate-host", "C10: the same Host twice", values("Host", "example.com", "example.com")],
    ["invalid-host", "C10: empty Host", values("Host", "")],
    ["invalid-host", "C10: userinfo after the port", values("Host", "a.com:80@b")],
    ["invalid-host", "C10: a URL", values("Host", "http://a.com")],
    ["invalid-host", "C10: a list", values("Host", "a.com, b.com")],
    ["invalid-host", "C10: what no URL holds", values("Host", "1.2.3.4.5")],
    ["invalid-host", "C10: a bad escape", values("Host", "a%zz")],
    [undefined, "C10: IPv6 and a port", values("Host", "[::1]:9998")],
    [undefined, "C10: upper case", values("Host", "EXAMPLE.com")],
    ["missing-upgrade", "R6455-4.2.1-3: no Upgrade", values("Upgrade")],
    ["missing-upgrade", "R6455-4.2.1-3: Upgrade to h2c", values("Upgrade", "h2c")],
    ["missing-upgrade", "R6455-4.2.1-3: not the whole token", values("Upgrade", "websockets")],
    ["missing-upgrade", "R6455-4.2.1-3: with a version", values("Upgrade", "websocket/13")],
    ["missing-upgrade", "R6455-4.2.1-3: empty Upgrade", values("Upgrade", "")],
    ["missing-upgrade", "R6455-4.2.1-3: malformed Upgrade", values("Upgrade", "websocket;")],
    [undefined, "R6455-4.2.1-3: WebSocket", values("Upgrade", "WebSocket")],
    [undefined, "R6455-4.2.1-3: one of a list", values("Upgrade", "h2c/1, WEBSOCKET")],
    ["missing-connection", "R6455-4.2.1-3: no Connection", values("Connection")],
    ["missing-connection", "R6455-4.2.1-3: keep-alive", values("Connection", "keep-alive")],
    ["missing-connection", "R6455-4.2.1-3: not the whole token", values("Connection", "no-upgrade")],
    ["missing-connection", "R6455-4.2.1-3: malformed", values("Connection", "Upgrade;")],
    [undefined, "R6455-4.2.1-3: upgrade", values("Connection", "upgrade")],
    [undefined, "R6455-4.2.1-3: as Firefox sends it", values("Connection", "keep-alive, Upgrade")],
    [undefined, "R6455-4.2.1-3: over two lines", values("Connection", "keep-alive", "Upgrade")],
    ["unsupported-version", "R6455-4.2.2-4, R6455-4.4-1: no version", values("Sec-WebSocket-Version")],
    ["unsupported-version", "R6455-4.2.1-5, R6455-4.4-1: 8", values("Sec-WebSocket-Version", "8")],
    ["unsupported-version", "R6455-4.2.1-5, C11: 14", values("Sec-WebSocket-Version", "14")],
    ["unsupported-version", "R6455-4.3-1, C11: 013", values("Sec-WebSocket-Version", "013")],
    ["unsupported-version", "R6455-4.3-1, C11: 13.0", values("Sec-WebSocket-Version", "13.0")],
    ["unsupported-version", "R6455-4.3-1, C11: a list", values("Sec-WebSocket-Version", "13, 13")],
    ["unsupported-version", "R6455-4.3-1, C11: empty", values("Sec-WebSocket-Version", "")],
    ["duplicate-version", "R6455-11.3.5-1, C11: twice", values("Sec-WebSocket-Version", "13", "13")],
    ["duplicate-version", "R6455-11.3.5-1, C11: two", values("Sec-WebSocket-Version", "13", "8")],
    ["missing-key", "R6455-4.2.1-4, C11: no key", values("Sec-WebSocket-Key")],
    ["duplicate-key", "R6455-11.3.1-1, C11: twice", values("Sec-WebSocket-Key", key, key)],
    ["invalid-key", "R6455-4.2.1-4, C11: empty", values("Sec-WebSocket-Key", "")],
    ["invalid-key", "R6455-4.2.1-4, C11: 15 bytes", values("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAA")],
    ["invalid-key", "R6455-4.2.1-4, C11: 17 bytes", values("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAA=")],
    ["invalid-key", "R6455-4.2.1-4, C11: 18 bytes", values("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAAA")],
    ["invalid-key", "R6455-4.2.1-4, C11: unpadded", values("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA")],
    ["invalid-key", "R6455-4.2.1-4, C11: URL alphabet", values("Sec-WebSocket-Key", "AAAA-AAAA_AAAAAAAAAAAA==")],
    ["invalid-key", "R6455-4.2.1-4, C11: a space", values("Sec-WebSocket-Key", "AAAAAAAAAA AAAAAAAAAAA==")],
    ["invalid-key", "R6455-4.2.1-4, C11: a line after it", values("Sec-WebSocket-Key", `${key}\n`)],
    ["invalid-key", "R6455-4.2.1-4, C11: a list", values("Sec-WebSocket-Key", `${key}, ${key}`)],
    [undefined, "R6455-4.2.1-4: any 16 bytes", values("Sec-WebSocket-Key", "/////////////////////w==")],
    [undefined, "R6455-4.1-14: an encoder's stray bits", values("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEC==")],
    [undefined, "R6455-4.1-14: whitespace around it", values("Sec-WebSocket-Key", `  ${key}\t`)],
  ])("%s: %s", (rule, _title, replaced) => {
    expect(ruleOf({ rawHeaders: requestFields(replaced) })).toBe(rule);
  });

  const protocol = (...lines: string[]): Pair[] => lines.map((line) => ["Sec-WebSocket-Protocol", line]);
  const extensions = (...lines: string[]): Pair[] => lines.map((line) => ["Sec-WebSocket-Extensions", line]);
  const list = (count: number): string => Array.from({ length: count }, (_, index) => `x${index}`).join(", ");

  it.each<[RefusalRule | undefined, string, Pair[]]>([
    ["unexpected-body", "C08: a length", [["Content-Length", "1"]]],
    ["unexpected-body", "C08: no number", [["Content-Length", "+0"]]],
    ["unexpected-body", "C08: an empty length", [["Content-Length", ""]]],
    [
      "unexpected-body",
      "C08: two lengths",
      [
        ["Content-Length", "0"],
        ["Content-Length", "5"],
      ],
    ],
    ["unexpected-body", "C08: chunked", [["Transfer-Encoding", "chunked"]]],
    ["unexpected-body", "C08: any transfer coding", [["transfer-encoding", "identity"]]],
    ["unexpected-body", "C08: a length after a zero", [["Content-Length", "05"]]],
    [undefined, "C08: no length to speak of", [["Content-Length", "0"]]],
    [undefined, "C08: no length in two digits", [["Content-Length", "00"]]],
    ["malformed-subprotocols", "R6455-4.1-17: empty", protocol("")],
    ["malformed-subprotocols", "R6455-4.1-17: two words", protocol("a b")],
    ["malformed-subprotocols", "R6455-4.1-17: a separator", protocol("a/b")],
    ["malformed-subprotocols", "R6455-4.1-17: not ASCII", protocol("caf\xe9")],
    ["repeated-subprotocol", "R6455-4.1-17: twice", protocol("a, b, a")],
    ["repeated-subprotocol", "R6455-4.1-17: twice over lines", protocol("a", "a")],
    [undefined, "R6455-4.1-17: in two cases, which differ", protocol("a, A")],
    [undefined, "C02: 32 subprotocols", protocol(list(32))],
    ["too-many-subprotocols", "C02: 33 subprotocols", protocol(list(33))],
    [
      undefined,
      "a token of 8754 characters, as Kubernetes carries them",
      protocol(`base64url.bearer.${"Zx09_-".repeat(1459)}`),
    ],
    [undefined, "C02: 16384 characters", protocol("a".repeat(16_384))],
    ["field-too-long", "C02: 16385 characters", protocol("a".repeat(16_385))],
    ["field-too-long", "C02: 16385 characters over lines", protocol("a".repeat(16_000), "b".repeat(385))],
    [undefined, "an empty field of extensions, which offers nothing", extensions("")],
    [undefined, "an empty field of extensions beside one that offers", extensions(" ", "a")],
    ["malformed-extensions", "R6455-9.1-1: commas alone", extensions(", ,")],
    ["malformed-extensions", "R6455-9.1-1: no name", extensions("; a")],
    ["malformed-extensions", "R6455-9.1-1: a quoted value that is no token", extensions('a; b="1 2"')],
    ["malformed-extensions", "R6455-9.1-1: after a good one", extensions("permessage-deflate", "a;")],
    [undefined, "C03: magic names", extensions("constructor; __proto__, hasOwnProperty, __proto__")],
    [undefined, "C02: 16 extensions", extensions(list(16))],
    ["too-many-extensions", "C02: 17 extensions", extensions(list(17))],
    ["field-too-long", "C02: 16385 characters of extensions", extensions(`a; b=${"1".repeat(16_380)}`)],
    [
      "duplicate-origin",
      "C09: two origins",
      [
        ["Origin", "http://example.com"],
        ["Origin", "http://evil.example"],
      ],
    ],
  ])("%s: %s", (rule, _title, added) => {
    expect(ruleOf({ rawHeaders: requestFields({}, added) })).toBe(rule);
  });

  it("R6455-11.3.4-1, R6455-11.3.2-1, R6455-9.1-2: reads lists that are split over lines as one, in order", () => {
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
  ])("R6455-4.1-10, R6455-3-3: the target %s asks for %s", (target, resourceName) => {
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
  ])("R6455-4.1-10, C10: the target %j is invalid", (target) => {
    expect(ruleOf({ target })).toBe("invalid-target");
  });

  it.each(["/...", "/.well-known/a", "/a./..b", "/?a/../b", "/%2e%2e%2e", "/files/..%2Fa"])(
    "C10: takes %j, which parsers of URLs leave as it is",
    (target) => {
      expect(new URL(target, "http://a").href).toBe(`http://a${target}`);
      expect(ruleOf({ target })).toBeUndefined();
    },
  );

  it("C01: answers 2001 header fields", () => {
    const many = Array.from({ length: 2001 }, (_, index): Pair => [`X-${index}`, "x"]);
    const verified = verifyRequest({ ...good, rawHeaders: [...many.flat(), ...requestFields()] });
    expect(verified).toMatchObject({ ok: false, rule: "too-many-headers", refusal: { status: 431 } });
  });

  it("C01: takes 256 header fields and not 257, or as many as the limit says", () => {
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

  it("C02: takes fields as long as the limit says", () => {
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
    "C10: the Host %j is taken over a Unix socket alone, and counts as none",
    (host) => {
      const rawHeaders = requestFields({ Host: [["Host", host]] });
      expect(ruleOf({ rawHeaders })).toBe("invalid-host");
      expect(verifyRequest({ ...good, rawHeaders, overUnixSocket: true })).toMatchObject({ ok: true, host: "" });
    },
  );

  it("C10: over a Unix socket, Host is there once all the same, and one that is a host is kept", () => {
    const verify = (rawHeaders: readonly string[]) => verifyRequest({ ...good, rawHeaders, overUnixSocket: true });
    expect(verify(good.rawHeaders)).toMatchObject({ ok: true, host: "example.com" });
    expect(verify(good.rawHeaders.slice(2))).toMatchObject({ ok: false, rule: "missing-host" });
    expect(verify(["Host", "", ...good.rawHeaders])).toMatchObject({ ok: false, rule: "duplicate-host" });
  });

  it("C01: answers every head that was cut short, with an HTTP error", () => {
    const whole = requestFields();
    for (let length = 0; length < whole.length; length++) {
      const verified = verifyRequest({ ...good, rawHeaders: whole.slice(0, length) });
      expect(verified).toMatchObject({ ok: false, refusal: { status: expect.any(Number) } });
    }
  });

  it("R6455-4.2.1-1: refuses each required value cut at any character", () => {
    const rules: RefusalRule[] = ["missing-upgrade", "missing-connection", "invalid-key", "unsupported-version"];
    rules.forEach((rule, index) => {
      const at = 3 + index * 2;
      const value = good.rawHeaders[at] as string;
      for (let length = 0; length < value.length; length++) {
        expect(ruleOf({ rawHeaders: good.rawHeaders.with(at, value.slice(0, length)) })).toBe(rule);
      }
    });
  });

  it("R6455-9.1-1: verifies or refuses an extension offer cut at any character, by the grammar", () => {
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

  it("R6455-10.7-1, C01, C02: never throws, and every refusal can be written", () => {
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
