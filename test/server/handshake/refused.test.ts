import { describe, expect, test } from "vitest";
import { retryAfterInReason } from "../../../src/reconnecting/policy/retry-after.ts";
import { isResponse, Refused, refusalOfResponse, withRetryAfter } from "../../../src/server/handshake/refused.ts";

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

test("a server that closes says so with its own code to pages, and when to come back if it knows", () => {
  const text = "Cannot open the connection: the server is closing";
  expect(Refused.closing(1001).close).toEqual({ code: 1001, reason: text });
  expect(Refused.closing(1001).refusal.headers).toContainEqual(["Retry-After", "1"]);
  expect(Refused.closing(1012, 0).close).toEqual({ code: 1012, reason: `${text}; retry-after=0` });
  expect(Refused.closing(1012, 7).refusal.headers).toContainEqual(["Retry-After", "7"]);
});

test.each([0, 5, 600, 99_999, 100_000, 2 ** 31 - 1])("a client reads the hint of %d s", (seconds) => {
  for (const reason of ["", "busy"]) {
    expect(retryAfterInReason(withRetryAfter(reason, seconds))).toEqual({ retryAfter: Math.min(seconds, 600) });
  }
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
