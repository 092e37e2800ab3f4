import { describe, expect, it } from "vitest";
import {
  HandshakeError,
  type HandshakeRule,
  handshakeRules,
  type RefusalRule,
  refusalOf,
} from "../../../src/protocol/handshake/handshake-error.ts";
import { isFieldValue, isToken } from "../../../src/protocol/handshake/header-fields.ts";

const rules = Object.keys(handshakeRules) as HandshakeRule[];
const refusals = rules.filter((rule) => handshakeRules[rule].status !== undefined) as RefusalRule[];

describe("handshakeRules", () => {
  it.each(rules)("%s has a section, a text that completes a sentence, and nothing unknown", (rule) => {
    const row = handshakeRules[rule];
    expect(row.section).toMatch(/^\d/);
    expect(row.text).toMatch(/^[a-z].*[^.]$/);
    for (const key of Object.keys(row)) expect(["section", "text", "status", "headers"]).toContain(key);
  });

  it("says a different thing for every rule", () => {
    expect(new Set(rules.map((rule) => handshakeRules[rule].text)).size).toBe(rules.length);
  });
});

describe("refusalOf", () => {
  it.each(refusals)("%s is answered with an HTTP error and one sentence [R6455-4.2.1-1]", (rule) => {
    const { status, headers, body } = refusalOf(rule);
    expect(status).toBe(handshakeRules[rule].status);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body).toBe(`Cannot open the connection: ${handshakeRules[rule].text}\n`);
    expect(headers).toContainEqual(["Content-Type", "text/plain; charset=utf-8"]);
    for (const [name, value] of headers) expect(isToken(name) && isFieldValue(value)).toBe(true);
  });

  it.each<[RefusalRule, number, [string, string][]]>([
    ["wrong-method", 405, [["Allow", "GET"]]],
    ["missing-upgrade", 426, [["Upgrade", "websocket"]]],
    ["missing-connection", 426, [["Upgrade", "websocket"]]],
    [
      "unsupported-version",
      426,
      [
        ["Upgrade", "websocket"],
        ["Sec-WebSocket-Version", "13"],
      ],
    ],
    ["origin-not-allowed", 403, []],
    ["unknown-path", 404, []],
  ])("%s is answered with %i and its fields [R6455-4.2.2-3 R6455-4.2.2-4 R6455-4.2.2-5]", (rule, status, headers) => {
    expect(refusalOf(rule).status).toBe(status);
    expect(refusalOf(rule).headers.slice(1)).toEqual(headers);
  });
});

describe("HandshakeError", () => {
  it("names the rule, its section and what it says", () => {
    const error = new HandshakeError("missing-accept");
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe("HandshakeError");
    expect(error.rule).toBe("missing-accept");
    expect(error.section).toBe("4.1");
    expect(error.message).toBe("Cannot open the connection: the response has no Sec-WebSocket-Accept header field");
    expect(error.status).toBeUndefined();
    expect(error.headers).toEqual([]);
    expect(error.body).toEqual(new Uint8Array(0));
    expect("cause" in error).toBe(false);
  });

  it("carries the response that came instead, and the error beneath [R6455-4.1-21]", () => {
    const cause = new Error("beneath");
    const body = new TextEncoder().encode("Log in first");
    const headers = ["WWW-Authenticate", "Basic"];
    const error = new HandshakeError("status-not-101", { detail: "401", status: 401, headers, body, cause });
    expect(error.message).toBe("Cannot open the connection: the status of the response is not 101: 401");
    expect(error.status).toBe(401);
    expect(error.headers).toEqual(headers);
    expect(error.body).toEqual(body);
    expect(error.cause).toBe(cause);
  });

  it("gives a header field by its name in any case, several of a name as one", () => {
    const headers = ["Retry-After", " 5 ", "Via", "a", "via", "b", "X-Empty", ""];
    const error = new HandshakeError("status-not-101", { headers });
    expect(error.header("retry-after")).toBe("5");
    expect(error.header("VIA")).toBe(
      new Headers([
        ["Via", "a"],
        ["via", "b"],
      ]).get("VIA"),
    );
    expect(error.header("x-empty")).toBe("");
    expect(error.header("a")).toBeUndefined();
    expect(new HandshakeError("timed-out").header("via")).toBeUndefined();
    expect([...error.headers]).toEqual(headers);
  });

  it("says where the connection was to go, once, with the frames of the call", () => {
    const error = new HandshakeError("missing-accept");
    error.locate("ws://server.test/", "    at open (program.js:1:1)");
    error.locate("ws://other.test/", "    at other");
    const message =
      "Cannot open the connection to ws://server.test/: the response has no Sec-WebSocket-Accept header field";
    expect(error.message).toBe(message);
    expect(error.stack).toBe(`HandshakeError: ${message}\n    at open (program.js:1:1)`);
  });
});
