import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { coreOf } from "../../../src/connection/connection.ts";
import { accept } from "../../../src/server/accept.ts";
import type { UpgradeContext } from "../../../src/server/handshake/decide.ts";
import type { Route } from "../../../src/server/route.ts";
import { answer } from "../../support/asking.ts";
import { gate, until } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { httpServer } from "../../support/http-server.ts";
import {
  exchange,
  openRaw,
  parseResponse,
  type RawRequest,
  readHead,
  requestText,
  sampleAccept,
  sendRaw,
} from "../../support/raw-peer.ts";
import { upgrading } from "../../support/upgrading.ts";
import { frameFrom, readFrames } from "../../support/wire.ts";

let stderr: MockInstance<typeof console.error>;

beforeEach(() => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
});

afterEach(() => {
  vi.useRealTimers();
  stderr.mockRestore();
});

const echo: Route = { message: (connection, data) => void connection.send(data) };
const text = (payload: string) => frameFrom("client", { opcode: 1, payload });

describe("a handshake that is right", () => {
  test("is answered with 101 and the key's answer, and with nothing that was not asked for [R6455-4.2.2-8]", async () => {
    const { port } = await upgrading();
    const peer = await sendRaw(port, requestText());
    expect((await readHead(peer)).split("\r\n").sort()).toEqual(
      [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        `Sec-WebSocket-Accept: ${sampleAccept}`,
        "",
        "",
      ].sort(),
    );
  });

  test("frames glued to the request are answered, cut at every byte [R6455-4.2.2-10 C16]", async () => {
    const { port } = await upgrading(echo);
    const bytes = Buffer.concat([Buffer.from(requestText()), text("one"), text("two")]);
    for (let cut = bytes.length - 20; cut <= bytes.length; cut++) {
      const peer = await sendRaw(port, bytes.subarray(0, cut));
      await nextTurn();
      peer.socket.write(bytes.subarray(cut));
      await readHead(peer);
      expect(await peer.nextTexts(2)).toEqual(["one", "two"]);
      peer.socket.destroy();
    }
  });

  test("early frames are kept while an async upgrade decides, and messages may follow before open is done [C16]", async () => {
    const { opened, open } = gate();
    const { port } = await upgrading({ ...echo, upgrade: () => opened.then(() => ({})) });
    const peer = await sendRaw(port, Buffer.concat([Buffer.from(requestText()), text("glued")]));
    await nextTurn();
    for (const byte of text("byte by byte")) peer.socket.write(Uint8Array.of(byte));
    for (let i = 0; i < 20; i++) await nextTurn();
    expect(peer.received).toHaveLength(0);
    open();
    await readHead(peer);
    peer.socket.write(text("after"));
    expect(await peer.nextTexts(3)).toEqual(["glued", "byte by byte", "after"]);
  });

  test("early data beyond the mark waits in the socket, and none is lost", async () => {
    const { opened, open } = gate();
    const { port } = await upgrading({ ...echo, upgrade: () => opened.then(() => ({})) });
    const peer = await sendRaw(port, requestText());
    const payloads = Array.from({ length: 40 }, (_, index) => `${index}`.padEnd(5000, "."));
    for (const payload of payloads) {
      peer.socket.write(text(payload));
      await nextTurn();
    }
    open();
    await readHead(peer);
    expect(await peer.nextTexts(40)).toEqual(payloads);
  });

  test("upgrade sees the request, and its result is on the connection [G50 G65]", async () => {
    const seen: UpgradeContext[] = [];
    const { port, outcomes } = await upgrading({
      upgrade: (context) => {
        seen.push(context);
        return { data: { user: "ada" }, headers: { "Set-Cookie": "a=1", "X-Two": "2" }, subprotocol: "b" };
      },
    });
    const peer = await sendRaw(
      port,
      requestText({ path: "/rooms/1?q=x", headers: { "Sec-WebSocket-Protocol": "a, b" } }),
    );
    const head = await readHead(peer);
    expect(head).toContain("\r\nSet-Cookie: a=1\r\nX-Two: 2\r\n");
    expect(head).toContain("\r\nSec-WebSocket-Protocol: b\r\n");
    const [context] = seen;
    expect(context?.url.href).toBe("http://localhost/rooms/1?q=x");
    expect(context?.subprotocols).toEqual(["a", "b"]);
    expect(context?.params).toEqual({ room: "1" });
    expect(context?.request.headers.host).toBe("localhost");
    expect(context?.signal.aborted).toBe(false);
    const connection = await outcomes[0];
    expect(connection).toMatchObject({
      data: { user: "ada" },
      params: { room: "1" },
      path: "/rooms/1",
      subprotocol: "b",
      extensions: "",
      remoteAddress: "127.0.0.1",
    });
  });

  test.each([
    [
      "an array",
      [
        ["X-A", "1"],
        ["X-A", "2"],
      ] as const,
      "X-A: 1\r\nX-A: 2\r\n",
    ],
    ["Headers", new Headers({ "X-A": "1" }), "x-a: 1\r\n"],
  ])("headers may be %s", async (_, headers, lines) => {
    const { port } = await upgrading({ upgrade: () => ({ headers }) });
    const peer = await sendRaw(port, requestText());
    expect(await readHead(peer)).toContain(`\r\n${lines}`);
  });

  test.each([
    [["b", "c"], "a, b, c", "b"],
    [["c", "b"], "a, b, c", "b"],
    [["x"], "a, b", undefined],
    [["a"], "", undefined],
    [[], "a", undefined],
  ])(
    "of %j and the client's %j the client's first is chosen [R6455-4.2.2-6 G46 G65]",
    async (subprotocols, offer, chosen) => {
      const { port, outcomes } = await upgrading({ subprotocols });
      const peer = await sendRaw(port, requestText({ headers: { "Sec-WebSocket-Protocol": offer } }));
      const field = /Sec-WebSocket-Protocol: (.*)\r\n/.exec(await readHead(peer))?.[1];
      expect(field).toBe(chosen);
      expect((await outcomes[0])?.subprotocol).toBe(chosen ?? "");
    },
  );

  test("permessage-deflate is agreed on when both sides want it [R6455-4.2.2-7 G49]", async () => {
    const headers = { "Sec-WebSocket-Extensions": "unknown, permessage-deflate; client_max_window_bits" };
    for (const compression of [true, false]) {
      const { port, outcomes } = await upgrading({ compression });
      const head = await readHead(await sendRaw(port, requestText({ headers })));
      expect(head.includes("permessage-deflate")).toBe(compression);
      expect(head).not.toContain("unknown");
      expect((await outcomes[0])?.extensions.startsWith("permessage-deflate")).toBe(compression);
    }
  });

  test("the limits and the text option of the route are the connection's", async () => {
    const seen: unknown[] = [];
    const { port, outcomes } = await upgrading({
      limits: { maxMessageSize: 5 },
      text: "bytes",
      message: (_, data, info) => seen.push(data instanceof Uint8Array, info.text),
    });
    const peer = await openRaw(port, {}, text("12345"), text("123456"));
    expect((await peer.nextFrame())?.payload.readUInt16BE(0)).toBe(1009);
    expect(seen).toEqual([true, true]);
    expect(coreOf((await outcomes[0])!).limits.maxMessageSize).toBe(5);
  });

  test("a stream that is no socket is served, and messages before its end are answered", async () => {
    const { http } = await httpServer();
    const socket = Object.assign(new HeldDuplex(), { allowHalfOpen: false });
    const request = { method: "GET", httpVersion: "1.1", url: "/", headers: {}, socket, rawHeaders: [] as string[] };
    for (const line of requestText().split("\r\n").slice(1)) if (line) request.rawHeaders.push(...line.split(": "));
    const connection = await accept(request as never, socket, Buffer.alloc(0), echo as Route<unknown>);
    socket.push(text("over memory"));
    socket.push(null);
    expect(connection?.remoteAddress).toBeUndefined();
    await connection?.closed;
    const written = socket.written;
    const end = written.indexOf("\r\n\r\n") + 4;
    expect(readFrames(written.subarray(end)).map(({ payload }) => payload.toString())).toEqual(["over memory"]);
    http.close();
  });
});

describe("a handshake that is wrong", () => {
  const table: [title: string, request: RawRequest, status: number, body: RegExp, header?: [string, string]][] = [
    ["POST [R6455-4.2.1-2]", { method: "POST" }, 405, /method is not GET/, ["allow", "GET"]],
    ["no Host [R6455-4.2.1-2]", { headers: { Host: "" } }, 400, /no Host/],
    ["two Hosts [C10]", { headers: { Host: ["a", "b"] } }, 400, /more than one Host/],
    ["a Host with userinfo [C10]", { headers: { Host: "a.com:80@b" } }, 400, /Host header field is not/],
    ["no key [R6455-4.2.1-4]", { headers: { "Sec-WebSocket-Key": "" } }, 400, /no Sec-WebSocket-Key/],
    ["a short key [C11]", { headers: { "Sec-WebSocket-Key": "AAAA" } }, 400, /not 16 bytes in base64/],
    [
      "two keys [C11]",
      { headers: { "Sec-WebSocket-Key": ["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="] } },
      400,
      /more than one Sec-WebSocket-Key/,
    ],
    [
      "another version [R6455-4.4-1]",
      { headers: { "Sec-WebSocket-Version": "8" } },
      426,
      /not 13/,
      ["sec-websocket-version", "13"],
    ],
    ["a body by length [C08]", { headers: { "Content-Length": "5" } }, 400, /has a body/],
    ["a chunked body [C08]", { headers: { "Transfer-Encoding": "chunked" } }, 400, /has a body/],
    [
      "bad extensions [R6455-9.1-1]",
      { headers: { "Sec-WebSocket-Extensions": "a;;" } },
      400,
      /not a list of extensions/,
    ],
    ["bad subprotocols [R6455-4.1-17]", { headers: { "Sec-WebSocket-Protocol": "a b" } }, 400, /not a list of tokens/],
    [
      "another origin [R6455-4.2.2-3 C09]",
      { headers: { Origin: "https://evil.example" } },
      403,
      /origin of the request is not allowed/,
    ],
    [
      "too many fields [C01]",
      { headers: Object.fromEntries(Array.from({ length: 260 }, (_, i) => [`X-${i}`, "1"])) },
      431,
      /too many header fields/,
    ],
  ];

  test.each(table)(
    "%s is refused, and the connection closed [G37 G47 G50]",
    async (_, request, status, body, header) => {
      const { port, outcomes, sockets } = await upgrading({ upgrade: () => ({}) });
      const response = await answer(port, request);
      expect(response.status).toBe(status);
      expect(response.body).toMatch(/^Cannot open the connection: /);
      expect(response.body).toMatch(body);
      expect(response.headers.get("connection")).toMatch(/^close/);
      if (header) expect(response.headers.get(header[0])).toBe(header[1]);
      expect(await outcomes[0]).toBeUndefined();
      await until(() => sockets.size === 0);
      expect(stderr).not.toHaveBeenCalled();
    },
  );

  test("a second request behind a refused one is never answered [C08]", async () => {
    const { port } = await upgrading();
    const bad = requestText({ headers: { "Sec-WebSocket-Key": "" } });
    const response = parseResponse(
      await exchange(port, `${bad}GET /secret HTTP/1.1\r\nHost: localhost\r\n\r\n${requestText()}`),
    );
    expect(response.status).toBe(400);
  });

  test("an origin function decides, sync or async, and its exception is 500 [C09]", async () => {
    const seen: unknown[] = [];
    for (const [verdict, status] of [
      [() => true, 101],
      [async () => false, 403],
      [
        () => {
          throw new Error("Oops");
        },
        500,
      ],
    ] as const) {
      const { port } = await upgrading({
        origin: (origin, request) => {
          seen.push([origin, request.headers.host]);
          return verdict();
        },
      });
      const peer = await sendRaw(port, requestText({ headers: { Origin: "https://a.example" } }));
      expect(await readHead(peer)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    }
    expect(seen[0]).toEqual(["https://a.example", "localhost"]);
    expect(stderr).toHaveBeenCalledTimes(1);
  });
});
