/** Certificates that are renewed while clients are connected. */
import { once } from "node:events";
import { createServer as createTlsServer } from "node:https";
import { connect as connectTcp } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import type { Server } from "../../../src/server/server.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";
import { serving } from "../../support/serving.ts";

let certificates: Certificates;
const routes = {
  "/": { message: (connection: { send(data: unknown): unknown }, data: string | Uint8Array) => connection.send(data) },
};

beforeAll(() => {
  certificates = makeCertificates();
});

afterAll(() => certificates.remove());

/** The name in the certificate that a new client gets. */
async function shown({ port }: Server, options: ConnectionOptions = {}): Promise<string> {
  const socket = connectTls({ port, host: "127.0.0.1", ca: certificates.ca, servername: "localhost", ...options });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

const names = { server: "openline test server", other: "openline test other-host" };
const asOther: ConnectionOptions = { servername: "other.test" };

describe("setSecureContext", () => {
  test("new clients get the new certificate, and open connections stay", async () => {
    const server = await serving({ tls: certificates.server, routes });
    const connection = await connect(`wss://localhost:${server.port}/`, { tls: { ca: certificates.ca } });
    expect(await shown(server)).toBe(names.server);
    server.setSecureContext(certificates.otherHost);
    expect(await shown(server, asOther)).toBe(names.other);
    connection.send("still here");
    for await (const data of connection) {
      expect(data).toBe("still here");
      break;
    }
    await expect(connect(`wss://localhost:${server.port}/`, { tls: { ca: certificates.ca } })).rejects.toMatchObject({
      rule: "tls-failed",
    });
    server.setSecureContext(certificates.server);
    (await connect(`wss://localhost:${server.port}/`, { tls: { ca: certificates.ca } })).terminate();
    expect(server.connections.size).toBeGreaterThan(0);
  });

  test.each([undefined, null, "cert.pem"])("throws for %s, which is no object of options", async (given) => {
    const server = await serving({ tls: certificates.server, routes });
    expect(() => server.setSecureContext(given as never)).toThrow(
      /^Cannot set the secure context: the options must be an object, such as \{ cert, key \}, not /,
    );
    expect(await shown(server)).toBe(names.server);
  });

  test("works behind the PROXY protocol, too", async () => {
    const server = await serving({ tls: certificates.server, proxyProtocol: ["127.0.0.1"], routes });
    server.setSecureContext(certificates.otherHost);
    const socket = connectTls({
      socket: await plainBehind(server.port),
      ca: certificates.ca,
      servername: "other.test",
    });
    await once(socket, "secureConnect");
    expect(socket.getPeerCertificate().subject.CN).toBe(names.other);
    socket.destroy();
  });

  test("keeps options that are left out: protocol versions and the authorities of clients' certificates", async () => {
    const server = await serving({
      tls: {
        ...certificates.server,
        ca: certificates.ca,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: "TLSv1.3",
      },
      routes,
    });
    server.setSecureContext(certificates.otherHost);
    const options = { ...asOther, ...certificates.client };
    expect(await shown(server, options)).toBe(names.other);
    await expect(shown(server, { ...options, maxVersion: "TLSv1.2" })).rejects.toThrow();
    await expect(
      connect(`wss://other.test:${server.port}/`, {
        tls: { ca: certificates.ca, servername: "other.test" },
        createConnection: () => plain(server.port),
      }),
    ).rejects.toThrow();
    server.setSecureContext({ minVersion: "TLSv1.2" });
    expect(await shown(server, { ...options, maxVersion: "TLSv1.2" })).toBe(names.other);
  });

  test.each<[string, () => object]>([
    ["a key of another certificate", () => ({ ...certificates.otherHost, key: certificates.server.key })],
    [
      "no certificate",
      () => ({ cert: "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", key: certificates.server.key }),
    ],
    ["the path of a file", () => ({ cert: "/etc/ssl/cert.pem" })],
  ])("%s throws, and nothing is changed", async (_, options) => {
    const server = await serving({ tls: certificates.server, routes });
    expect(() => server.setSecureContext(options())).toThrow();
    expect(await shown(server)).toBe(names.server);
    server.setSecureContext(certificates.otherHost);
    expect(await shown(server, asOther)).toBe(names.other);
  });

  test("throws for a listener without TLS and for a shared one", async () => {
    const told = /^Cannot set the secure context: this is not a TLS listener of our own/;
    const plainServer = await serving({ routes });
    expect(() => plainServer.setSecureContext(certificates.server)).toThrow(told);
    const shared = createTlsServer(certificates.server);
    const server = await serving({ server: shared, routes });
    expect(() => server.setSecureContext(certificates.server)).toThrow(told);
  });
});

async function plain(port: number) {
  const socket = connectTcp(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

async function plainBehind(port: number) {
  const socket = await plain(port);
  socket.write("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n");
  return socket;
}
