/** wss: the servers that a client trusts, the name that it sends, and its own certificate (R6455-4.1-7, C13). */
import { once } from "node:events";
import { type AddressInfo, createServer, connect as netConnect } from "node:net";
import { type ConnectionOptions, type TLSSocket, type TlsOptions, connect as tlsConnect } from "node:tls";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type ConnectOptions, connect } from "../../../src/index.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { leavesNothing } from "../../support/leaves-nothing.ts";
import { handshakeErrorOf } from "../../support/outcomes.ts";
import { RawPeer } from "../../support/raw-peer.ts";
import { acceptance, type RawServer, rawServer } from "../../support/raw-server.ts";
import type { ReadFrame } from "../../support/wire.ts";

const certificates = makeCertificates();
const { ca, server: pair } = certificates;
const opened: { close(): unknown }[] = [];

leavesNothing();
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});
afterAll(() => certificates.remove());

/** A server over TLS that sends the server name it was asked for and the name in the client's certificate. */
async function serveTls(tls: TlsOptions = pair): Promise<RawServer> {
  const server = await rawServer(
    (request, socket) => {
      const { servername, authorized } = socket as TLSSocket & { servername: string | false };
      return acceptance(request, { "X-Name": String(servername), "X-Client": String(authorized) });
    },
    { tls },
  );
  opened.push(server);
  return server;
}

async function fieldsOf(url: string, options: ConnectOptions): Promise<readonly string[]> {
  let fields: readonly string[] = [];
  const connection = await connect(url, {
    ...options,
    upgrade: ({ rawHeaders }) => {
      fields = rawHeaders;
    },
  });
  connection.terminate();
  await connection.closed;
  return fields.slice(fields.indexOf("X-Name"));
}

const failure = (url: string, options: ConnectOptions) => handshakeErrorOf(connect(url, options));

describe("a server over TLS", () => {
  it("is trusted by its chain and gets its name, unless that is an address [R6455-4.1-8 R6455-4.2.2-1 R6455-10.6-1 G55]", async () => {
    const server = await serveTls();
    expect(await fieldsOf(`wss://localhost:${server.port}/`, { tls: { ca } })).toEqual([
      "X-Name",
      "localhost",
      "X-Client",
      "false",
    ]);
    expect(await fieldsOf(`https://127.0.0.1:${server.port}/`, { tls: { ca } })).toEqual([
      "X-Name",
      "false",
      "X-Client",
      "false",
    ]);
    await server.close();
    opened.length = 0;
  });

  it("is reached and trusted, and gets its name, without the dot at the end of the URL's name [R6455-4.1-8]", async () => {
    const server = await serveTls();
    expect(await fieldsOf(`wss://localhost.:${server.port}/`, { tls: { ca } })).toContain("localhost");
    expect(server.requests[0]!.values("host")).toEqual([`localhost.:${server.port}`]);
  });

  it("gets our late replies although its end came with the message", async () => {
    let answer: Promise<ReadFrame[]> | undefined;
    const server = await rawServer(
      (request, socket) => {
        answer = new RawPeer(socket, "server").allFrames();
        socket.end(Buffer.from(`${acceptance(request)}\x81\x03one\x88\x02\x03\xe9`, "latin1"));
        return undefined;
      },
      { tls: pair },
    );
    opened.push(server);
    const connection = await connect(`wss://127.0.0.1:${server.port}/`, {
      tls: { ca },
      message: async (connection, data) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        connection.send(data);
      },
    });
    expect(await connection.closed).toMatchObject({ code: 1001, wasClean: true });
    expect((await answer)!.map(({ opcode, payload }) => [opcode, payload.toString("latin1")])).toEqual([
      [1, "one"],
      [8, "\x03\xe9"],
    ]);
  });

  it("can be known under another name than the URL's", async () => {
    const server = await serveTls(certificates.otherHost);
    const url = `wss://localhost:${server.port}/`;
    expect(await fieldsOf(url, { tls: { ca, servername: "other.test" } })).toContain("other.test");
  });

  it.each<[string, TlsOptions, ConnectOptions, RegExp]>([
    ["an unknown root [C13]", pair, {}, /certificate|issuer/],
    ["a certificate of its own [C13]", certificates.selfSigned, { tls: { ca } }, /self-signed certificate/],
    ["an expired certificate [C13]", certificates.expired, { tls: { ca } }, /certificate has expired/],
    ["another host's certificate [C13]", certificates.otherHost, { tls: { ca } }, /not in the cert's altnames/],
    [
      "a certificate that `checkServerIdentity` refuses",
      pair,
      { tls: { ca, checkServerIdentity: () => new Error("not mine") } },
      /not mine/,
    ],
    [
      "a `checkServerIdentity` that throws",
      pair,
      {
        tls: {
          ca,
          checkServerIdentity: () => {
            throw new Error("broken");
          },
        },
      },
      /broken/,
    ],
    [
      "a `checkServerIdentity` that throws no error",
      pair,
      {
        tls: {
          ca,
          checkServerIdentity: () => {
            throw "nothing" as never;
          },
        },
      },
      /checkServerIdentity threw "nothing"/,
    ],
    [
      "only protocols that the client refuses",
      { ...pair, maxVersion: "TLSv1.2" },
      { tls: { ca, minVersion: "TLSv1.3" } },
      /alert protocol version|wrong version|unsupported protocol/i,
    ],
  ])("fails with tls-failed over %s, and is sent no request [R6455-4.1-7]", async (_, tls, options, message) => {
    const server = await serveTls(tls);
    const error = await failure(`wss://localhost:${server.port}/`, options);
    expect(error.rule).toBe("tls-failed");
    expect(error.message).toMatch(message);
    expect(error.cause).toBeInstanceOf(Error);
    expect(server.requests).toEqual([]);
    await server.close();
    opened.length = 0;
  });

  it("is checked by its address where the URL has an address [C13]", async () => {
    const server = await serveTls(certificates.otherHost);
    const error = await failure(`wss://127.0.0.1:${server.port}/`, { tls: { ca } });
    expect(error.message).toMatch(/IP: 127\.0\.0\.1 is not in the cert's list/);
  });

  it.each([
    ["speaks plain text", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["leaves", ""],
  ])("fails with tls-failed when it %s", async (_, answer) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(answer));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const error = await failure(`wss://127.0.0.1:${(server.address() as AddressInfo).port}/`, { tls: { ca } });
    expect(error.rule).toBe("tls-failed");
    server.close();
  });

  it("is offered HTTP/1.1 alone", async () => {
    const offered: string[][] = [];
    const server = await serveTls({
      ...pair,
      ALPNCallback: ({ protocols }: { protocols: string[] }) => {
        offered.push(protocols);
        return "http/1.1";
      },
    } as TlsOptions);
    await fieldsOf(`wss://localhost:${server.port}/`, { tls: { ca } });
    expect(offered).toEqual([["http/1.1"]]);
  });

  it("fails with tls-failed when it speaks no HTTP/1.1", async () => {
    const server = await serveTls({ ...pair, ALPNProtocols: ["h2"] });
    const error = await failure(`wss://localhost:${server.port}/`, { tls: { ca } });
    expect([error.rule, error.message]).toEqual(["tls-failed", expect.stringMatching(/alert no application protocol/)]);
  });
});

describe("a client's certificate", () => {
  const wanted: TlsOptions = { ...pair, ca, requestCert: true };

  it("is shown to a server that asks for it [G55]", async () => {
    const server = await serveTls(wanted);
    const tls = { ca, ...certificates.client };
    expect(await fieldsOf(`wss://localhost:${server.port}/`, { tls })).toEqual([
      "X-Name",
      "localhost",
      "X-Client",
      "true",
    ]);
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)("fails with tls-failed when it is missing, by %s", async (version) => {
    const server = await serveTls({ ...wanted, minVersion: version, maxVersion: version });
    const error = await failure(`wss://localhost:${server.port}/`, { tls: { ca } });
    expect([error.rule, error.message]).toEqual(["tls-failed", expect.stringMatching(/alert|disconnected|reset/i)]);
  });
});

describe("a stream of the caller's own", () => {
  async function over(make: (options: ConnectionOptions) => ReturnType<typeof netConnect>): Promise<readonly string[]> {
    const server = await serveTls();
    const createConnection: ConnectOptions["createConnection"] = ({ port }) =>
      make({ port, host: "127.0.0.1", ca, servername: "server.test" });
    return fieldsOf(`wss://localhost:${server.port}/`, { createConnection, tls: { ca } });
  }

  it("is taken as it is when it is TLS [G53]", async () => {
    expect(await over((options) => tlsConnect(options))).toContain("server.test");
  });

  it("becomes TLS when it is plain", async () => {
    expect(await over(({ port, host }) => netConnect({ port: port!, host: host! }))).toContain("localhost");
  });

  it("fails with tls-failed when its TLS fails", async () => {
    const server = await serveTls();
    const createConnection: ConnectOptions["createConnection"] = ({ port }) => tlsConnect({ port, host: "127.0.0.1" });
    expect((await failure(`wss://localhost:${server.port}/`, { createConnection })).rule).toBe("tls-failed");
  });
});
