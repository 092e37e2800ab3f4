import { describe, expect, test } from "vitest";
import { isResponse, Refused, refusalOfResponse } from "../../../src/server/handshake/refused.ts";

test("a busy server says after how many seconds to come back", () => {
  expect(Refused.busy("too-many-connections", "it is full").refusal).toEqual({
    status: 503,
    headers: [
      ["Content-Type", "text/plain; charset=utf-8"],
      ["Retry-After", "1"],
    ],
    body: "Cannot open the connection: it is full\n",
  });
});

describe("a Response", () => {
  test("gives its status, fields and body, without the fields that frame it", async () => {
    const response = new Response("no", {
      status: 401,
      headers: { "WWW-Authenticate": "Basic", "Content-Length": "99", Connection: "keep-alive" },
    });
    response.headers.append("Set-Cookie", "a=1");
    response.headers.append("Set-Cookie", "b=2");
    const { status, headers, body } = await refusalOfResponse(response);
    expect([status, Buffer.from(body).toString()]).toEqual([401, "no"]);
    expect(headers).toEqual([
      ["content-type", "text/plain;charset=UTF-8"],
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["www-authenticate", "Basic"],
    ]);
  });

  test.each([
    [new Response(), true],
    [{ status: 403, headers: new Headers(), arrayBuffer: async () => new ArrayBuffer(0) }, true],
    [{ data: 1 }, false],
    [{ status: 403 }, false],
    [undefined, false],
    [null, false],
    [5, false],
  ])("%# is recognised, also one of a package: %o", (value, expected) => {
    expect(isResponse(value)).toBe(expected);
  });
});
