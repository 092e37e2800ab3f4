/**
 * connect and WebSocket against servers of others: ws, python's websockets, gorilla and nats-server.
 *
 * @module-tag slow
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import {
  type CloseEvent,
  type Connection,
  type ConnectOptions,
  connect,
  type MessageData,
  WebSocket,
} from "../../src/index.ts";
import { makeCertificates } from "../support/certificates.ts";
import { freePort, startProgram } from "../support/program.ts";
import { debianGoPath, describeWith } from "../support/real-parts.ts";

const certificates = makeCertificates();
const folder = mkdtempSync(join(tmpdir(), "openline-peers-"));
const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});
afterAll(() => {
  certificates.remove();
  rmSync(folder, { recursive: true });
});

const messages: readonly MessageData[] = [
  "",
  "text",
  "ä€𐍈 ".repeat(300),
  new Uint8Array(0),
  new Uint8Array(125).fill(1),
  new Uint8Array(126).fill(2),
  new Uint8Array(70_000).map((_, i) => i * 7),
  "compressible ".repeat(20_000),
];

/** Sends every message, expects each of them back, a Pong for a Ping, and our Close answered. */
async function echoesAll(url: string, options: ConnectOptions): Promise<Connection> {
  const connection = await connect(url, options);
  expect(await connection.ping(new Uint8Array([1, 2, 3]))).toBeGreaterThanOrEqual(0);
  for (const message of messages) connection.send(message);
  const received: MessageData[] = [];
  for await (const data of connection) {
    received.push(typeof data === "string" ? data : new Uint8Array(data));
    if (received.length === messages.length) break;
  }
  expect(received).toEqual(messages);
  connection.close(4321, "enough");
  expect(await connection.closed).toMatchObject({ code: 4321, wasClean: true, initiator: "local" });
  return connection;
}

describe("ws", () => {
  it.each([false, true])("echoes, with compression %s, over TLS", async (compression) => {
    const https = createServer(certificates.server).listen(0, "127.0.0.1");
    await once(https, "listening");
    const server = new WebSocketServer({ server: https, perMessageDeflate: compression });
    opened.push(https);
    server.on("connection", (socket) => {
      socket.on("message", (data, binary) => socket.send(data, { binary }));
    });
    const url = `wss://localhost:${(https.address() as AddressInfo).port}/`;
    const connection = await echoesAll(url, { tls: { ca: certificates.ca } });
    expect(connection.extensions.split(";")[0]).toBe(compression ? "permessage-deflate" : "");
  });

  it("chooses a subprotocol, refuses with a body, and closes first [G65]", async () => {
    const server = new WebSocketServer({
      port: 0,
      host: "127.0.0.1",
      handleProtocols: (offered) => [...offered].at(-1) ?? false,
      verifyClient: ({ req }, answer) => answer(req.url !== "/no", 403, "Not you", { "X-Why": "test" }),
    });
    await once(server, "listening");
    opened.push(server);
    server.on("connection", (socket) => socket.close(1001, "bye"));
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const connection = await connect(url, { subprotocols: ["a", "b"] });
    expect(connection.subprotocol).toBe("b");
    expect(await connection.closed).toMatchObject({ code: 1001, reason: "bye", wasClean: true, initiator: "peer" });
    const refusal = await connect(`${url}/no`).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ rule: "status-not-101", status: 403, body: Buffer.from("Not you") });
    expect((refusal as { headers: string[] }).headers).toContain("X-Why");
  });
});

const pythonServer = `
import asyncio, ssl, sys, websockets
async def echo(socket):
    async for message in socket:
        await socket.send(message)
async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    compression = None if sys.argv[4] == "plain" else "deflate"
    async with websockets.serve(echo, "127.0.0.1", int(sys.argv[1]), ssl=context, compression=compression, subprotocols=["chat"]):
        await asyncio.Future()
asyncio.run(main())
`;

describeWith("python3-websockets", "python's websockets", (python) => {
  it.each(["plain", "deflate"])("echoes, %s, over TLS", async (compression) => {
    const port = await freePort();
    const { cert, key } = certificates.server;
    const files = { script: join(folder, "echo.py"), cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
    writeFileSync(files.script, pythonServer);
    writeFileSync(files.cert, cert);
    writeFileSync(files.key, key);
    opened.push(await startProgram(python, [files.script, String(port), files.cert, files.key, compression], port));
    const options = { tls: { ca: certificates.ca }, subprotocols: ["x", "chat"] };
    const connection = await echoesAll(`wss://127.0.0.1:${port}/`, options);
    expect(connection.subprotocol).toBe("chat");
    expect(connection.extensions.split(";")[0]).toBe(compression === "plain" ? "" : "permessage-deflate");
  });
});

describeWith("golang-github-gorilla-websocket-dev", "gorilla's websocket", (go) => {
  const source = fileURLToPath(new URL("../../conformance/peers/gorilla/main.go", import.meta.url));
  const program = join(folder, "gorilla-echo");
  const goCache = fileURLToPath(new URL("../../.cache/go", import.meta.url));
  beforeAll(() => {
    const environment = { ...process.env, GO111MODULE: "off", GOPATH: debianGoPath, GOCACHE: goCache };
    execFileSync(go, ["build", "-o", program, source], { env: environment, stdio: "pipe" });
  }, 120_000);

  /** Starts the echo server, which prints its URL. */
  async function startGorilla(): Promise<string> {
    const child = spawn(program, { stdio: ["ignore", "pipe", "inherit"] });
    opened.push({ close: () => child.kill("SIGKILL") });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    return line.toString().trim();
  }

  it.each([false, true])("echoes, with compression %s", async (compression) => {
    const connection = await echoesAll(await startGorilla(), { compression });
    expect(connection.extensions.split(";")[0]).toBe(compression ? "permessage-deflate" : "");
  });

  it("echoes to WebSocket as to a browser", async () => {
    const socket = new WebSocket(await startGorilla());
    socket.binaryType = "arraybuffer";
    const log: unknown[] = [];
    socket.onopen = () => {
      log.push("open");
      socket.send("text");
      socket.send(Uint8Array.of(1, 2));
    };
    socket.onmessage = ({ data }) => {
      log.push(data);
      if (typeof data !== "string") socket.close(1000, "enough");
    };
    const [end] = (await once(socket as unknown as EventTarget, "close")) as [CloseEvent];
    expect(log).toEqual(["open", "text", Uint8Array.of(1, 2).buffer]);
    expect(end).toMatchObject({ code: 1000, wasClean: true });
  });
});

describeWith("nats-server", "nats-server", (executable) => {
  async function startNats(): Promise<number> {
    const [client, port] = [await freePort(), await freePort()];
    const file = join(folder, `nats-${port}.conf`);
    const websocket = `websocket { host: "127.0.0.1", port: ${port}, no_tls: true, compression: true }`;
    writeFileSync(file, `host: "127.0.0.1"\nport: ${client}\nmax_payload: 1000000\n${websocket}\n`);
    opened.push(await startProgram(executable, ["-c", file], port));
    return port;
  }

  /** A client of NATS's own protocol; the server's lines come as binary messages. */
  async function linesUntil(connection: Connection, end: string): Promise<string> {
    let text = "";
    while (!text.includes(end)) {
      const { value, done } = await connection[Symbol.asyncIterator]().next();
      if (done) throw new Error(`Closed after ${JSON.stringify(text)}`);
      text += Buffer.from(value as Uint8Array).toString();
    }
    return text;
  }

  it("exchanges compressed messages with us", async () => {
    const connection = await connect(`ws://127.0.0.1:${await startNats()}/`);
    expect(connection.extensions).toMatch(/^permessage-deflate/);
    expect(await linesUntil(connection, "\r\n")).toMatch(/^INFO \{/);
    connection.send(Buffer.from('CONNECT {"verbose":false}\r\nSUB topic 1\r\nPING\r\n'));
    await linesUntil(connection, "PONG\r\n");
    const payload = "news ".repeat(5000);
    connection.send(Buffer.from(`PUB topic ${payload.length}\r\n${payload}\r\n`));
    expect(await linesUntil(connection, `${payload}\r\n`)).toBe(`MSG topic 1 ${payload.length}\r\n${payload}\r\n`);
    connection.close();
    expect(await connection.closed).toMatchObject({ initiator: "local", sent: { code: 1000 } });
  });

  it("answers an empty Close with 1005 on the wire, which no endpoint may send [R6455-7.4.1-2]", async () => {
    const connection = await connect(`ws://127.0.0.1:${await startNats()}/`);
    await linesUntil(connection, "\r\n");
    connection.close(1005);
    expect(await connection.closed).toMatchObject({ code: 1006, wasClean: false, violation: "close-code-invalid" });
  });

  it("exchanges messages with WebSocket", async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${await startNats()}/`);
    socket.binaryType = "arraybuffer";
    let text = "";
    socket.onopen = () => socket.send(Buffer.from('CONNECT {"verbose":false}\r\nPING\r\n'));
    socket.onmessage = ({ data }) => {
      text += Buffer.from(data as ArrayBuffer).toString();
      if (text.endsWith("PONG\r\n")) socket.close(1000);
    };
    const [end] = (await once(socket as unknown as EventTarget, "close")) as [CloseEvent];
    expect(text).toMatch(/^INFO \{.*\r\nPONG\r\n$/);
    expect(end.wasClean).toBe(true);
  });

  it("closes first after a wrong message, as the report says", async () => {
    const connection = await connect(`ws://127.0.0.1:${await startNats()}/`);
    connection.send(Buffer.from("NONSENSE\r\n"));
    const lines: string[] = [];
    for await (const data of connection) lines.push(Buffer.from(data as Uint8Array).toString());
    expect(lines.join("")).toMatch(/^INFO .*\r\n-ERR 'Unknown Protocol Operation'\r\n$/);
    expect(await connection.closed).toMatchObject({
      code: 1002,
      reason: "Protocol Violation",
      wasClean: true,
      initiator: "peer",
      sent: { code: 1002 },
    });
  });
});
