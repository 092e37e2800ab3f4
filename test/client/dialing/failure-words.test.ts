/** The errors of a failed client: the URL, the response, the remedy, and the line of the program that connected. */
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type ConnectOptions, connect, HandshakeError, serve, WebSocket, WebSocketStream } from "../../../src/index.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { leavesNothing } from "../../support/leaves-nothing.ts";
import { type Answer, acceptance, rawServer } from "../../support/raw-server.ts";

const certificates = makeCertificates();
const opened: { close(): unknown }[] = [];

leavesNothing();
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});
afterAll(() => certificates.remove());

/** Each way to connect, without a frame of the program that waits for it; all give the error with its line. */
const ways: Record<string, (url: string, options: ConnectOptions) => Promise<Error>> = {
  connect: (url, options) =>
    new Promise((resolve) => {
      connect(url, options).catch(resolve); // the line of connect
    }),
  "connect, awaited": async (url, options) => {
    try {
      await connect(url, options); // the line of connect, awaited
    } catch (error) {
      return error as Error;
    }
    return expect.unreachable("connected");
  },
  WebSocket: (url, options) =>
    new Promise((resolve) => {
      const socket = new WebSocket(url, [], options); // the line of WebSocket
      socket.onerror = (event) => {
        expect(event.message).toBe((event.error as Error).message);
        resolve(event.error as Error);
      };
    }),
  WebSocketStream: (url, options) =>
    new Promise((resolve) => {
      const stream = new WebSocketStream(url, options); // the line of WebSocketStream
      stream.opened.catch(resolve);
    }),
};

/** The error of each way to connect, checked for the place of the call and against secrets of the URL. */
async function failures(scheme: "ws" | "wss", port: number, options: ConnectOptions = {}): Promise<Error[]> {
  const errors: Error[] = [];
  for (const [name, fail] of Object.entries(ways)) {
    const error = await fail(`${scheme}://me:userinfo@127.0.0.1:${port}/room?token=query`, options);
    expect(error.message).toContain(`Cannot open the connection to ${scheme}://127.0.0.1:${port}/room?…: `);
    expect(`${error.message}${error.stack}`).not.toMatch(/userinfo|token|query/);
    const kind = name === "WebSocketStream" ? "WebSocketError" : "HandshakeError";
    const [first, caller] = (error.stack ?? "").split(/\n(?= {4}at )/);
    expect(first).toBe(`${kind}: ${error.message}`);
    expect(caller, name).toContain("failure-words.test.ts");
    expect(await sourceLine(caller!), name).toContain(`the line of ${name}`);
    errors.push(error);
  }
  return errors;
}

async function sourceLine(frame: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  const lines = (await readFile(new URL(import.meta.url), "utf8")).split("\n");
  return lines[Number(/:(\d+):\d+\)?$/.exec(frame)?.[1]) - 1] ?? "";
}

async function answering(answer: Answer): Promise<number> {
  const server = await rawServer(answer);
  opened.push(server);
  return server.port;
}

async function vacantPort(): Promise<number> {
  const server = await rawServer(() => undefined);
  await server.close();
  return server.port;
}

describe("every way to connect names the URL without secrets, and the caller's line, when", () => {
  it("nothing listens", async () => {
    const port = await vacantPort();
    for (const { message } of await failures("ws", port)) {
      expect(message).toContain(`nothing listens at 127.0.0.1:${port} (ECONNREFUSED)`);
    }
  });

  it("the server refuses: with its status and the first sentence of the body", async () => {
    const server = await serve({
      host: "127.0.0.1",
      routes: { "/room": { upgrade: () => new Response("Token expired. Log in again.", { status: 401 }) } },
    });
    opened.push(server);
    for (const { message } of await failures("ws", server.port)) expect(message).toMatch(/: 401 "Token expired\."$/);
  });

  it("the response breaks a rule", async () => {
    const port = await answering((request) => acceptance(request, { "Sec-WebSocket-Protocol": "b" }));
    for (const { message } of await failures("ws", port)) expect(message).toMatch(/that was not offered: "b"$/);
  });

  it("no answer comes in time", async () => {
    const port = await answering(() => undefined);
    for (const { message } of await failures("ws", port, { handshakeTimeout: 20 })) {
      expect(message).toMatch(/the server did not answer in time: it had 20 ms/);
    }
  });

  it("the server ends the connection, as servers of TLS do: wss is named", async () => {
    const tls = { cert: certificates.server.cert, key: certificates.server.key };
    const server = await serve({ host: "127.0.0.1", tls, routes: {} });
    opened.push(server);
    for (const { message } of await failures("ws", server.port)) expect(message).toMatch(/has to begin with wss:$/);
  });

  it("the server answers with an alert of TLS: wss is named", async () => {
    const port = await answering(() => Buffer.from([0x15, 3, 3, 0, 2, 2, 10]));
    for (const { message } of await failures("ws", port)) {
      expect(message).toMatch(/it is TLS, so the URL has to begin with wss:$/);
    }
  });

  it("the server speaks no TLS: ws is named", async () => {
    const http = createHttpServer().listen(0, "127.0.0.1");
    opened.push(http);
    const { port } = await new Promise<AddressInfo>((resolve) => {
      http.on("listening", () => resolve(http.address() as AddressInfo));
    });
    for (const { message } of await failures("wss", port))
      expect(message).toMatch(/perhaps the URL has to begin with ws:/);
  });

  it("the certificate has no trusted issuer: tls: { ca } is named", async () => {
    const { cert, key } = certificates.selfSigned;
    const server = await serve({ host: "127.0.0.1", tls: { cert, key }, routes: {} });
    opened.push(server);
    for (const { message } of await failures("wss", server.port)) expect(message).toMatch(/tls: \{ ca \} says whom/);
  });

  it("the proxy cannot be reached", async () => {
    const port = await vacantPort();
    for (const { message } of await failures("ws", 8080, { proxy: `http://127.0.0.1:${port}` })) {
      expect(message).toContain(`the proxy did not open a tunnel: nothing listens at 127.0.0.1:${port}`);
    }
  });
});

describe("other failures", () => {
  it("a bad port fails in the classes alone, with an error that says so", async () => {
    const error = await ways.WebSocket!("ws://127.0.0.1:25/", {});
    expect(error.message).toMatch(/to ws:\/\/127\.0\.0\.1:25\/: .*port 25 is reserved for another protocol$/);
    expect(error.stack).toContain("failure-words.test.ts");
  });

  it("the stack is the message where a program keeps no frames", async () => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      const error = await ways.connect!("ws://127.0.0.1:1/", {});
      expect(error.stack?.trimEnd()).toBe(`HandshakeError: ${error.message}`);
    } finally {
      Error.stackTraceLimit = limit;
    }
  });

  it("nothing listens on a path", async () => {
    const error = await ways.connect!("ws://localhost/", { socketPath: "/nowhere/socket" });
    expect(error.message).toContain("there is no socket at /nowhere/socket (ENOENT)");
  });

  it("after a redirect the URL is the one that failed", async () => {
    const last = await answering(() => "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
    const first = await answering(() => `HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${last}/new\r\n\r\n`);
    const error = await ways.connect!(`ws://127.0.0.1:${first}/`, { followRedirects: 1 });
    expect(error.message).toMatch(new RegExp(`to ws://127\\.0\\.0\\.1:${last}/new: .*: 410$`));
    const unfollowed = await ways.connect!(`ws://127.0.0.1:${first}/`, {});
    expect(unfollowed.message).toContain(`302, a redirect to http://127.0.0.1:${last}/new; followRedirects says`);
  });

  it("a signal's reason stays as it is, though it is an error of another handshake", async () => {
    const reason = new HandshakeError("timed-out");
    const { message, stack } = reason;
    const port = await answering(() => undefined);
    const { signal } = { signal: AbortSignal.abort(reason) };
    expect(await ways.connect!(`ws://127.0.0.1:${port}/`, { signal })).toBe(reason);
    const later = new AbortController();
    const aborted = ways.connect!(`ws://127.0.0.1:${port}/`, { signal: later.signal });
    later.abort(reason);
    expect(await aborted).toBe(reason);
    expect([reason.message, reason.stack]).toEqual([message, stack]);
  });
});
