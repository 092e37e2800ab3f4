import { describe, expect, test } from "vitest";
import {
  cookiesOf,
  isWebSocketUpgrade,
  pathOf,
  subprotocolsOf,
} from "../../../src/server/handshake/upgrade-request.ts";
import { httpServer } from "../../support/http-server.ts";
import { exchange } from "../../support/raw-peer.ts";

const upgrade = ["Connection", "Upgrade", "Upgrade", "websocket"];

describe("isWebSocketUpgrade", () => {
  test.each([
    ["the fields of the standard", upgrade],
    ["names and values in any case", ["CONNECTION", "uPGRADE", "upgrade", "WebSocket"]],
    ["other tokens beside", ["Connection", "keep-alive, Upgrade", "Upgrade", "h2c, websocket"]],
    ["lists over several lines", ["Connection", "keep-alive", "Connection", "Upgrade", "Upgrade", "h2c", ...upgrade]],
  ])("is true for %s [G2]", (_, rawHeaders) => {
    expect(isWebSocketUpgrade({ rawHeaders })).toBe(true);
  });

  test.each([
    ["no fields", []],
    ["Upgrade alone", ["Upgrade", "websocket"]],
    ["Connection alone", ["Connection", "Upgrade"]],
    ["a token that only holds the word", ["Connection", "no-upgrade", "Upgrade", "websocket"]],
    ["a protocol that only holds the word", ["Connection", "Upgrade", "Upgrade", "websocket2"]],
    ["another protocol", ["Connection", "Upgrade", "Upgrade", "h2c"]],
    ["a list that is none", ["Connection", "Upgrade;", "Upgrade", "websocket"]],
    ["a name in the place of a value", ["X-A", "Connection", "X-B", "Upgrade", "Upgrade", "websocket"]],
  ])("is false for %s [G2]", (_, rawHeaders) => {
    expect(isWebSocketUpgrade({ rawHeaders })).toBe(false);
  });
});

describe("subprotocolsOf", () => {
  test.each([
    ["none", [], []],
    ["one", ["Sec-WebSocket-Protocol", "chat"], ["chat"]],
    ["several, without the space around them", ["sec-websocket-protocol", " a ,b\t, c "], ["a", "b", "c"]],
    [
      "several lines as one list",
      ["Sec-WebSocket-Protocol", "a, b", "X-A", "x", "Sec-WebSocket-Protocol", "c"],
      ["a", "b", "c"],
    ],
    ["a list that is none", ["Sec-WebSocket-Protocol", "a b"], []],
    [
      "more than a handshake takes",
      ["Sec-WebSocket-Protocol", Array.from({ length: 33 }, (_, n) => `p${n}`).join()],
      [],
    ],
  ])("gives %s in the client's order [G1]", (_, rawHeaders, offered) => {
    expect(subprotocolsOf({ rawHeaders })).toEqual(offered);
  });
});

test.each([undefined, null, {}, "GET / HTTP/1.1", new Request("http://localhost/")])(
  "what is no request of node:http is told so: %s",
  (request) => {
    for (const ask of [isWebSocketUpgrade, subprotocolsOf, cookiesOf]) {
      expect(() => ask(request as never)).toThrow(/^Cannot look at the request: it has to be one of node:http, not /);
    }
  },
);

test("an upgrade listener asks both of the request that it is given [G1 G2]", async () => {
  const { port } = await httpServer((request, socket) => {
    const said = `${isWebSocketUpgrade(request)} ${subprotocolsOf(request)}`;
    socket.end(`HTTP/1.1 400 Bad Request\r\nContent-Length: ${said.length}\r\n\r\n${said}`);
  });
  const ask = (fields: string) => exchange(port, `GET / HTTP/1.1\r\nHost: h\r\n${fields}\r\n`);
  expect(await ask("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: a,b\r\n")).toMatch(
    /true a,b$/,
  );
  expect(await ask("Connection: Upgrade\r\nUpgrade: h2c\r\n")).toMatch(/false $/);
});

test.each([
  ["/a/b?c=/d", "/a/b"],
  ["/", "/"],
  ["/?q", "/"],
  ["http://host:80/a?b", "/a"],
  ["HTTPS://host/a", "/a"],
  ["http://host?b", "/"],
  ["http://host", "/"],
  ["*", "*"],
])("the path of %s is %s [R6455-4.1-10]", (target, path) => {
  expect(pathOf(target)).toBe(path);
});

test("cookiesOf reads all Cookie fields of a request, in any case of letters", () => {
  const rawHeaders = ["Host", "a", "Cookie", "a=1; b=2", "COOKIE", "a=3; c=4", "Set-Cookie", "d=5"];
  expect([...cookiesOf({ rawHeaders })]).toEqual([
    ["a", "1"],
    ["b", "2"],
    ["c", "4"],
  ]);
  expect(cookiesOf({ rawHeaders: [] }).size).toBe(0);
});
