/** The client's address behind trusted and other proxies: by table, and through `serve` and `accept`. */
import { describe, expect, test } from "vitest";
import { accept } from "../../../src/server/accept.ts";
import {
  addressKey,
  clientAddress,
  resolveTrust,
  type TrustProxy,
} from "../../../src/server/handshake/client-address.ts";
import { route } from "../../../src/server/route.ts";
import { serve } from "../../../src/server/server.ts";
import { httpServer } from "../../support/http-server.ts";
import { exchange, openRaw, parseResponse, requestText } from "../../support/raw-peer.ts";
import { serving } from "../../support/serving.ts";

const socket = "10.0.0.1";
const lan = ["10.0.0.0/8", "2001:db8::/32"];

describe("clientAddress [C10]", () => {
  test.each<[TrustProxy | undefined, string | undefined, string]>([
    // No proxy is trusted, so the header is the client's own.
    [undefined, "1.2.3.4", socket],
    [0, "1.2.3.4", socket],
    [[], "1.2.3.4", socket],
    [["192.168.0.0/16"], "1.2.3.4", socket],
    // A number trusts that many hops, from the right.
    [1, undefined, socket],
    [1, "1.2.3.4", "1.2.3.4"],
    [1, "9.9.9.9, 1.2.3.4", "1.2.3.4"],
    [2, "9.9.9.9, 1.2.3.4", "9.9.9.9"],
    [2, "8.8.8.8,9.9.9.9 ,\t1.2.3.4", "9.9.9.9"],
    [5, "8.8.8.8, 9.9.9.9", "8.8.8.8"],
    // A list trusts hops while they are in it.
    [lan, "1.2.3.4", "1.2.3.4"],
    [lan, "9.9.9.9, 1.2.3.4", "1.2.3.4"],
    [lan, "9.9.9.9, 1.2.3.4, 10.3.4.5", "1.2.3.4"],
    [lan, "9.9.9.9, 1.2.3.4, ::ffff:10.3.4.5", "1.2.3.4"],
    [lan, "9.9.9.9, 2001:db8::7", "9.9.9.9"],
    [lan, "10.0.0.7, 10.0.0.8", "10.0.0.7"],
    [["10.0.0.1"], "9.9.9.9, 10.0.0.2", "10.0.0.2"],
    // Entries may have ports and brackets.
    [1, "1.2.3.4:5678", "1.2.3.4"],
    [1, "[2001:db8::1]:5678", "2001:db8::1"],
    [1, "[2001:db8::1]", "2001:db8::1"],
    [1, "2001:db8::1", "2001:db8::1"],
    // An entry that is no address ends the search at the last trusted one.
    [1, "", socket],
    [1, ",", socket],
    [1, "unknown", socket],
    [1, "_hidden", socket],
    [1, "01.2.3.4", socket],
    [1, "1.2.3.4:", socket],
    [1, "1.2.3.4:123456", socket],
    [1, "[1.2.3.4]", socket],
    [1, "2001:db8::1:99999x", socket],
    [1, "fe80::1%eth0", socket],
    [1, "1.2.3.4 5.6.7.8", socket],
    [1, "for=1.2.3.4", socket],
    [1, '"1.2.3.4"', socket],
    [3, "9.9.9.9, bad, 1.2.3.4", "1.2.3.4"],
    [3, "9.9.9.9,, 1.2.3.4", "1.2.3.4"],
    [lan, "9.9.9.9, 10.0.0.x, 10.0.0.3", "10.0.0.3"],
  ])("trustProxy %j, X-Forwarded-For %j: %s", (trustProxy, forwarded, address) => {
    expect(clientAddress(socket, forwarded, resolveTrust(trustProxy))).toBe(address);
  });

  test("a transport without an address is trusted by number alone", () => {
    expect(clientAddress(undefined, "1.2.3.4", resolveTrust(1))).toBe("1.2.3.4");
    expect(clientAddress(undefined, "1.2.3.4", resolveTrust(["0.0.0.0/0", "::/0"]))).toBeUndefined();
  });

  test("a header of 16 KiB is read in one pass", () => {
    const entries = Array.from({ length: 2000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    expect(clientAddress(socket, entries.join(","), resolveTrust(lan))).toBe("10.0.0.0");
    expect(clientAddress(socket, ",".repeat(16_000), resolveTrust(lan))).toBe(socket);
  });

  test.each([-1, 0.5, Number.NaN, "1", "10.0.0.0/8", null, true, {}])("trustProxy cannot be %j", (option) => {
    expect(() => resolveTrust(option as never)).toThrow(typeof option === "number" ? RangeError : TypeError);
  });

  test.each(["", "localhost", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/8/8", "fe80::1%eth0", 7])(
    "a list cannot hold %j",
    async (entry) => {
      const trustProxy = [entry as string];
      expect(() => resolveTrust(trustProxy)).toThrow("Cannot trust the proxy");
      await expect(serve({ trustProxy, routes: { "/": {} } })).rejects.toThrow(TypeError);
    },
  );
});

test.each([
  ["1.2.3.4", "1.2.3.4"],
  ["::ffff:1.2.3.4", "1.2.3.4"],
  ["::FFFF:1.2.3.4", "1.2.3.4"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"],
  ["2001:DB8:0001:2::", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["::", "0:0:0:0::/64"],
  ["64:ff9b::1.2.3.4", "64:ff9b:0:0::/64"],
  ["1::2:3:4:5:6:7", "1:0:2:3::/64"],
])("addressKey of %s is %s", (address, key) => {
  expect(addressKey(address)).toBe(key);
});

const addresses = route({
  upgrade: ({ remoteAddress }) => ({ data: remoteAddress }),
  open: (connection) => void connection.send(`${connection.data} ${connection.remoteAddress}`),
});

const from = (...forwarded: string[]) => ({ headers: { "X-Forwarded-For": forwarded } });

describe("trustProxy", () => {
  test("gives upgrade and the connection their address; several fields are one list", async () => {
    const server = await serving({ trustProxy: 2, routes: { "/": addresses } });
    const peer = await openRaw(server.port, from("9.9.9.9", "7.7.7.7", "1.2.3.4"));
    expect(await peer.nextTexts(1)).toEqual(["7.7.7.7 7.7.7.7"]);
    const direct = await openRaw(server.port);
    expect(await direct.nextTexts(1)).toEqual(["127.0.0.1 127.0.0.1"]);
  });

  test("without the option, and where a route turns it off, the header is ignored", async () => {
    const server = await serving({ routes: { "/": addresses } });
    expect(await (await openRaw(server.port, from("9.9.9.9"))).nextTexts(1)).toEqual(["127.0.0.1 127.0.0.1"]);
    const other = await serving({ trustProxy: ["127.0.0.0/8"], routes: { "/": { ...addresses, trustProxy: 0 } } });
    expect(await (await openRaw(other.port, from("9.9.9.9"))).nextTexts(1)).toEqual(["127.0.0.1 127.0.0.1"]);
  });

  test("holds in accept, too", async () => {
    const { port } = await httpServer((request, socket, head) => {
      void accept(request, socket, head, {
        trustProxy: ["127.0.0.1"],
        open: (connection) => void connection.send(String(connection.remoteAddress)),
      });
    });
    expect(await (await openRaw(port, from("2001:db8::5"))).nextTexts(1)).toEqual(["2001:db8::5"]);
  });

  test("the address outlives the connection", async () => {
    const seen = new Promise((resolve) => {
      void serving({
        trustProxy: 1,
        routes: { "/": { close: (connection) => resolve(connection.remoteAddress) } },
      }).then(async ({ port }) => (await openRaw(port, from("9.9.9.9"))).reset());
    });
    expect(await seen).toBe("9.9.9.9");
  });
});

describe("maxConnectionsPerAddress", () => {
  const status = async (port: number, address: string) =>
    parseResponse(await exchange(port, requestText(from(address)))).status;

  test("refuses with 503 beyond the limit; other addresses are let in, and the same once a client has left", async () => {
    const server = await serving({
      trustProxy: 1,
      limits: { maxConnectionsPerAddress: 2 },
      routes: { "/": {}, "/refused": { upgrade: () => new Response("no", { status: 401 }) } },
    });
    const peers = [await openRaw(server.port, from("9.9.9.9")), await openRaw(server.port, from("9.9.9.9"))];
    expect(await status(server.port, "9.9.9.9")).toBe(503);
    expect(server.metrics().refused).toEqual({ "too-many-from-address": 1 });
    await openRaw(server.port, from("9.9.9.8"));
    await openRaw(server.port, from("2001:db8::1"));
    await openRaw(server.port, from("2001:db8::2"));
    expect(await status(server.port, "2001:db8::ffff:1")).toBe(503);
    const [ended] = [...server.connections].map(({ closed }) => closed);
    peers[0]?.reset();
    await ended;
    await openRaw(server.port, from("9.9.9.9"));
    expect(await status(server.port, "9.9.9.9")).toBe(503);
  });

  test("counts handshakes while they wait, and no longer once they are refused", async () => {
    const gates: (() => void)[] = [];
    const server = await serving({
      limits: { maxConnectionsPerAddress: 1 },
      routes: {
        "/": {
          upgrade: () => new Promise((resolve) => gates.push(() => resolve(new Response("no", { status: 401 })))),
        },
        "/at-once": {},
      },
    });
    const waiting = exchange(server.port, requestText());
    while (gates.length < 1) await new Promise(setImmediate);
    expect(parseResponse(await exchange(server.port, requestText({ path: "/at-once" }))).status).toBe(503);
    gates[0]?.();
    expect(parseResponse(await waiting).status).toBe(401);
    // A handshake that breaks a rule is not counted any more either.
    await exchange(server.port, requestText({ path: "/at-once", headers: { "Sec-WebSocket-Key": "" } }));
    await openRaw(server.port, { path: "/at-once" });
  });
});
