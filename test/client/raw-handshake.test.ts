/** Responses to `connect` as raw bytes, whole and byte by byte: right ones with frames glued to them, and hostile ones. */
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type Connection, connect, HandshakeError } from "../../src/index.ts";
import { closeStatus, RawPeer } from "../support/raw-peer.ts";
import { acceptance, type RawServer, type ReceivedRequest, rawServer } from "../support/raw-server.ts";
import { frameFrom } from "../support/wire.ts";

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

describe.each(["whole", "bytewise"])("%s", (cut) => {
  /** Answers with bytes; `peers` has the server's ends of the sockets. */
  async function answering(
    answer: (request: ReceivedRequest) => string,
  ): Promise<{ server: RawServer; peers: RawPeer[] }> {
    const peers: RawPeer[] = [];
    const server = await rawServer((request, socket) => {
      peers.push(new RawPeer(socket, "server"));
      void write(socket, Buffer.from(answer(request), "latin1"));
      return undefined;
    });
    opened.push(server);
    return { server, peers };
  }

  async function write(socket: Socket, bytes: Buffer): Promise<void> {
    socket.setNoDelay(true);
    const step = cut === "whole" ? bytes.length : 1;
    for (let at = 0; at < bytes.length && !socket.destroyed; at += step) {
      await new Promise((resolve) => socket.write(bytes.subarray(at, at + step), resolve));
    }
  }

  const frames = (...messages: string[]) =>
    Buffer.concat(messages.map((payload) => frameFrom("server", { opcode: 1, payload }))).toString("latin1");

  async function received(connection: Connection, count: number): Promise<unknown[]> {
    const all: unknown[] = [];
    for await (const data of connection) if (all.push(data) === count) break;
    return all;
  }

  it.each<[string, (request: ReceivedRequest) => string]>([
    ["as the standard has it", (request) => acceptance(request)],
    ["without a reason phrase", (request) => acceptance(request, {}, "HTTP/1.1 101 ")],
    ["that speaks of a body [C08]", (request) => acceptance(request, { "Content-Length": "7" })],
    ["behind informational ones", (request) => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${acceptance(request)}`],
    [
      "in any case, with space and more tokens",
      (request) => acceptance(request, { Upgrade: " WebSocket\t", Connection: ["keep-alive", " x, UPGRADE"] }),
    ],
  ])("a response %s opens, and the frames glued to it are read [R6455-4.1-22 C16]", async (_, answer) => {
    const { server } = await answering((request) => answer(request) + frames("a", "é"));
    const connection = await connect(`ws://127.0.0.1:${server.port}/`);
    // The test's text is latin1 on the wire and UTF-8 in the frames.
    expect(await received(connection, 2)).toEqual(["a", "é"]);
    connection.terminate();
  });

  it("fails the connection, not the handshake, for a glued frame that breaks a rule [C16]", async () => {
    const { server, peers } = await answering((request) => `${acceptance(request)}\x81\x81\0\0\0\0a`);
    const connection = await connect(`ws://127.0.0.1:${server.port}/`);
    const frame = await peers[0]!.nextFrame();
    expect(closeStatus(frame)?.code).toBe(1002);
    peers[0]!.end();
    expect((await connection.closed).violation).toBe("masked-frame");
  });

  it("a Close glued to the response is answered [C16]", async () => {
    const close = frameFrom("server", { opcode: 8, payload: Uint8Array.of(0x0f, 0xa0) }).toString("latin1");
    const { server, peers } = await answering((request) => acceptance(request) + frames("last") + close);
    const connection = await connect(`ws://127.0.0.1:${server.port}/`);
    const messages = received(connection, 2);
    expect(closeStatus(await peers[0]!.nextFrame())?.code).toBe(4000);
    peers[0]!.end();
    expect(await messages).toEqual(["last"]);
    expect(await connection.closed).toMatchObject({ code: 4000, wasClean: true });
  });

  it.each<[string, (request: ReceivedRequest) => string, string]>([
    [
      "a field beyond 64 KiB [C01]",
      (request) => acceptance(request, { "X-A": "a".repeat(66_000) }),
      "malformed-response",
    ],
    [
      "the accept's name misspelt [R6455-4.1-24]",
      (request) => acceptance(request, { "Sec-WebSocket-Accept": undefined, "Sec-Websocket-Accepted": request.accept }),
      "missing-accept",
    ],
    [
      "an extension named constructor [C03]",
      (request) => acceptance(request, { "Sec-WebSocket-Extensions": "constructor" }),
      "unexpected-extension",
    ],
    [
      "a window that is no number [B02]",
      (request) =>
        acceptance(request, { "Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=1e1" }),
      "invalid-extension-parameters",
    ],
    [
      "extensions of 5000 characters [C02]",
      (request) => acceptance(request, { "Sec-WebSocket-Extensions": "x".repeat(5000) }),
      "malformed-response-extensions",
    ],
    ["a value with a NUL", (request) => acceptance(request, { "X-A": "a\0b" }), "malformed-response"],
  ])("%s fails", async (_, answer, rule) => {
    const { server } = await answering(answer);
    const error: unknown = await connect(`ws://127.0.0.1:${server.port}/`).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(HandshakeError);
    expect((error as HandshakeError).rule).toBe(rule);
  });
});
