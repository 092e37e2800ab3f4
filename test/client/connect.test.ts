/** The connection that `connect` opens, and the options that shape it. */
import { connect as netConnect } from "node:net";
import type { Duplex } from "node:stream";
import { describe, expect, it, type MockInstance, vi } from "vitest";
import { type Connection, type ConnectOptions, connect, type MessageData } from "../../src/index.ts";
import { until } from "../support/connection-pair.ts";
import { RawPeer } from "../support/raw-peer.ts";
import { acceptance } from "../support/raw-server.ts";
import { leftovers, noteResources } from "../support/resources.ts";
import { serversOfFile } from "../support/servers-of-file.ts";

const { serveEcho, serveRaw } = serversOfFile();

async function next(connection: Connection): Promise<MessageData | undefined> {
  return (await connection[Symbol.asyncIterator]().next()).value;
}

describe("a connection", () => {
  it("sends, receives and closes, and leaves nothing behind [G39 G40 G63 G72]", async () => {
    const before = await noteResources();
    const server = await serveEcho();
    const connection = await connect(server.url);
    expect([connection.role, connection.readyState, connection.subprotocol, connection.extensions]).toEqual([
      "client",
      1,
      "",
      "",
    ]);
    connection.send("text");
    connection.send(new Uint8Array([1, 2]));
    expect(await next(connection)).toBe("text");
    expect(await next(connection)).toEqual(new Uint8Array([1, 2]));
    connection.close(4000, "done");
    expect(await connection.closed).toMatchObject({
      code: 4000,
      wasClean: true,
      initiator: "local",
      sent: { code: 4000, reason: "done" },
    });
    await server.close();
    expect(await leftovers(before)).toEqual({});
  });

  it("knows the addresses of both ends, while it is open [G66 G67]", async () => {
    let peer: Connection | undefined;
    const server = await serveEcho({
      routes: {
        "/": {
          open: (connection) => {
            peer = connection;
          },
        },
      },
    });
    const connection = await connect(server.url);
    await until(() => peer !== undefined);
    expect([connection.remoteAddress, connection.remotePort]).toEqual(["127.0.0.1", server.port]);
    expect(connection.localAddress).toBe("127.0.0.1");
    expect(peer!.remotePort).toBe(connection.localPort);
    expect([peer!.remoteAddress, peer!.localAddress, peer!.localPort]).toEqual(["127.0.0.1", "127.0.0.1", server.port]);
    connection.terminate();
  });

  it("calls its handlers after the promise has resolved", async () => {
    const seen: string[] = [];
    const server = await serveRaw((request, socket) => {
      const peer = new RawPeer(socket, "server");
      socket.write(acceptance(request));
      peer.send(
        { opcode: 9, payload: "ping" },
        { opcode: 1, payload: "one" },
        { opcode: 10, payload: "pong" },
        { opcode: 8, payload: Buffer.of(3, 0xe8) },
      );
      peer.end();
      return undefined;
    });
    const closed = new Promise<void>((resolve) => {
      void connect(`ws://127.0.0.1:${server.port}/`, {
        upgrade: (response) => void seen.push(`upgrade ${response.status}`),
        open: () => void seen.push("open"),
        ping: (_, payload) => void seen.push(`${Buffer.from(payload)}`),
        pong: (_, payload) => void seen.push(`${Buffer.from(payload)}`),
        message: (_, data) => void seen.push(`message ${data}`),
        close: () => {
          seen.push("close");
          resolve();
        },
      })
        .then((connection) => connection)
        .then((connection) => void seen.push(`resolved ${connection.readyState}`));
    });
    await closed;
    expect(seen).toEqual(["upgrade 101", "resolved 1", "open", "ping", "message one", "pong", "close"]);
  });

  it("is given up when upgrade throws", async () => {
    const server = await serveRaw((request) => acceptance(request));
    const error = new Error("Not like this");
    const upgrade = () => {
      throw error;
    };
    await expect(connect(`ws://127.0.0.1:${server.port}/`, { upgrade })).rejects.toBe(error);
  });

  it.each(["whole", "bytewise"])("loses no bytes that come with the 101, %s [C16]", async (cut) => {
    const server = await serveRaw((request, socket) => {
      const bytes = Buffer.from(`${acceptance(request)}\x81\x03one\x82\x03two\x88\x02\x03\xe8`, "latin1");
      socket.setNoDelay(true);
      if (cut === "whole") socket.end(bytes);
      else for (const byte of bytes) socket.write(Buffer.of(byte));
      socket.end();
      return undefined;
    });
    const connection = await connect(`ws://127.0.0.1:${server.port}/`);
    const received: string[] = [];
    for await (const data of connection) received.push(Buffer.from(data as string).toString());
    expect(received).toEqual(["one", "two"]);
  });

  it("answers a Close although the server's end came with it", async () => {
    let peer: RawPeer | undefined;
    const server = await serveRaw((request, socket) => {
      peer = new RawPeer(socket, "server");
      socket.end(Buffer.from(`${acceptance(request)}\x88\x02\x03\xe9`, "latin1"));
      return undefined;
    });
    const connection = await connect(`ws://127.0.0.1:${server.port}/`);
    expect(await connection.closed).toMatchObject({ code: 1001, wasClean: true, initiator: "peer" });
    expect(await peer!.allFrames()).toMatchObject([{ opcode: 8, payload: Buffer.from([3, 0xe9]) }]);
  });

  it.each<[string, ConnectOptions]>([
    ["of our own making", {}],
    ["of the caller's making", { createConnection: ({ host, port }) => netConnect({ host, port }) }],
  ])("finishes its replies after the server's end, over a socket %s", async (_, options) => {
    let peer: RawPeer | undefined;
    const server = await serveRaw((request, socket) => {
      peer = new RawPeer(socket, "server");
      socket.end(Buffer.from(`${acceptance(request)}\x81\x03one\x88\x02\x03\xe8`, "latin1"));
      return undefined;
    });
    const connection = await connect(`ws://127.0.0.1:${server.port}/`, {
      ...options,
      message: async (connection, data) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        connection.send(`late answer to ${data}`);
      },
    });
    expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true, initiator: "peer" });
    const frames = await peer!.allFrames();
    expect(frames.map(({ opcode }) => opcode)).toEqual([1, 8]);
    expect(frames[0]!.payload.toString()).toBe("late answer to one");
  });

  it("ends the handshake's own listeners with it", async () => {
    const server = await serveRaw((request) => acceptance(request));
    let stream: Duplex | undefined;
    let noDelay: MockInstance | undefined;
    const connection = await connect(`ws://127.0.0.1:${server.port}/`, {
      createConnection: ({ host, port }) => {
        const socket = netConnect({ host, port });
        noDelay = vi.spyOn(socket, "setNoDelay");
        stream = socket;
        return socket;
      },
    });
    await new Promise(setImmediate);
    expect(noDelay).toHaveBeenCalledWith(true);
    const ours = ["data", "end", "drain", "error", "close"];
    expect(Object.fromEntries(ours.map((name) => [name, stream!.listenerCount(name)]))).toEqual({
      data: 1,
      // Every socket has one listener of Node's own.
      end: 2,
      // The event has a listener only while the socket is full.
      drain: 0,
      error: 1,
      close: 1,
    });
    connection.terminate();
  });
});

it.each<[string, unknown]>([
  ["the options must be an object, not 5", 5],
  ['subprotocols are one of the options: connect(url, { subprotocols: ["…"] })', "chat"],
  ['subprotocols are one of the options: connect(url, { subprotocols: ["…"] })', ["chat"]],
  [
    'tls.ca must be the PEM text, which begins with "-----BEGIN", not the path of a file: readFileSync(path) reads it',
    { tls: { ca: ["-----BEGIN CERTIFICATE-----", "ca.pem"] } },
  ],
  ['there is no option "header"; did you mean "headers"?', { header: {} }],
  ['the option "subprotocols" must be an array, not "chat"', { subprotocols: "chat" }],
  ['the option "message" must be a function, not true', { message: true }],
])("Cannot connect: %s", async (message, options) => {
  await expect(connect("ws://127.0.0.1:1", options as object)).rejects.toThrow(
    new TypeError(`Cannot connect: ${message}`),
  );
});

describe("options of the connection", () => {
  it("compression is on by default, where the server has it [G61]", async () => {
    const server = await serveEcho({ compression: true });
    const connection = await connect(server.url);
    expect(connection.extensions).toMatch(
      /^permessage-deflate; server_no_context_takeover; client_no_context_takeover/,
    );
    const text = "again and again ".repeat(1000);
    connection.send(text);
    expect(await next(connection)).toBe(text);
    connection.terminate();
    const plain = await connect(server.url, { compression: false });
    expect(plain.extensions).toBe("");
    plain.terminate();
  });

  it('text is delivered as bytes with text: "bytes"', async () => {
    const server = await serveEcho();
    const connection = await connect(server.url, { text: "bytes" });
    connection.send("ä");
    expect(await next(connection)).toEqual(new Uint8Array([0xc3, 0xa4]));
    connection.terminate();
  });

  it("limits hold", async () => {
    const server = await serveEcho();
    const connection = await connect(server.url, { limits: { maxMessageSize: 3 } });
    connection.send("1234");
    expect(await connection.closed).toMatchObject({ code: 1006, initiator: "local", sent: { code: 1009 } });
  });

  it("an exception of a handler goes to the error handler, and closes with 1011", async () => {
    const server = await serveEcho();
    const errors: unknown[] = [];
    const problem = new Error("Not this one");
    const connection = await connect(server.url, {
      message: () => {
        throw problem;
      },
      error: (_, error) => void errors.push(error),
    });
    connection.send("x");
    expect(await connection.closed).toMatchObject({ sent: { code: 1011 } });
    expect(errors).toEqual([problem]);
  });
});
