/** C01 to C03: heads that are made to crash or to slow down whoever reads them, over real servers. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { type Connection, connect, type HandshakeError } from "../../src/index.ts";
import { parseExtensionList, parseTokenList } from "../../src/protocol/handshake/header-fields.ts";
import { serve } from "../../src/server/server.ts";
import { until } from "../support/connection-pair.ts";
import { refusesManyFields } from "../support/many-fields.ts";
import { oldWs } from "../support/old-ws.ts";
import { exchange, openRaw, parseResponse, readHead, requestText, sendRaw } from "../support/raw-peer.ts";
import { acceptance, rawServer } from "../support/raw-server.ts";
import { afterwards, oldServing, serving } from "../support/serving.ts";

/** A request whose `Upgrade` stands behind so many other fields. */
function behind(count: number): string {
  const fields = Array.from({ length: count }, () => "a: b\r\n").join("");
  return requestText().replace("Upgrade: websocket\r\n", `${fields}Upgrade: websocket\r\n`);
}

async function echoes(port: number): Promise<boolean> {
  const peer = await openRaw(port);
  peer.text("still here");
  const [text] = await peer.nextTexts(1);
  peer.socket.destroy();
  return text === "still here";
}

/** An http server that hands each upgrade to `answer`; what that throws is collected. */
async function upgrading(
  maxHeadersCount: number | undefined,
  answer: (request: IncomingMessage, socket: Socket, head: Buffer) => void,
): Promise<{ port: number; thrown: unknown[] }> {
  const http = createServer();
  if (maxHeadersCount !== undefined) http.maxHeadersCount = maxHeadersCount;
  const thrown: unknown[] = [];
  http.on("upgrade", (request, socket, head) => {
    try {
      answer(request, socket as Socket, head);
    } catch (error) {
      thrown.push(error);
      socket.destroy();
    }
  });
  http.listen(0, "127.0.0.1");
  afterwards(() => http.close());
  await once(http, "listening");
  return { port: (http.address() as AddressInfo).port, thrown };
}

/** Newer runtimes refuse by themselves what C01 is about; then it is only seen that they do. */
const isGuarded = await refusesManyFields();

describe("C01 more header fields than anybody counts", () => {
  test("C01: our listener answers 2001 fields with 431, and lives", async () => {
    const server = await serving({ routes: { "/": { message: (connection, data) => connection.send(data) } } });
    expect(parseResponse(await exchange(server.port, behind(2001))).status).toBe(431);
    expect(await echoes(server.port)).toBe(true);
  });

  test.each([1, 2, 3, 4, 5])("C01: an http server that keeps %i fields gets an answer, not a crash", async (count) => {
    const http = createServer({ requireHostHeader: false });
    http.maxHeadersCount = count;
    http.listen(0, "127.0.0.1");
    afterwards(() => http.close());
    await once(http, "listening");
    const server = await serve({ server: http, routes: { "/": {} } });
    const { port } = http.address() as AddressInfo;
    const short = await sendRaw(port, requestText());
    expect(await readHead(short)).toMatch(/^HTTP\/1\.1 [14]\d\d /);
    short.socket.destroy();
    expect(parseResponse(await exchange(port, behind(2001))).status).toBe(isGuarded ? 431 : 426);
    await until(() => server.connections.size === 0);
  });

  test.each([
    ["2001 fields", undefined, behind(2001)],
    ["maxHeadersCount 1", 1, requestText()],
  ])("C01 control: ws 8.17.0 throws for %s", async (_, count, request) => {
    const old = new oldWs.WebSocketServer({ noServer: true });
    const { port, thrown } = await upgrading(count, (message, socket, head) => {
      old.handleUpgrade(message, socket, head, () => {});
    });
    const answer = await exchange(port, request);
    if (isGuarded) return expect([parseResponse(answer).status, thrown]).toEqual([431, []]);
    expect(answer).toBe("");
    expect(thrown).toHaveLength(1);
    expect(String(thrown[0])).toContain("toLowerCase");
  });

  test("C01: our client finds what stands behind 2001 fields of a response", async () => {
    const fields = Array.from({ length: 2001 }, () => "a: b\r\n").join("");
    const server = await rawServer((request) => acceptance(request).replace("Upgrade:", `${fields}Upgrade:`));
    afterwards(() => server.close());
    const connection = await connect(`ws://127.0.0.1:${server.port}/`);
    expect(connection.readyState).toBe(1);
    connection.terminate();
  });
});

/** How many steps a parser took: how often it looked at a character, by whatever way a string has. */
function steps(text: string, parse: (text: string) => unknown): number {
  let count = 0;
  const prototype = String.prototype as { charCodeAt(at: number): number };
  const { charCodeAt } = prototype;
  prototype.charCodeAt = function (at) {
    count++;
    return charCodeAt.call(this, at);
  };
  try {
    parse(text);
  } finally {
    prototype.charCodeAt = charCodeAt;
  }
  return count;
}

describe("C02 values that take a careless parser the square of their length", () => {
  const hostile = (size: number) => `b${" ".repeat(size)}x`;

  // What `ws` did until 7.4.5, splitting at commas with spaces around and trimming, written as the steps that it takes.
  const splitAndTrim = (text: string): void => {
    for (let start = 0; start < text.length; start++) {
      let at = start;
      while (text.charCodeAt(at) === 0x20) at++;
      if (text.charCodeAt(at) === 0x2c) return;
    }
  };

  test.each([
    ["subprotocols", (text: string) => parseTokenList([text])],
    ["extensions", (text: string) => parseExtensionList([text], 16)],
  ])("C02: %s cost twice the steps for twice the length", (_, parse) => {
    const [few, many] = [steps(hostile(8000), parse), steps(hostile(16_000), parse)];
    expect(few).toBeGreaterThan(0);
    expect(many).toBeLessThanOrEqual(2.1 * few + 16);
  });

  test("C02 control: splitting as old ws did costs four times the steps for twice the length", () => {
    expect(steps(hostile(2000), splitAndTrim)).toBeGreaterThan(3.5 * steps(hostile(1000), splitAndTrim));
  });

  test("C02: the server refuses the value over the wire, a long one before it takes it apart, and lives", async () => {
    const http = createServer({ maxHeaderSize: 64 * 1024 });
    http.listen(0, "127.0.0.1");
    afterwards(() => http.close());
    await once(http, "listening");
    const route = { message: (connection: Connection, data: string | Uint8Array) => connection.send(data) };
    const server = await serving({ server: http, routes: { "/": route } });
    const request = (size: number) => requestText({ headers: { "Sec-WebSocket-Protocol": hostile(size) } });
    for (const size of [4000, 10_000, 20_000]) {
      expect(parseResponse(await exchange(server.port, request(size))).status).toBe(size > 16_384 ? 431 : 400);
    }
    expect(await echoes(server.port)).toBe(true);
  });

  test("C02 control: ws 8.17.0 has no limit on the value, and takes 33 subprotocols and more", async () => {
    const many = Array.from({ length: 500 }, (_, index) => `p${index}`).join(", ");
    const request = requestText({ headers: { "Sec-WebSocket-Protocol": many } });
    const old = await oldServing();
    expect(await readHead(await sendRaw(old.port, request))).toMatch(/^HTTP\/1\.1 101 /);
    const server = await serving({ routes: { "/": {} } });
    expect(parseResponse(await exchange(server.port, request)).status).toBe(431);
  });
});

describe("C03 names that every object has", () => {
  const names = ["__proto__", "constructor", "hasOwnProperty", "toString", "valueOf"];

  test.each(names)("C03: the server passes over an extension named %s, alone and as a parameter", async (name) => {
    const server = await serving({
      compression: true,
      routes: { "/": { message: (connection, data) => connection.send(data) } },
    });
    for (const offer of [name, `permessage-deflate; ${name}`, `permessage-deflate; ${name}=1, ${name}; ${name}=2`]) {
      const peer = await openRaw(server.port, { headers: { "Sec-WebSocket-Extensions": offer } });
      peer.text("still here");
      expect(await peer.nextTexts(1)).toEqual(["still here"]);
      peer.socket.destroy();
    }
    expect(({} as Record<string, unknown>).server_max_window_bits).toBeUndefined();
  });

  test.each(names)("C03: the client refuses an extension named %s, alone and as a parameter", async (name) => {
    for (const extensions of [name, `permessage-deflate; ${name}`]) {
      const server = await rawServer((request) => acceptance(request, { "Sec-WebSocket-Extensions": extensions }));
      const error: HandshakeError = await connect(`ws://127.0.0.1:${server.port}/`).then(
        () => expect.unreachable(),
        (reason) => reason,
      );
      await server.close();
      expect(error.rule).toMatch(/extension/);
    }
  });

  test("C03 control: a parser that collects offers in a plain object finds what nobody sent", () => {
    // As ws did in 2017: push to the list under the name, where there is one already.
    const collect = (text: string): void => {
      const offers: Record<string, unknown[]> = {};
      for (const name of text.split(", ")) {
        if (offers[name] === undefined) offers[name] = [];
        offers[name].push({});
      }
    };
    expect(() => collect("permessage-deflate, x-other")).not.toThrow();
    expect(() => collect("permessage-deflate, constructor")).toThrow(TypeError);
    expect(() => parseExtensionList(["permessage-deflate, constructor"], 16)).not.toThrow();
  });
});
