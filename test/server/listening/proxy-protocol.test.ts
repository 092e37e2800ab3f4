/** A listener behind proxies of the PROXY protocol: scripted ones, and HAProxy itself. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import type { LogRecord } from "../../../src/server/log.ts";
import { route } from "../../../src/server/route.ts";
import type { ServeOptions } from "../../../src/server/serve-options.ts";
import { serve } from "../../../src/server/server.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";
import { until } from "../../support/connection-pair.ts";
import { freePort, startProgram } from "../../support/program.ts";
import { binaryHeader, ipv6Addresses, tlv } from "../../support/proxy-headers.ts";
import { exchange, parseResponse, RawPeer, readHead, requestText, sendRaw } from "../../support/raw-peer.ts";
import { describeWith } from "../../support/real-parts.ts";
import { afterwards, serving } from "../../support/serving.ts";
import { frameFrom } from "../../support/wire.ts";

let certificates: Certificates;

beforeAll(() => {
  certificates = makeCertificates();
});

afterAll(() => certificates.remove());

/** Sends the client's address, as fast handshakes and as `upgrade` know it. */
const routes = {
  "/": {
    message: (connection: { remoteAddress: string | undefined; send(data: string): unknown }) => {
      connection.send(`${connection.remoteAddress}`);
    },
  },
  "/asked": route({
    upgrade: ({ remoteAddress, request }) => ({ data: `${remoteAddress} by ${request.socket.remoteAddress}` }),
    message: (connection) => void connection.send(`${connection.data} ${connection.remoteAddress}`),
  }),
};
const behind = (options: Partial<ServeOptions> = {}) =>
  serving({ proxyProtocol: ["127.0.0.1"], routes, ...options } as ServeOptions);

const line = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
const headers: [title: string, header: string | Buffer, address: string][] = [
  ["version 1", line, "192.0.2.1"],
  ["version 1, IPv6", "PROXY TCP6 2001:db8::1 ::1 56324 443\r\n", "2001:db8::1"],
  ["version 1, UNKNOWN", "PROXY UNKNOWN\r\n", "127.0.0.1"],
  ["version 2", binaryHeader({ tlvs: tlv(3, Buffer.alloc(4)) }), "192.0.2.1"],
  [
    "version 2, IPv6",
    binaryHeader({ families: 0x21, addresses: ipv6Addresses("20010db8000000000000000000000001") }),
    "2001:db8::1",
  ],
  ["version 2, LOCAL", binaryHeader({ command: 0x20 }), "127.0.0.1"],
];
const question = frameFrom("client", { opcode: 1, payload: "who am I?" });

/** Sends bytes whole, or each byte in a segment of its own. */
async function sendTo(port: number, bytes: Buffer, bytewise: boolean): Promise<RawPeer> {
  const peer = await sendRaw(port);
  peer.socket.setNoDelay(true);
  for (const part of bytewise ? bytes : [bytes]) {
    peer.socket.write(typeof part === "number" ? Uint8Array.of(part) : part);
    if (bytewise) await new Promise(setImmediate);
  }
  return peer;
}

describe.each([false, true])("byte by byte: %s", (bytewise) => {
  test.each(headers)(
    "%s gives the client's address, in one piece with the handshake and a message",
    async (_, header, address) => {
      const { port } = await behind();
      for (const [path, said] of [
        ["/", address],
        ["/asked", `${address} by 127.0.0.1 ${address}`],
      ] as const) {
        const bytes = Buffer.concat([Buffer.from(header), Buffer.from(requestText({ path })), question]);
        const peer = await sendTo(port, bytes, bytewise);
        expect(await readHead(peer)).toMatch(/^HTTP\/1\.1 101 /);
        expect(await peer.nextTexts(1)).toEqual([said]);
        peer.reset();
      }
    },
  );

  test.each(headers)("%s comes before TLS", async (_, header, address) => {
    const { port } = await behind({ tls: certificates.server });
    const transport = await sendTo(port, Buffer.from(header), bytewise);
    transport.socket.removeAllListeners("data");
    const socket = connectTls({ socket: transport.socket, servername: "localhost", ca: certificates.ca });
    const peer = new RawPeer(socket as never, "client");
    await once(socket, "secureConnect");
    socket.write(Buffer.concat([Buffer.from(requestText({ path: "/asked" })), question]));
    expect(await readHead(peer)).toMatch(/^HTTP\/1\.1 101 /);
    expect(await peer.nextTexts(1)).toEqual([`${address} by 127.0.0.1 ${address}`]);
    transport.reset();
  });

  test.each<[string, string | Buffer]>([
    ["no header", requestText()],
    ["a broken header", "PROXY TCP4 192.0.2.1\r\n"],
    ["a line too long", `PROXY UNKNOWN ${"x".repeat(200)}`],
    ["a header too long", binaryHeader({ length: 65_535 })],
  ])("%s of a trusted address is ended without an answer, counted and logged [C20]", async (_, bytes) => {
    const records: LogRecord[] = [];
    const server = await behind({ log: (record) => records.push(record) });
    const peer = await sendTo(server.port, Buffer.from(bytes), bytewise);
    await peer.until(() => false);
    expect(peer.received).toHaveLength(0);
    peer.socket.destroy();
    expect(server.metrics().refused).toEqual({ "malformed-proxy-header": 1 });
    expect(records).toMatchObject([
      { event: "refused", reason: "malformed-proxy-header", status: 0, remoteAddress: "127.0.0.1" },
    ]);
    expect(records[0]!.message).toBe(
      "Refused the handshake at an unknown path from 127.0.0.1 without an answer: malformed-proxy-header",
    );
  });

  test("a client that is no trusted proxy cannot give an address, and gets no answer [C20]", async () => {
    const server = await behind({ proxyProtocol: ["10.0.0.0/8", "::1"] });
    for (const text of [line + requestText(), requestText()]) {
      const peer = await sendTo(server.port, Buffer.from(text), bytewise);
      await peer.until(() => false);
      expect(peer.received).toHaveLength(0);
      peer.socket.destroy();
    }
    expect(server.metrics()).toMatchObject({ refused: { "untrusted-proxy": 2 }, opened: 0 });
  });

  test("control: where every address is trusted, a client has the address that it claims [C20]", async () => {
    const { port } = await behind({ proxyProtocol: ["0.0.0.0/0"] });
    const bytes = Buffer.concat([Buffer.from(line + requestText()), question]);
    const peer = await sendTo(port, bytes, bytewise);
    await readHead(peer);
    expect(await peer.nextTexts(1)).toEqual(["192.0.2.1"]);
    peer.reset();
  });
});

test("without the option, a header is refused as malformed HTTP [C20]", async () => {
  const { port } = await serving({ routes });
  for (const header of [line, binaryHeader()]) {
    expect(parseResponse(await exchange(port, header, requestText())).status).toBe(400);
  }
});

test("a header that does not come in time ends the connection; without a byte of it, nothing is logged [C05]", async () => {
  const server = await behind({ limits: { handshakeTimeout: 50 } });
  const quiet = await sendRaw(server.port);
  quiet.end();
  await quiet.closed;
  expect(server.metrics().refused).toEqual({});
  const peer = await sendRaw(server.port, line.slice(0, 10));
  await peer.until(() => false);
  peer.socket.destroy();
  expect(server.metrics().refused).toEqual({ "proxy-header-too-slow": 1 });
  const half = await sendRaw(server.port, line.slice(0, 10));
  half.end();
  await half.closed;
  await until(() => server.metrics().refused["malformed-proxy-header"] === 1);
});

test.each(["plain", "tls"])("close ends connections whose header has not come: %s", async (kind) => {
  const server = await behind(kind === "tls" ? { tls: certificates.server } : {});
  const peer = await sendRaw(server.port, "PRO");
  // Another connection shows that this one was accepted.
  const other = await sendRaw(server.port, "x");
  await other.until(() => false);
  await server.close();
  await peer.until(() => false);
  peer.socket.destroy();
  other.socket.destroy();
});

test("the header's address is limited, logged, and the first hop of X-Forwarded-For", async () => {
  const records: LogRecord[] = [];
  const server = await behind({
    limits: { maxConnectionsPerAddress: 1 },
    log: (record) => records.push(record),
  });
  const open = (source: string, request = requestText()) =>
    sendRaw(server.port, `PROXY TCP4 ${source} 198.51.100.7 56324 443\r\n${request}`);
  const first = await open("192.0.2.1");
  expect(await readHead(first)).toMatch(/ 101 /);
  expect(await readHead(await open("192.0.2.1"))).toMatch(/ 503 /);
  expect(await readHead(await open("192.0.2.2"))).toMatch(/ 101 /);
  expect(records).toMatchObject([{ reason: "too-many-from-address", remoteAddress: "192.0.2.1" }]);
  expect([...server.connections].map(({ remoteAddress }) => remoteAddress)).toEqual(["192.0.2.1", "192.0.2.2"]);

  const chained = await behind({ trustProxy: ["192.0.2.0/24"] });
  for (const [source, address] of [
    ["192.0.2.1", "203.0.113.9"],
    ["198.51.100.1", "198.51.100.1"],
  ]) {
    const request = requestText({ headers: { "X-Forwarded-For": "203.0.113.9" } });
    const peer = await sendRaw(chained.port, `PROXY TCP4 ${source} 198.51.100.7 1 2\r\n${request}`, question);
    await readHead(peer);
    expect(await peer.nextTexts(1)).toEqual([address]);
    peer.reset();
  }
});

test("plain requests, and several on one connection, are answered behind one header", async () => {
  const { port } = await behind({ request: (request, response) => void response.end(`${request.url} `) });
  const request = (path: string) => requestText({ path, headers: { Upgrade: "", Connection: "" } });
  const peer = await sendRaw(port, line + request("/one") + request("/two"));
  await peer.until(() => peer.received.includes("/two "));
  peer.socket.write(requestText());
  await peer.until(() => peer.received.includes("HTTP/1.1 101 "));
  peer.reset();
});

test.each<[string, object, typeof TypeError | typeof RangeError]>([
  ["no list", { proxyProtocol: true }, TypeError],
  ["an empty list", { proxyProtocol: [] }, TypeError],
  ["a name", { proxyProtocol: ["localhost"] }, TypeError],
  ["a Unix socket", { proxyProtocol: ["127.0.0.1"], listenOptions: { path: "/tmp/none" } }, TypeError],
])("%s is refused", async (_, options, kind) => {
  await expect(serve({ routes: {}, ...options } as never)).rejects.toThrow(kind);
});

describeWith("haproxy", "behind HAProxy", (executable) => {
  describe.each([
    ["1", "send-proxy"],
    ["2", "send-proxy-v2"],
    ["2 with checksums and more", "send-proxy-v2 proxy-v2-options crc32c,unique-id,ssl"],
  ])("version %s", (_, option) => {
    async function inFront(backend: number): Promise<number> {
      const folder = mkdtempSync(join(tmpdir(), "haproxy-"));
      const port = await freePort();
      const text = `defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen openline
  bind 127.0.0.1:${port}
  server one 127.0.0.1:${backend} ${option} check inter 50
`;
      writeFileSync(join(folder, "cfg"), text);
      const program = await startProgram(executable, ["-db", "-f", join(folder, "cfg")], port);
      afterwards(async () => {
        await program.close();
        rmSync(folder, { recursive: true });
      });
      return port;
    }

    test.each(["plain", "tls"])("%s gives the client's address, and messages come back", async (kind) => {
      const records: LogRecord[] = [];
      const server = await behind({
        log: (record) => records.push(record),
        ...(kind === "tls" && { tls: certificates.server }),
      });
      const port = await inFront(server.port);
      for (const path of ["/", "/asked"]) {
        const connection = await connect(`${kind === "tls" ? "wss" : "ws"}://localhost:${port}${path}`, {
          tls: { ca: certificates.ca },
          createConnection: () => connectTcp({ host: "127.0.0.1", port, localAddress: "127.0.0.5" }),
        });
        connection.send("who am I?");
        for await (const data of connection) {
          expect(data).toBe(path === "/" ? "127.0.0.5" : "127.0.0.5 by 127.0.0.1 127.0.0.5");
          break;
        }
      }
      // The health checks of HAProxy are not logged either.
      expect(records).toEqual([]);
    });
  });
});
