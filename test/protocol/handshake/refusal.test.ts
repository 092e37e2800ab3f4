/** The response that refuses a handshake. */
import { STATUS_CODES } from "node:http";
import { describe, expect, it } from "vitest";
import { createRefusal } from "../../../src/protocol/handshake/refusal.ts";
import { verifyRequest } from "../../../src/protocol/handshake/request.ts";
import { good, requestFields, values } from "../../support/handshake-fields.ts";

describe("createRefusal", () => {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

  it("is a whole response that ends the connection [R6455-4.2.2-2 C08]", () => {
    const bytes = createRefusal({ status: 401, headers: [["WWW-Authenticate", "Basic \xfc"]], body: "Wer da? ü" });
    expect(text(bytes)).toBe(
      "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic \xfc\r\nConnection: close\r\nContent-Length: 10\r\n\r\nWer da? Ã¼",
    );
  });

  it("takes a body of bytes, an empty one, and a status without a phrase", () => {
    expect(text(createRefusal({ status: 499, headers: [], body: new Uint8Array([0xff, 0x00]) }))).toBe(
      "HTTP/1.1 499 \r\nConnection: close\r\nContent-Length: 2\r\n\r\n\xff\0",
    );
    expect(text(createRefusal({ status: 404, headers: [], body: "" }))).toContain("\r\nContent-Length: 0\r\n\r\n");
  });

  it("takes every status from 200 to 599, with the phrase of RFC 9110 where it refuses a handshake [R6455-4.2.1-1]", () => {
    const renamed: Record<number, string> = { 413: "Content Too Large", 422: "Unprocessable Content" };
    const withPhrase = [
      ...[200, 204, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 413, 414, 421],
      ...[422, 426, 429, 431, 500, 501, 502, 503, 504],
    ];
    for (let status = 200; status < 600; status++) {
      const phrase = withPhrase.includes(status) ? (renamed[status] ?? STATUS_CODES[status]) : "";
      expect(text(createRefusal({ status, headers: [], body: "" })).split("\r\n")[0]).toBe(
        `HTTP/1.1 ${status} ${phrase}`,
      );
    }
  });

  it("sends 204 and 304 without a length, and refuses them a body", () => {
    for (const status of [204, 304]) {
      expect(text(createRefusal({ status, headers: [], body: "" }))).toMatch(/\r\nConnection: close\r\n\r\n$/);
      expect(() => createRefusal({ status, headers: [], body: "a" })).toThrow(
        new TypeError(`Cannot create the refusal: a ${status} has no body`),
      );
    }
  });

  it("names Upgrade in Connection where it sends Upgrade [R6455-4.4-1]", () => {
    const verified = verifyRequest({ ...good, rawHeaders: requestFields(values("Sec-WebSocket-Version", "8")) });
    const lines = verified.ok ? [] : text(createRefusal(verified.refusal)).split("\r\n");
    expect(lines.slice(0, 5)).toEqual([
      "HTTP/1.1 426 Upgrade Required",
      "Content-Type: text/plain; charset=utf-8",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Connection: close, Upgrade",
    ]);
  });

  it.each([[100], [101], [199], [600], [0], [-1], [200.5], [Number.NaN], [Number.POSITIVE_INFINITY], ["200\r\nX: y"]])(
    "throws for the status %j [C06]",
    (status) => {
      expect(() => createRefusal({ status: status as number, headers: [], body: "" })).toThrow(
        new RangeError("Cannot create the refusal: the status is not an integer from 200 to 599"),
      );
    },
  );

  it.each<[string, string]>([
    ["X-A", "a\r\nX: y"],
    ["X-A", "\n"],
    ["X-A", "\0"],
    ["X-A\r\nX", "y"],
    ["X A", "y"],
    ["", "y"],
    ["Content-Length", "0"],
    ["connection", "keep-alive"],
    ["TRANSFER-ENCODING", "chunked"],
  ])("throws for the field %j with the value %j [C06]", (name, value) => {
    expect(() => createRefusal({ status: 400, headers: [[name, value]], body: "" })).toThrow(TypeError);
  });
});
