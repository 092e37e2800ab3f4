/** Responses that fail an opening handshake, each with an error that names the rule, and those that do not. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { connectAs } from "../../src/client/connect.ts";
import { type ConnectOptions, connect, type HandshakeRule, WebSocket } from "../../src/index.ts";
import { makeCertificates } from "../support/certificates.ts";
import { failsWith } from "../support/failing-answers.ts";
import { leavesNothing } from "../support/leaves-nothing.ts";
import { handshakeErrorOf } from "../support/outcomes.ts";
import { type Answer, acceptance, type ReceivedRequest, rawServer } from "../support/raw-server.ts";
import { serversOfFile } from "../support/servers-of-file.ts";

leavesNothing();
afterEach(() => {
  vi.useRealTimers();
});
const { serveRaw } = serversOfFile();

describe("a response that breaks a rule", () => {
  it.each<[HandshakeRule, string, Parameters<typeof acceptance>[1]]>([
    ["wrong-response-upgrade", "without Upgrade [R6455-4.1-22]", { Upgrade: undefined }],
    ["wrong-response-upgrade", "another Upgrade [R6455-4.1-22]", { Upgrade: "h2c" }],
    ["wrong-response-upgrade", "a list in Upgrade [R6455-4.1-22]", { Upgrade: "websocket, h2c" }],
    ["wrong-response-upgrade", "Upgrade twice [R6455-4.1-22]", { Upgrade: ["websocket", "websocket"] }],
    ["wrong-response-connection", "without Connection [R6455-4.1-23]", { Connection: undefined }],
    ["wrong-response-connection", "another Connection [R6455-4.1-23]", { Connection: "keep-alive" }],
    ["missing-accept", "without Sec-WebSocket-Accept [R6455-4.1-24]", { "Sec-WebSocket-Accept": undefined }],
    [
      "wrong-accept",
      "another key's Sec-WebSocket-Accept [R6455-4.1-24]",
      { "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
    ],
    [
      "unexpected-subprotocol",
      "a subprotocol that was not offered [R6455-4.1-26]",
      { "Sec-WebSocket-Protocol": "mqtt" },
    ],
    [
      "unexpected-subprotocol",
      "an offered subprotocol in another case [R6455-4.1-26]",
      { "Sec-WebSocket-Protocol": "CHAT" },
    ],
    [
      "duplicate-response-subprotocol",
      "two subprotocols [R6455-4.1-27]",
      { "Sec-WebSocket-Protocol": ["chat", "chat"] },
    ],
    [
      "malformed-response-extensions",
      "extensions that are no list [R6455-4.1-27]",
      { "Sec-WebSocket-Extensions": "a; =" },
    ],
    [
      "unexpected-extension",
      "an extension that was not offered [R6455-4.1-25]",
      { "Sec-WebSocket-Extensions": "x-webkit-deflate-frame" },
    ],
    [
      "repeated-extension",
      "permessage-deflate twice",
      { "Sec-WebSocket-Extensions": "permessage-deflate, permessage-deflate" },
    ],
    [
      "invalid-extension-parameters",
      "a window of 7 [B02]",
      { "Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=7" },
    ],
    [
      "invalid-extension-parameters",
      "a parameter named __proto__ [C03]",
      { "Sec-WebSocket-Extensions": "permessage-deflate; __proto__=1" },
    ],
  ])("fails with %s: %s", async (rule, _, fields) => {
    const error = await failsWith(rule, (request) => acceptance(request, fields), {
      subprotocols: ["chat"],
    });
    expect(error.status).toBe(101);
    expect(error.headers).toContain(
      "Sec-WebSocket-Accept" in fields! && !fields["Sec-WebSocket-Accept"] ? "Upgrade" : "Sec-WebSocket-Accept",
    );
  });

  it("fails with duplicate-accept", async () => {
    await failsWith("duplicate-accept", (request) =>
      acceptance(request, { "Sec-WebSocket-Accept": [request.accept, request.accept] }),
    );
  });

  it("fails with duplicate-accept when the second accept is behind very many fields [C01]", async () => {
    await failsWith("duplicate-accept", (request) => {
      const many = "A: b\r\n".repeat(1500);
      return acceptance(request).replace(/\r\n$/, `${many}Sec-WebSocket-Accept: ${request.accept}\r\n\r\n`);
    });
  });

  it("fails with unexpected-extension when nothing was offered", async () => {
    const answer: Answer = (request) => {
      expect(request.values("sec-websocket-extensions")).toEqual([]);
      return acceptance(request, { "Sec-WebSocket-Extensions": "permessage-deflate" });
    };
    await failsWith("unexpected-extension", answer, { compression: false });
  });

  it("fails with missing-response-subprotocol where the caller has WHATWG's rules, and not otherwise", async () => {
    const server = await serveRaw((request) => acceptance(request));
    const url = `ws://127.0.0.1:${server.port}/`;
    const error = await handshakeErrorOf(
      connectAs(url, { subprotocols: ["chat"] }, { entry: connectAs, asBrowsers: true }),
    );
    expect(error.rule).toBe("missing-response-subprotocol");
    const connection = await connect(url, { subprotocols: ["chat"] });
    expect(connection.subprotocol).toBe("");
    connection.terminate();
  });

  it.each([
    ["frames where a response should be", "\x81\x05hello", undefined],
    ["another version of HTTP", "HTTP/2.0 101 Switching Protocols\r\n\r\n", undefined],
    ["a status of four digits", "HTTP/1.1 1010 Switching Protocols\r\n\r\n", undefined],
    ["a head without end", `HTTP/1.1 101 Switching Protocols\r\nX: ${"a".repeat(66_000)}\r\n`, 101],
    ["a NUL in a value", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: web\0socket\r\n\r\n", 101],
    ["a CR alone in a value", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: web\rsocket\r\n\r\n", 101],
    ["a folded line before any field", "HTTP/1.1 101 Switching Protocols\r\n Upgrade: websocket\r\n\r\n", 101],
  ])("fails with malformed-response: %s", async (_, text, status) => {
    const error = await failsWith("malformed-response", () => text);
    expect(error.status).toBe(status);
  });

  it.each([
    ["too large", `X-A: ${"a".repeat(70_000)}\r\n\r\nNo`, "its head has more than 65536 bytes"],
    ["no head", "X-B: b\r\nno field\r\n\r\nNo", "its head has a line that is no field"],
  ])("keeps the status and the fields so far of a refusal whose head is %s", async (_, rest, problem) => {
    const error = await failsWith("status-not-101", () => `HTTP/1.1 403 Forbidden\r\nX-Why: one\r\n${rest}`);
    expect(error.message).toMatch(new RegExp(`: 403, and ${problem}$`));
    expect(error.status).toBe(403);
    expect(error.headers.slice(0, 2)).toEqual(["X-Why", "one"]);
    expect(error.body).toHaveLength(0);
  });

  it("does not follow a redirect whose head is not whole", async () => {
    const answer = () => `HTTP/1.1 302 Found\r\nLocation: /other\r\nX-A: ${"a".repeat(70_000)}\r\n\r\n`;
    const error = await failsWith("status-not-101", answer, { followRedirects: 1 });
    expect(error.status).toBe(302);
  });

  it("knows the status of a refusal that is cut within its head", async () => {
    const error = await failsWith("ended-early", (_, socket) => void socket.end("HTTP/1.1 403 Forbidden\r\nX-Wh"));
    expect(error.status).toBe(403);
  });

  it.each<[string, string, string, string]>([
    ["in chunks", "HTTP/1.1 403 No", "Transfer-Encoding: chunked\r\n", "3\r\nNo \r\n5;x=y\r\nentry\r\n0\r\n\r\n"],
    ["to the end, of HTTP/1.0", "HTTP/1.0 403 No", "", "No entry"],
    ["behind lines that end with LF alone", "HTTP/1.1 403 No", "X-A: b\nContent-Length: 8\n", "No entry"],
  ])("keeps the body of a refusal %s", async (_, statusLine, fields, body) => {
    const end = fields === "" ? (socket: Socket) => void socket.end() : () => {};
    const server = await serveRaw((_, socket) => {
      socket.write(`${statusLine}\r\n${fields}\r\n${body}`, () => end(socket));
      return undefined;
    });
    const error = await handshakeErrorOf(connect(`ws://127.0.0.1:${server.port}/`));
    expect([error.status, Buffer.from(error.body).toString()]).toEqual([403, "No entry"]);
  });

  it("fails with status-not-101 although a 200 says that it upgrades [C08]", async () => {
    const error = await failsWith("status-not-101", (request) =>
      acceptance(request, { "Content-Length": "5" }, "HTTP/1.1 200 OK").concat("hello"),
    );
    expect(error.status).toBe(200);
    expect(error.message).toMatch(/: the status of the response is not 101: 200 "hello"$/);
    expect(Buffer.from(error.body).toString()).toBe("hello");
  });

  it("keeps status, header fields and the first KiB of the body of a refusal [G31 G64]", async () => {
    const body = "No entry. ".repeat(400);
    const error = await failsWith(
      "status-not-101",
      () => `HTTP/1.1 403 Forbidden\r\nX-Why: one\r\nx-why: two\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(error.status).toBe(403);
    expect(error.headers).toEqual(["X-Why", "one", "x-why", "two", "Content-Length", "4000"]);
    expect(Buffer.from(error.body).toString()).toBe(body.slice(0, 1024));
  });

  it.each([
    ["stalls", (socket: Socket) => void socket],
    ["is reset", (socket: Socket) => setImmediate(() => socket.resetAndDestroy())],
  ])("keeps the part that came of a refusal's body that %s", async (_, then) => {
    const server = await rawServer((_, socket) => {
      socket.write("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\nhalf", () => then(socket));
      return undefined;
    });
    const error = await handshakeErrorOf(connect(`ws://127.0.0.1:${server.port}/`));
    expect([error.rule, error.status, Buffer.from(error.body).toString()]).toEqual(["status-not-101", 500, "half"]);
    await server.close();
  });

  it("does not follow a redirect unless asked [R6455-4.1-21]", async () => {
    const error = await failsWith(
      "status-not-101",
      () => "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
    );
    expect(error.status).toBe(302);
  });
});

describe("a response that browsers take", () => {
  const large = "a".repeat(20_000);
  const answers: Record<string, (request: ReceivedRequest) => string> = {
    "of HTTP/1.0": (request) => acceptance(request, {}, "HTTP/1.0 101 Switching Protocols"),
    "with lines that end with LF alone": (request) => acceptance(request).replaceAll("\r\n", "\n"),
    "with folded fields": (request) =>
      acceptance(request, { "X-A": "a\r\n\tb", "Sec-WebSocket-Accept": `\r\n ${request.accept}` }),
    "with a head of more than 16 KiB": (request) => acceptance(request, { "Set-Cookie": [large, large, large] }),
    "with a tab behind Connection": (request) => acceptance(request, { Connection: "Upgrade\t" }),
  };

  it.each(Object.entries(answers))("%s opens, plain and through TLS [R6455-4.1-27]", async (_, answer) => {
    const certificates = makeCertificates();
    for (const options of [{}, { tls: certificates.server }]) {
      const server = await serveRaw((request) => `${answer(request)}\x81\x05hello`, options);
      const url = `${"tls" in options ? "wss" : "ws"}://localhost:${server.port}/`;
      const tls = { ca: certificates.ca };
      // The server does not answer a Close.
      const limits = { closeTimeout: 100 };
      const connection = await connect(url, { tls });
      const { value } = await connection[Symbol.asyncIterator]().next();
      connection.terminate();
      const ws = new WebSocket(url, [], { tls, limits });
      const [{ data }] = (await once(ws as unknown as EventTarget, "message")) as [MessageEvent];
      ws.close();
      expect([value, data]).toEqual(["hello", "hello"]);
      await once(ws as unknown as EventTarget, "close");
    }
    certificates.remove();
  });

  it("opens with a head of maxHeaderSize, by the class too", async () => {
    const server = await serveRaw((request) => acceptance(request, { "X-A": "a".repeat(100_000) }));
    const url = `ws://127.0.0.1:${server.port}/`;
    const limits = { maxHeaderSize: 128 * 1024, closeTimeout: 100 };
    expect((await handshakeErrorOf(connect(url))).message).toMatch(/its head has more than 65536 bytes$/);
    (await connect(url, { limits })).terminate();
    const ws = new WebSocket(url, [], { limits });
    await once(ws as unknown as EventTarget, "open");
    ws.close();
    await once(ws as unknown as EventTarget, "close");
  });
});

describe("a response that is right", () => {
  it("is accepted after informational responses", async () => {
    const server = await serveRaw(
      (request) => `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${acceptance(request)}`,
    );
    const connection = await connect(`ws://127.0.0.1:${server.port}/`);
    connection.terminate();
  });

  it("is accepted with fields of a body, and the bytes behind it are frames [C08]", async () => {
    const server = await serveRaw((request) => `${acceptance(request, { "Content-Length": "4" })}\x81\x05hello`);
    const connection = await connect(`ws://127.0.0.1:${server.port}/`);
    for await (const data of connection) {
      expect(data).toBe("hello");
      break;
    }
    connection.terminate();
  });

  it("is accepted with any case, several tokens, surrounding space and very many fields", async () => {
    const many = Object.fromEntries(Array.from({ length: 1200 }, (_, i) => [`A${i}`, "b"]));
    const server = await serveRaw((request) =>
      acceptance(request, {
        ...many,
        Upgrade: "WebSocket",
        Connection: ["keep-alive", "x, UPGRADE"],
        "Sec-WebSocket-Accept": `  ${request.accept} \t`,
      }),
    );
    const connection = await connect(`ws://127.0.0.1:${server.port}/`);
    connection.terminate();
  });
});

describe("a URL or an option that cannot be", () => {
  it.each<[string, HandshakeRule]>([
    ["//no-scheme", "invalid-url"],
    ["ws://a b/", "invalid-url"],
    ["ftp://localhost/", "unsupported-scheme"],
    ["ws://localhost/#fragment", "url-fragment"],
  ])("rejects %s with %s [R6455-4.1-1]", async (url, rule) => {
    expect((await handshakeErrorOf(connect(url))).rule).toBe(rule);
  });

  it.each<[string, ConnectOptions, RegExp]>([
    ["a line break in a header field [C07]", { headers: { "X-A": "1\r\nX-B: 2" } }, /Cannot add the header field X-A/],
    ["a header field's name with a space [C07]", { headers: [["X A", "1"]] }, /its name is not a token/],
    ["a field of the handshake's own", { headers: { "sec-websocket-key": "x" } }, /the handshake sets it itself/],
    ["a line break in the origin [C07]", { origin: "http://a\r\nX: y" }, /Cannot add the header field Origin/],
    ["a subprotocol that is no token [R6455-4.1-17]", { subprotocols: ["a b"] }, /a subprotocol is not a token/],
    ["a repeated subprotocol [R6455-4.1-17]", { subprotocols: ["a", "a"] }, /a subprotocol is repeated/],
    ["a handshake timeout of 0", { handshakeTimeout: 0 }, /handshakeTimeout must be a number from 1 on/],
    ["a negative number of redirects", { followRedirects: -1 }, /followRedirects must be a whole number from 0 to 20/],
    ["an unknown limit", { limits: { maxSize: 1 } as never }, /there is no limit "maxSize"/],
    [
      "a window of 20",
      { compression: { clientMaxWindowBits: 20 } },
      /clientMaxWindowBits must be a whole number from 8 to 15, not 20/,
    ],
  ])("rejects %s before it connects", async (_, options, message) => {
    const server = await serveRaw((request) => acceptance(request));
    await expect(connect(`ws://127.0.0.1:${server.port}/`, options)).rejects.toThrow(message);
    expect(server.accepted).toBe(0);
  });
});
