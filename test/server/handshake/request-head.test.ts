import { describe, expect, test } from "vitest";
import { readRequestHead } from "../../../src/server/handshake/request-head.ts";

const read = (text: string) => readRequestHead(Buffer.from(`${text}behind`, "latin1"), text.length, 16_384);
const head = (...fields: string[]): string =>
  `GET /chat HTTP/1.1\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n`;

describe("a regular head", () => {
  test("is read as node:http reads it: names as written, values without whitespace around them", () => {
    const text = "GET /a/b?c=%20&d HTTP/1.1\r\nHost: example.com\r\nX-Empty:\r\nx-ONE: \t a:b c \t\r\nX-One:2\r\n\r\n";
    expect(read(text)).toEqual({
      target: "/a/b?c=%20&d",
      rawHeaders: ["Host", "example.com", "X-Empty", "", "x-ONE", "a:b c", "X-One", "2"],
    });
  });
});

describe("a head that can be read in two ways is left to node:http [C01 C02]", () => {
  const host = "Host: a";
  test.each([
    ["nothing", ""],
    ["another method", head(host).replace("GET", "POST")],
    ["a method in lower case", head(host).replace("GET", "get")],
    ["an absolute target", head(host).replace("/chat", "http://a/chat")],
    ["no path", head(host).replace("/chat", "*")],
    ["a space in the target", head(host).replace("/chat", "/chat room")],
    ["a byte over ASCII in the target", head(host).replace("/chat", "/ch\xe4t")],
    ["another version", head(host).replace("1.1", "1.0")],
    ["an empty line first", `\r\n${head(host)}`],
    ["no fields", head()],
    ["a bare LF", head(host).replace("Host: a\r\n", "Host: a\n")],
    ["a bare CR", head(host, "X: a\rb")],
    ["folding", head(host, "X: a", " b")],
    ["whitespace before the colon", head("Host : a")],
    ["whitespace before the name", head(" Host: a")],
    ["a field without a colon", head(host, "X")],
    ["a field without a name", head(host, ": x")],
    ["a name that is no token", head(host, "X(: x")],
    ["NUL in a value", head(host, "X: \0")],
    ["DEL in a value", head(host, "X: \x7f")],
    ["a byte over ASCII in a value", head(host, "X: \xe4")],
    ["a length, even 0", head(host, "content-LENGTH: 0")],
    ["a transfer coding", head(host, "Transfer-Encoding: chunked")],
    ["an expectation", head(host, "Expect: 100-continue")],
    ["bytes behind it", `${head(host)}G`],
    ["a second head behind it", head(host) + head(host)],
    ["a length over 4 KiB", head(host, `X: ${"x".repeat(4096)}`)],
  ])("%s", (_, text) => {
    expect(read(text)).toBeUndefined();
  });

  test("every prefix of a head", () => {
    const whole = head(host, "Upgrade: websocket");
    for (let length = 0; length < whole.length; length++) expect(read(whole.slice(0, length))).toBeUndefined();
    expect(read(whole)).toBeDefined();
  });

  test("4 KiB of what nearly fits take a time that grows no faster than the length", () => {
    for (const filler of ["A", ":", " ", "\r\n", "a:\r\n", "a: \t"]) {
      const text = `GET / HTTP/1.1\r\n${filler.repeat(4000 / filler.length)}\0`;
      expect(read(text)).toBeUndefined();
    }
  });
});
