/** The response: what a server sends, and what a client accepts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type HandshakeRule, handshakeRules } from "../../../src/protocol/handshake/handshake-error.ts";
import {
  createResponse,
  type HandshakeResponse,
  secWebSocketAccept,
  type VerifyResponseOptions,
  verifyResponse,
} from "../../../src/protocol/handshake/response.ts";
import { accept, badValue, key, type Pair, responseFields, values } from "../../support/handshake-fields.ts";

describe("secWebSocketAccept", () => {
  it("answers the key of section 1.3 [R6455-4.2.2-8 R6455-4.1-24]", () => {
    expect(secWebSocketAccept(key)).toBe(accept);
  });
});

describe("createResponse", () => {
  it("is a 101 with its three fields [R6455-4.2.2-8]", () => {
    expect(createResponse({ secWebSocketKey: key })).toBe(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
  });

  it("names the subprotocol, the extensions and the user's fields [R6455-4.2.2-6 R6455-4.2.2-7]", () => {
    const response = createResponse({
      secWebSocketKey: key,
      subprotocol: "chat",
      extensions: "permessage-deflate; server_no_context_takeover",
      headers: [
        ["Set-Cookie", "a=1"],
        ["set-cookie", "b=\xe9"],
      ],
    });
    expect(response.split("\r\n").slice(4)).toEqual([
      "Sec-WebSocket-Protocol: chat",
      "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",
      "Set-Cookie: a=1",
      "set-cookie: b=\xe9",
      "",
      "",
    ]);
    expect(createResponse({ secWebSocketKey: key, headers: new Headers({ "X-A": "1" }) })).toContain("\r\nx-a: 1\r\n");
  });

  it.each([[""], ["a b"], ["a,b"], ["a\r\nX: y"], ["a\0"], ["é"]])(
    "throws for the subprotocol %j [R6455-4.2.2-6 C06]",
    (subprotocol) => {
      expect(() => createResponse({ secWebSocketKey: key, subprotocol })).toThrow(
        new TypeError("Cannot create the response: the subprotocol is not a token"),
      );
    },
  );

  it.each([["a\r\nX: y"], ["a\n"], ["a\r"], ["\0"], ["\x7f"], ["\u0100"], ["\u2028"]])(
    "throws for %j, wherever it stands [C06]",
    (text) => {
      expect(() => createResponse({ secWebSocketKey: key, extensions: text })).toThrow(TypeError);
      expect(() => createResponse({ secWebSocketKey: key, headers: [["X-A", text]] })).toThrow(badValue("X-A"));
      expect(() => createResponse({ secWebSocketKey: key, headers: [[text, "a"]] })).toThrow(
        new TypeError(`Cannot add the header field ${JSON.stringify(text)}: its name is not a token`),
      );
    },
  );

  it.each(
    [["Upgrade"], ["connection"], ["Sec-WebSocket-Accept"], ["SEC-WEBSOCKET-PROTOCOL"]].concat([
      ["Sec-WebSocket-Extensions"],
      ["Content-Length"],
      ["Transfer-Encoding"],
      [""],
      ["X A"],
      ["X:"],
    ]),
  )("throws for a field named %j [C06]", (name) => {
    expect(() => createResponse({ secWebSocketKey: key, headers: [[name, "1"]] })).toThrow(TypeError);
  });

  it("throws for a value that only becomes text [C06]", () => {
    const value = { toString: () => "a\r\nX: y" } as unknown as string;
    expect(() => createResponse({ secWebSocketKey: key, headers: [["X-A", value]] })).toThrow(TypeError);
    expect(() => createResponse({ secWebSocketKey: key, headers: [[value, "a"]] })).toThrow(TypeError);
    const name = Object("X-A") as string;
    expect(() => createResponse({ secWebSocketKey: key, headers: [[name, "a"]] })).toThrow(TypeError);
  });
});

describe("verifyResponse", () => {
  const offer: VerifyResponseOptions = { secWebSocketKey: key, subprotocols: ["chat", "b"], extensionsOffered: true };
  const goodResponse: HandshakeResponse = { status: 101, httpVersion: "1.1", rawHeaders: responseFields() };

  function failureOf(response: Partial<HandshakeResponse>, options: Partial<VerifyResponseOptions> = {}): unknown {
    try {
      verifyResponse({ ...goodResponse, ...response }, { ...offer, ...options });
      return undefined;
    } catch (error) {
      return error;
    }
  }

  it("takes a good response, with what it settles [R6455-4.1-28 R6455-4.2.2-9]", () => {
    expect(verifyResponse(goodResponse, offer)).toEqual({ subprotocol: undefined, extensions: [] });
    const rawHeaders = responseFields({}, [
      ["Sec-WebSocket-Protocol", "b"],
      ["Sec-WebSocket-Extensions", "x; y=1"],
      ["sec-websocket-extensions", "z"],
      ["Set-Cookie", "a"],
    ]);
    expect(verifyResponse({ ...goodResponse, rawHeaders }, offer)).toEqual({
      subprotocol: "b",
      extensions: [
        { name: "x", parameters: [["y", "1"]] },
        { name: "z", parameters: [] },
      ],
    });
  });

  it.each([[100], [200], [204], [301], [401], [426], [500], [0]])(
    "status-not-101: R6455-4.1-21, C08: the status %i is not success",
    (status) => {
      const error = failureOf({ status, rawHeaders: ["X-A", "b"] });
      expect(error).toMatchObject({ name: "HandshakeError", rule: "status-not-101", status, headers: ["X-A", "b"] });
      expect((error as Error).message).toContain(String(status));
    },
  );

  it.each([["1.0"], ["1.2"]])("takes HTTP/%s, since no rule names a version [R6455-4.1-27]", (httpVersion) => {
    expect(verifyResponse({ ...goodResponse, httpVersion }, offer)).toMatchObject({ extensions: [] });
  });

  it.each<[HandshakeRule | undefined, string, Record<string, Pair[]>]>([
    ["wrong-response-upgrade", "no Upgrade [R6455-4.1-22]", values("Upgrade")],
    ["wrong-response-upgrade", "another [R6455-4.1-22]", values("Upgrade", "h2c")],
    ["wrong-response-upgrade", "a list [R6455-4.1-22]", values("Upgrade", "websocket, h2c")],
    ["wrong-response-upgrade", "two [R6455-4.1-22]", values("Upgrade", "websocket", "websocket")],
    ["wrong-response-upgrade", "not ASCII [R6455-4.1-22]", values("Upgrade", "webſocket")],
    [undefined, "any case [R6455-4.1-22]", values("Upgrade", "WebSocket")],
    ["wrong-response-connection", "no Connection [R6455-4.1-23]", values("Connection")],
    ["wrong-response-connection", "without the token [R6455-4.1-23]", values("Connection", "keep-alive")],
    ["wrong-response-connection", "part of a token [R6455-4.1-23]", values("Connection", "Upgraded")],
    [undefined, "in a list [R6455-4.1-23]", values("Connection", "keep-alive, UPGRADE")],
    [undefined, "over two lines [R6455-4.1-23]", values("Connection", "keep-alive", "upgrade")],
    ["missing-accept", "no accept [R6455-4.1-24]", values("Sec-WebSocket-Accept")],
    ["wrong-accept", "empty [R6455-4.1-24]", values("Sec-WebSocket-Accept", "")],
    ["wrong-accept", "of another key [R6455-4.1-24]", values("Sec-WebSocket-Accept", accept.replace("s3", "S3"))],
    ["wrong-accept", "in another case [R6455-4.1-24]", values("Sec-WebSocket-Accept", accept.toLowerCase())],
    ["wrong-accept", "unpadded [R6455-4.1-24]", values("Sec-WebSocket-Accept", accept.slice(0, -1))],
    ["wrong-accept", "the key itself [R6455-4.1-24]", values("Sec-WebSocket-Accept", key)],
    ["duplicate-accept", "twice [R6455-11.3.3-1]", values("Sec-WebSocket-Accept", accept, accept)],
    [undefined, "whitespace around it [R6455-4.1-24]", values("Sec-WebSocket-Accept", ` ${accept}\t `)],
  ])("%s: %s", (rule, _title, replaced) => {
    const error = failureOf({ rawHeaders: responseFields(replaced) });
    if (rule === undefined) expect(error).toBeUndefined();
    else expect(error).toMatchObject({ rule, section: handshakeRules[rule].section, status: 101 });
  });

  it.each<[HandshakeRule, string, Pair[]]>([
    ["unexpected-subprotocol", "not offered [R6455-4.1-26]", [["Sec-WebSocket-Protocol", "c"]]],
    ["unexpected-subprotocol", "in another case [R6455-4.1-26]", [["Sec-WebSocket-Protocol", "Chat"]]],
    ["unexpected-subprotocol", "a list [R6455-4.1-26]", [["Sec-WebSocket-Protocol", "chat, b"]]],
    ["unexpected-subprotocol", "empty [R6455-4.2.2-6]", [["Sec-WebSocket-Protocol", ""]]],
    [
      "duplicate-response-subprotocol",
      "two [R6455-11.3.4-1]",
      [
        ["Sec-WebSocket-Protocol", "chat"],
        ["Sec-WebSocket-Protocol", "chat"],
      ],
    ],
    ["malformed-response-extensions", "empty [R6455-9.1-1]", [["Sec-WebSocket-Extensions", ""]]],
    ["malformed-response-extensions", "malformed [R6455-9.1-1]", [["Sec-WebSocket-Extensions", "a; b="]]],
    ["malformed-response-extensions", "too long [C02]", [["Sec-WebSocket-Extensions", "a".repeat(4097)]]],
    ["malformed-response-extensions", "too many [C02]", [["Sec-WebSocket-Extensions", "a,".repeat(17)]]],
  ])("%s: %s", (rule, _title, added) => {
    expect(failureOf({ rawHeaders: responseFields({}, added) })).toMatchObject({ rule });
  });

  it("unexpected-extension: R6455-4.1-25, R6455-9-1: an extension where none was offered", () => {
    const rawHeaders = responseFields({}, [["Sec-WebSocket-Extensions", "permessage-deflate"]]);
    const error = failureOf({ rawHeaders }, { extensionsOffered: false });
    expect(error).toMatchObject({ rule: "unexpected-extension" });
    expect((error as Error).message).toContain("permessage-deflate");
    expect(failureOf({ rawHeaders }, { extensionsOffered: true })).toBeUndefined();
    expect(failureOf({}, { extensionsOffered: false })).toBeUndefined();
  });

  it("unexpected-subprotocol: R6455-4.1-26: a subprotocol where none was offered", () => {
    const rawHeaders = responseFields({}, [["Sec-WebSocket-Protocol", "chat"]]);
    expect(failureOf({ rawHeaders }, { subprotocols: [] })).toMatchObject({ rule: "unexpected-subprotocol" });
  });

  it("fails with a HandshakeError and nothing else, on any response", () => {
    const names = [
      "Upgrade",
      "Connection",
      "Sec-WebSocket-Accept",
      "Sec-WebSocket-Protocol",
      "Sec-WebSocket-Extensions",
    ];
    const value = fc.oneof(
      fc.constantFrom("websocket", "Upgrade", accept, "chat", "a;b=1", "", '"'),
      fc.string({ unit: "binary", maxLength: 30 }),
    );
    const field = fc.tuple(fc.constantFrom(...names), value);
    fc.assert(
      fc.property(fc.boolean(), fc.array(field, { maxLength: 6 }), fc.nat(1), (base, fields, odd) => {
        const rawHeaders = [...(base ? responseFields() : []), ...fields.flat()].slice(odd);
        const error = failureOf({ rawHeaders });
        if (error !== undefined) expect(error).toMatchObject({ name: "HandshakeError" });
      }),
      { numRuns: 1000 },
    );
  });
});
