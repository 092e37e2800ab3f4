/** Opening handshakes as raw bytes through `serve`: each request whole and byte by byte, right, wrong and hostile ones. */
import { afterAll, beforeAll, describe, expect, it, type MockInstance, vi } from "vitest";
import { type Server, serve } from "../../../src/server/server.ts";
import { nextTurn } from "../../support/held-duplex.ts";
import {
  exchange,
  parseResponse,
  type RawPeer,
  type RawRequest,
  readHead,
  requestText,
  sampleAccept,
  sampleKey,
  sendRaw,
} from "../../support/raw-peer.ts";
import { frameFrom } from "../../support/wire.ts";

let server: Server;
let stderr: MockInstance<typeof console.error>;

beforeAll(async () => {
  stderr = vi.spyOn(console, "error").mockImplementation(() => {});
  server = await serve({
    port: 0,
    host: "127.0.0.1",
    compression: true,
    subprotocols: ["chat"],
    routes: {
      "/": { message: (connection, data) => void connection.send(data) },
      "/private": {
        upgrade: ({ request }) =>
          request.headers.authorization === `Basic ${btoa("user:secret")}`
            ? { data: "user" }
            : new Response("", { status: 401, headers: { "WWW-Authenticate": 'Basic realm="private"' } }),
        open: (connection) => void connection.send(`hello ${connection.data}`),
      },
    },
  });
});

afterAll(async () => {
  for (const connection of server.connections) connection.terminate();
  await server.close();
  // Nothing that a peer sends makes the server throw.
  expect(stderr).not.toHaveBeenCalled();
  stderr.mockRestore();
});

type Cut = "whole" | "bytewise";
const cuts: readonly Cut[] = ["whole", "bytewise"];

/** Sends bytes in one write or one by one, until the server ends the stream. */
async function send(bytes: string | Uint8Array, cut: Cut): Promise<RawPeer> {
  const all = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
  if (cut === "whole") return sendRaw(server.port, all);
  const peer = await sendRaw(server.port);
  peer.socket.setNoDelay(true);
  for (let at = 0; at < all.length && !peer.ended && !peer.socket.destroyed; at++) {
    peer.socket.write(all.subarray(at, at + 1));
    await nextTurn();
  }
  return peer;
}

/** All bytes that the server sends until it ends the stream. */
async function answered(bytes: string | Uint8Array, cut: Cut): Promise<string> {
  const peer = await send(bytes, cut);
  await peer.until(() => false);
  peer.end();
  await peer.closed;
  return peer.received.toString("latin1");
}

const text = (payload: string) => frameFrom("client", { opcode: 1, payload });
const bytesOf = (request: RawRequest, ...behind: Uint8Array[]) =>
  Buffer.concat([Buffer.from(requestText(request), "latin1"), ...behind]);

describe.each(cuts)("a request that is right, %s", (cut) => {
  it.each<[string, RawRequest]>([
    ["as the standard has it", {}],
    ["names in any case", { headers: { Host: "", hOsT: "localhost", Upgrade: "", UPGRADE: "WebSocket" } }],
    ["tokens among others, over several lines", { headers: { Connection: ["keep-alive", "x, uPGRADE ,"] } }],
    ["space around values", { headers: { "Sec-WebSocket-Key": `\t ${sampleKey} \t` } }],
    ["protocols in Upgrade besides", { headers: { Upgrade: "h2c, websocket" } }],
    ["a higher version of HTTP", { version: "2.0" }],
    ["a length of 0", { headers: { "Content-Length": "0" } }],
    ["a whole URL as target", { path: "http://localhost/?a=b" }],
    ["the origin of the host", { headers: { Origin: "http://localhost" } }],
    ["fields of no meaning", { headers: { "X-Long": "x".repeat(4000), "X-Latin": "caf\xe9" } }],
    [
      "extensions with names of objects [C03]",
      { headers: { "Sec-WebSocket-Extensions": "__proto__, constructor; toString" } },
    ],
  ])("%s [R6455-4.2.1-2]", async (_, request) => {
    const peer = await send(bytesOf(request, text("glued")), cut);
    const head = await readHead(peer);
    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    expect(head).toContain(`\r\nSec-WebSocket-Accept: ${sampleAccept}\r\n`);
    expect(await peer.nextTexts(1)).toEqual(["glued"]);
    peer.reset();
  });

  it("reads frames glued to the request, and answers a Close among them [C16]", async () => {
    const close = frameFrom("client", { opcode: 8, payload: Uint8Array.of(0x03, 0xe8) });
    const ping = frameFrom("client", { opcode: 9, payload: "?" });
    const peer = await send(bytesOf({}, text("a"), ping, text("b"), close), cut);
    await readHead(peer);
    const frames = (await peer.allFrames()).map(({ opcode, payload }) => [opcode, payload.toString("latin1")]);
    expect(frames.filter(([opcode]) => opcode !== 10)).toEqual([
      [1, "a"],
      [1, "b"],
      [8, "\x03\xe8"],
    ]);
    expect(frames.filter(([opcode]) => opcode === 10)).toEqual([[10, "?"]]);
  });

  it("fails the connection, not the handshake, for a glued frame that breaks a rule [C16]", async () => {
    const peer = await send(bytesOf({}, Uint8Array.of(0x81, 0x01, 0x61)), cut);
    expect(await readHead(peer)).toMatch(/^HTTP\/1\.1 101 /);
    expect((await peer.nextFrame())?.payload.readUInt16BE(0)).toBe(1002);
    peer.reset();
  });

  it("asks for credentials of HTTP, and lets them decide [R6455-10.5-1]", async () => {
    const asked = parseResponse(await answered(bytesOf({ path: "/private" }), cut));
    expect([asked.status, asked.headers.get("www-authenticate")]).toEqual([401, 'Basic realm="private"']);
    const wrong = { path: "/private", headers: { Authorization: `Basic ${btoa("user:guess")}` } };
    expect(parseResponse(await answered(bytesOf(wrong), cut)).status).toBe(401);
    const right = { path: "/private", headers: { Authorization: `Basic ${btoa("user:secret")}` } };
    const peer = await send(bytesOf(right), cut);
    expect(await readHead(peer)).toMatch(/^HTTP\/1\.1 101 /);
    expect(await peer.nextTexts(1)).toEqual(["hello user"]);
    peer.reset();
  });
});

describe.each(cuts)("a request that is wrong, %s", (cut) => {
  const none = { Host: "", Upgrade: "", Connection: "", "Sec-WebSocket-Version": "", "Sec-WebSocket-Key": "" };
  it.each<[string, RawRequest | string, number]>([
    ["no field but Host [R6455-4.2.1-2]", { headers: { ...none, Host: "localhost" } }, 426],
    ["Upgrade misspelt [R6455-4.2.1-3]", { headers: { Upgrade: "web-socket" } }, 426],
    ["Connection misspelt [R6455-4.2.1-3]", { headers: { Connection: "Upgraded" } }, 426],
    ["the key's name misspelt [C11]", { headers: { "Sec-WebSocket-Key": "", "Sec-Websocket-Keys": sampleKey } }, 400],
    ["an empty key [C11]", { headers: { "Sec-WebSocket-Key": " " } }, 400],
    ["a key of 15 bytes [C11]", { headers: { "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAA" } }, 400],
    ["a key that is not base64 [C11]", { headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZ_==" } }, 400],
    ["two keys in one line [C11]", { headers: { "Sec-WebSocket-Key": `${sampleKey}, ${sampleKey}` } }, 400],
    ["two versions [C11]", { headers: { "Sec-WebSocket-Version": ["13", "13"] } }, 400],
    ["two versions in one line [C11]", { headers: { "Sec-WebSocket-Version": "13, 8" } }, 426],
    ["a version with a zero before it [C11]", { headers: { "Sec-WebSocket-Version": "013" } }, 426],
    ["an empty Host [C10]", { headers: { Host: "\t" } }, 400],
    ["a Host with a path [C10]", { headers: { Host: "localhost/x" } }, 400],
    ["a port that cannot be [C10]", { headers: { Host: "localhost:65536" } }, 400],
    ["a target of another host [C10]", { path: "http://elsewhere/" }, 400],
    ["no origin that can be read [C09]", { headers: { Origin: "null" } }, 403],
    ["the host as a part of another [C09]", { headers: { Origin: "http://localhost.evil.example" } }, 403],
    ["two origins [C09]", { headers: { Origin: ["http://localhost", "http://localhost"] } }, 400],
    ["a subprotocol twice [R6455-4.1-17]", { headers: { "Sec-WebSocket-Protocol": ["chat", "chat"] } }, 400],
    ["a subprotocol behind 3000 spaces [C02]", { headers: { "Sec-WebSocket-Protocol": `b${" ".repeat(3000)}x` } }, 400],
    [
      "33 subprotocols [C02]",
      { headers: { "Sec-WebSocket-Protocol": Array.from({ length: 33 }, (_, i) => `p${i}`) } },
      431,
    ],
    ["17 extensions [C02]", { headers: { "Sec-WebSocket-Extensions": Array<string>(17).fill("x").join() } }, 431],
    ["extensions beyond 16 KiB [C02]", { headers: { "Sec-WebSocket-Extensions": "x".repeat(16_385) } }, 431],
    ["a quoted value that never ends [C02]", { headers: { "Sec-WebSocket-Extensions": 'a; b="\\"\\"' } }, 400],
    ["a body by chunks [C08]", { headers: { "Transfer-Encoding": "chunked" } }, 400],
    ["a body by length [C08]", { headers: { "Content-Length": "3" } }, 400],
    ["both [C08]", { headers: { "Content-Length": "3", "Transfer-Encoding": "chunked" } }, 400],
    ["two lengths [C08]", { headers: { "Content-Length": ["0", "3"] } }, 400],
    ["a NUL in a value [C07]", { headers: { "X-A": "a\0b" } }, 400],
    ["a line that goes on [C07]", requestText().replace("\r\n\r\n", "\r\nX-A: b\r\n c\r\n\r\n"), 400],
    ["a carriage return alone [C07]", requestText().replace("\r\n\r\n", "\r\nX-A: b\rX-B: c\r\n\r\n"), 400],
    ["HTTP/1.0 [R6455-4.2.1-2]", { version: "1.0" }, 400],
    ["a path that nothing is at [R6455-4.2.2-5]", { path: "/nothing" }, 404],
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400],
    ["frames and no request", `${text("hello").toString("latin1")}\r\n\r\n`, 400],
  ])("%s", async (_, request, status) => {
    const bytes = Buffer.from(typeof request === "string" ? request : requestText(request), "latin1");
    const response = parseResponse(await answered(bytes, cut));
    expect(response.status).toBe(status);
    expect(response.headers.get("connection")).toMatch(/^close/i);
  });

  it("refuses a head beyond 16 KiB, in one field or in many [C01]", async () => {
    for (const headers of [
      { "X-Enormous": "x".repeat(20_000) },
      Object.fromEntries(Array.from({ length: 2001 }, (_, i) => [`X-${i}`, "12345"])),
    ]) {
      expect(parseResponse(await answered(bytesOf({ headers }), cut)).status).toBe(431);
    }
  });
});

describe("bytes behind a request [C08]", () => {
  const second = "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n";

  it.each<[string, RawRequest]>([
    ["a wrong key", { headers: { "Sec-WebSocket-Key": "" } }],
    ["a body by length", { headers: { "Content-Length": String(second.length) } }],
    ["a body by chunks", { headers: { "Transfer-Encoding": "chunked" } }],
    ["another path", { path: "/nothing" }],
    ["another version", { headers: { "Sec-WebSocket-Version": "8" } }],
    ["another origin", { headers: { Origin: "https://evil.example" } }],
    ["another method", { method: "PUT" }],
    ["an application that says no", { path: "/private" }],
  ])("are never answered as a request after %s", async (_, request) => {
    for (const behind of [second, requestText(), `0\r\n\r\n${second}`]) {
      const answer = await exchange(server.port, requestText(request) + behind);
      expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
      expect(parseResponse(answer).status).toBeGreaterThanOrEqual(400);
    }
  });

  it("are frames behind a right request, and HTTP among them is none", async () => {
    const peer = await sendRaw(server.port, requestText() + second);
    expect(await readHead(peer)).toMatch(/^HTTP\/1\.1 101 /);
    const frames = await peer.allFrames();
    expect(frames.map(({ opcode }) => opcode)).toEqual([8]);
    expect(frames[0]!.payload.readUInt16BE(0)).toBe(1002);
    peer.reset();
  });
});
