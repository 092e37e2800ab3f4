/** C09 to C11: whose page it is, which host was meant, and what a request says twice. */
import { describe, expect, test } from "vitest";
import type { OriginPolicy } from "../../src/index.ts";
import { exchange, parseResponse, type RawRequest, readHead, requestText, sendRaw } from "../support/raw-peer.ts";
import { oldServing, serving } from "../support/serving.ts";

/** The status that answers a request. */
async function statusOf(port: number, request: RawRequest): Promise<number> {
  const peer = await sendRaw(port, requestText(request));
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(await readHead(peer))?.[1]);
  peer.socket.destroy();
  return status;
}

describe("C09 pages of others", () => {
  const policies: readonly OriginPolicy[] = ["same-host", ["https://app.example:8443"], (origin) => !origin, "any"];
  // Beside each origin, whom the policies above let in; the request is for `app.example:8443`.
  const matrix: [string, string | undefined, readonly boolean[]][] = [
    ["absent", undefined, [true, true, true, true]],
    ["the same", "https://app.example:8443", [true, true, false, true]],
    ["in upper case", "HTTPS://APP.EXAMPLE:8443", [true, true, false, true]],
    ["of another scheme", "http://app.example:8443", [true, false, false, true]],
    ["of a scheme that is not the web's", "app://app.example:8443", [false, false, false, true]],
    ["on another port", "https://app.example:8444", [false, false, false, true]],
    ["on the default port", "https://app.example", [false, false, false, true]],
    ["a subdomain", "https://evil.app.example:8443", [false, false, false, true]],
    ["a parent", "https://example:8443", [false, false, false, true]],
    ["with the host as its beginning", "https://app.example.evil.test:8443", [false, false, false, true]],
    ["with the host as its end", "https://evilapp.example:8443", [false, false, false, true]],
    ["with the host as user", "https://app.example:8443@evil.test", [false, false, false, true]],
    ["with the host as path", "https://evil.test/app.example:8443", [false, false, false, true]],
    ["null", "null", [false, false, false, true]],
    ["an address", "https://127.0.0.1:8443", [false, false, false, true]],
    ["an IPv6 address", "https://[::1]:8443", [false, false, false, true]],
  ];

  test.each(matrix)("C09: an origin that is %s, under each policy", async (_, origin, allowed) => {
    for (const [index, policy] of policies.entries()) {
      const server = await serving({ origin: policy, routes: { "/": {} } });
      const headers = { Host: "app.example:8443", ...(origin !== undefined && { Origin: origin }) };
      expect(await statusOf(server.port, { headers }), `${String(origin)} under ${String(policy)}`).toBe(
        allowed[index] ? 101 : 403,
      );
    }
  });

  test("C09 control: ws 8.17.0, and ours with origin any, let every page in [G8]", async () => {
    const headers = { Origin: "https://evil.example", Cookie: "session=1" };
    const old = await oldServing();
    expect(await statusOf(old.port, { headers })).toBe(101);
    const open = await serving({ origin: "any", routes: { "/": {} } });
    expect(await statusOf(open.port, { headers })).toBe(101);
    const server = await serving({ routes: { "/": {} } });
    expect(await statusOf(server.port, { headers })).toBe(403);
  });

  test("C09: a name that was pointed at the server is refused by hosts; control: without hosts it is let in", async () => {
    // What a browser sends once evil.example resolves to 127.0.0.1: its page's own host, everywhere.
    const rebound = { headers: { Host: "evil.example", Origin: "http://evil.example" } };
    const server = await serving({ hosts: ["localhost"], routes: { "/": {} } });
    expect(await statusOf(server.port, rebound)).toBe(421);
    expect(await statusOf(server.port, {})).toBe(101);
    const without = await serving({ routes: { "/": {} } });
    expect(await statusOf(without.port, rebound)).toBe(101);
  });
});

describe("C10 which host, and whose address", () => {
  const strange: [string, RawRequest][] = [
    ["userinfo", { headers: { Host: "a.com:80@b" } }],
    ["an empty value", { headers: { Host: " " } }],
    ["two values", { headers: { Host: ["a", "b"] } }],
    ["the same value twice", { headers: { Host: ["a", "a"] } }],
    ["a list", { headers: { Host: "a, b" } }],
    ["a path", { headers: { Host: "a/b" } }],
    ["a port that cannot be", { headers: { Host: "a:99999" } }],
    ["a space", { headers: { Host: "a b" } }],
    ["none", { headers: { Host: "" } }],
  ];

  test.each(strange)("C10: a Host with %s is 400", async (_, request) => {
    const server = await serving({ routes: { "/": {} } });
    expect(await statusOf(server.port, request)).toBe(400);
  });

  test("C10 control: ws 8.17.0 opens for a Host with userinfo, whose URL is of another host", async () => {
    const old = await oldServing();
    expect(await statusOf(old.port, { headers: { Host: "a.com:80@b" } })).toBe(101);
    expect(new URL("http://a.com:80@b/").hostname).toBe("b");
  });

  test("C10: X-Forwarded-For counts only where a proxy is trusted; control: trusting one believes it", async () => {
    const forwarded = { headers: { "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": "evil.example" } };
    const addresses: (string | undefined)[] = [];
    for (const trustProxy of [0, 1]) {
      const server = await serving({
        trustProxy,
        routes: { "/": { upgrade: ({ remoteAddress }) => ({ data: addresses.push(remoteAddress) }) } },
      });
      expect(await statusOf(server.port, forwarded)).toBe(101);
    }
    expect(addresses).toEqual(["127.0.0.1", "203.0.113.7"]);
  });

  test("C10: a forwarded host makes no origin its own", async () => {
    const server = await serving({ trustProxy: 1, routes: { "/": {} } });
    const headers = { Origin: "http://evil.example", "X-Forwarded-Host": "evil.example" };
    expect(await statusOf(server.port, { headers })).toBe(403);
  });
});

describe("C11 keys and versions that are not one", () => {
  const key = "dGhlIHNhbXBsZSBub25jZQ==";
  const keys: [string, string | readonly string[]][] = [
    ["missing", ""],
    ["two", [key, key]],
    ["two in one line", `${key}, ${key}`],
    ["15 bytes", "MTIzNDU2Nzg5MDEyMzQ1"],
    ["not base64", "dGhlIHNhbXBsZSBub25jZ!=="],
    ["in the alphabet of URLs", "dGhlIHNhbXBsZSBub25j_-=="],
    ["without its padding", "dGhlIHNhbXBsZSBub25jZQ"],
  ];
  const versions: [string, string | readonly string[]][] = [
    ["missing", ""],
    ["8", "8"],
    ["14", "14"],
    ["with a zero before it", "013"],
    ["hexadecimal", "0xd"],
    ["with an exponent", "1.3e1"],
    ["two", ["13", "13"]],
    ["two in one line", "13, 8"],
  ];

  test.each(keys)("C11: a key that is %s is 400", async (_, value) => {
    const server = await serving({ routes: { "/": {} } });
    expect(await statusOf(server.port, { headers: { "Sec-WebSocket-Key": value } })).toBe(400);
  });

  test.each(versions)("C11: a version that is %s is refused with the list of those supported", async (_, value) => {
    const server = await serving({ routes: { "/": {} } });
    const response = parseResponse(
      await exchange(server.port, requestText({ headers: { "Sec-WebSocket-Version": value } })),
    );
    // Two fields are no version at all.
    expect(response.status).toBe(Array.isArray(value) ? 400 : 426);
    expect(response.headers.get("sec-websocket-version")).toBe(Array.isArray(value) ? undefined : "13");
  });

  test("C11 control: ws 8.17.0 takes any number of the same value, and gives no list", async () => {
    const old = await oldServing();
    for (const version of ["013", "0xd", "1.3e1"]) {
      expect(await statusOf(old.port, { headers: { "Sec-WebSocket-Version": version } })).toBe(101);
    }
    const refused = parseResponse(
      await exchange(old.port, requestText({ headers: { "Sec-WebSocket-Version": "14" } })),
    );
    expect(refused.headers.has("sec-websocket-version")).toBe(false);
  });
});
