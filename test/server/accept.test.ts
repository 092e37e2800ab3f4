import { ServerResponse } from "node:http";
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { accept } from "../../src/server/accept.ts";
import { Topics } from "../../src/topics/topics.ts";
import { httpServer } from "../support/http-server.ts";
import { exchange, openRaw, parseResponse, requestText } from "../support/raw-peer.ts";
import { frameFrom } from "../support/wire.ts";

describe("accept", () => {
  test("rejects unknown options", async () => {
    const given = { pach: "/" } as object;
    await expect(accept({} as never, {} as never, new Uint8Array(0), given)).rejects.toThrow(
      new TypeError('Cannot accept: there is no option "pach"'),
    );
  });

  test.each<[string, unknown[], RegExp]>([
    ["a request alone", [], /it needs a request, a socket and a head/],
    ["a request and its response", [new ServerResponse({} as never)], /a response is not the socket/],
    ["no head", [new PassThrough()], /it needs a request, a socket and a head/],
    ["what is no request", [new PassThrough(), new Uint8Array(0)], /it needs a request, a socket and a head/],
    [
      "options in the place of the head",
      [new PassThrough(), { message: () => {} }],
      /accept\(request, socket, head, options\)/,
    ],
  ])("rejects %s, and shows the event that has all three", async (_, given, message) => {
    const error = await (accept as (...given: unknown[]) => Promise<unknown>)({}, ...given).catch((caught) => caught);
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain('http.on("upgrade", (request, socket, head) =>');
  });

  test("rejects limits that it cannot keep, and says where they belong", async () => {
    const given = { limits: { maxConnections: 5 } };
    await expect(accept({} as never, new PassThrough(), new Uint8Array(0), given)).rejects.toThrow(
      /^Cannot accept: limits\.maxConnections has no effect here; .*serve/,
    );
  });

  test("resolves with the connection; messages that came before wait for the loop", async () => {
    const { port } = await httpServer(async (request, socket, head) => {
      const connection = await accept(request, socket, head);
      for await (const data of connection!) connection!.send(data);
    });
    const peer = await openRaw(port, {}, frameFrom("client", { opcode: 1, payload: "glued" }));
    peer.text("later");
    expect(await peer.nextTexts(2)).toEqual(["glued", "later"]);
  });

  test("takes a route's options and handlers, and serves a client of another library [G41 G50]", async () => {
    const { port } = await httpServer((request, socket, head) => {
      void accept(request, socket, head, {
        subprotocols: ["echo"],
        upgrade: ({ subprotocols }) => ({ data: { offered: subprotocols.length } }),
        message: (connection, data) => void connection.send(`${connection.data.offered} ${data}`),
      });
    });
    const client = new WebSocket(`ws://127.0.0.1:${port}/any/path`, ["other", "echo"]);
    const received = await new Promise((resolve) => {
      client.on("open", () => client.send("hello"));
      client.on("message", (data) => resolve(String(data)));
    });
    expect(received).toBe("2 hello");
    expect(client.protocol).toBe("echo");
    client.close();
    await new Promise((resolve) => client.on("close", resolve));
  });

  test("resolves with undefined after a refusal", async () => {
    const outcomes: unknown[] = [];
    const { port } = await httpServer(async (request, socket, head) => {
      outcomes.push(await accept(request, socket, head));
    });
    expect(parseResponse(await exchange(port, requestText({ method: "POST" }))).status).toBe(405);
    expect(outcomes).toEqual([undefined]);
  });

  test("rejects options that cannot be before anything is answered", async () => {
    const errors: unknown[] = [];
    const { port } = await httpServer((request, socket, head) => {
      accept(request, socket, head, { limits: { closeTimeout: -1 } }).catch((error) => {
        errors.push(error);
        socket.destroy();
      });
    });
    expect(await exchange(port, requestText())).toBe("");
    expect(errors).toEqual([expect.any(RangeError)]);
  });

  test.each([{}, new Map()])("rejects topics that were not made by its class: %o", async (topics) => {
    const errors: unknown[] = [];
    const { port } = await httpServer((request, socket, head) => {
      accept(request, socket, head, { topics: topics as Topics }).catch((error) => {
        errors.push(error);
        socket.destroy();
      });
    });
    expect(await exchange(port, requestText())).toBe("");
    expect(errors).toEqual([
      new TypeError('Cannot accept: the option "topics" must be an instance of Topics, not an object'),
    ]);
  });

  test("lets connections publish to each other with topics, and not without", async () => {
    const topics = new Topics();
    const { port } = await httpServer((request, socket, head) => {
      void accept(request, socket, head, {
        ...(request.url === "/topics" && { topics }),
        open: (connection) => connection.subscribe("news"),
        message: (connection, data) => void connection.publish("news", data),
        error: () => {},
      });
    });
    const [one, two] = [await openRaw(port, { path: "/topics" }), await openRaw(port, { path: "/topics" })];
    one.text("hello");
    expect(await two.nextTexts(1)).toEqual(["hello"]);
    const alone = await openRaw(port, { path: "/" });
    expect((await alone.nextFrame())?.payload.readUInt16BE(0)).toBe(1011);
  });
});

test("accept rejects in a `request` listener, and the response can still be written", async () => {
  const { http, port } = await httpServer();
  let error: unknown;
  http.on("request", async (request, response) => {
    await accept(request, request.socket, new Uint8Array(0)).catch((caught) => {
      error = caught;
    });
    response.writeHead(418, { Connection: "close", "Content-Length": 0 }).end();
  });
  expect(parseResponse(await exchange(port, requestText())).status).toBe(418);
  expect(error).toBeInstanceOf(TypeError);
  expect((error as Error).message).toMatch(/^Cannot accept: the request came with the "request" event/);
});
