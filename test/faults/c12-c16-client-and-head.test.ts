/** C12 to C14 and C16: secrets on redirects, certificates, secrets compared, and frames that come with the handshake. */
import { once } from "node:events";
import { createServer, get } from "node:http";
import { type AddressInfo, connect as netConnect, type Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import { afterAll, describe, expect, test } from "vitest";
import { accept, type ConnectOptions, connect } from "../../src/index.ts";
import { makeCertificates } from "../support/certificates.ts";
import { gate, until } from "../support/connection-pair.ts";
import { handshakeErrorOf } from "../support/outcomes.ts";
import { closeStatus, openRaw, requestText, sendRaw } from "../support/raw-peer.ts";
import { acceptance, type RawServer, rawServer } from "../support/raw-server.ts";
import { afterwards, serving } from "../support/serving.ts";
import { buildFrame, frameFrom } from "../support/wire.ts";

const certificates = makeCertificates();
afterAll(() => certificates.remove());

async function starting(...args: Parameters<typeof rawServer>): Promise<RawServer> {
  const server = await rawServer(...args);
  afterwards(() => server.close());
  return server;
}

describe("C12 a redirect to where the secrets are not for", () => {
  const secrets = { Authorization: "Bearer x", Cookie: "a=b" };
  const moved = (location: string) => `HTTP/1.1 302 Moved\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;
  const carried = (server: RawServer) =>
    Object.keys(secrets).filter((name) => server.requests.at(-1)!.values(name.toLowerCase()).length > 0);

  test("C12: none is followed unasked, and another host gets no secret, nor what comes after it", async () => {
    const last = await starting((request) => acceptance(request));
    const middle = await starting(({ target }) => moved(target === "/" ? "/again" : `ws://127.0.0.1:${last.port}/`));
    const first = await starting(() => moved(`ws://localhost:${middle.port}/`));
    const url = `ws://127.0.0.1:${first.port}/`;
    expect((await handshakeErrorOf(connect(url, { headers: secrets }))).status).toBe(302);
    expect(middle.requests).toEqual([]);
    const connection = await connect(url, { headers: secrets, followRedirects: 3 });
    connection.terminate();
    expect(carried(first)).toEqual(["Authorization", "Cookie"]);
    // Of its two requests the later one is looked at: what another host sends to itself is not trusted again.
    expect(middle.requests.map(({ target }) => target)).toEqual(["/", "/again"]);
    expect(carried(middle)).toEqual([]);
    expect(carried(last)).toEqual([]);
  });

  test("C12: from wss to ws nothing secret goes in plain text, to the same host neither", async () => {
    const plain = await starting((request) => acceptance(request));
    const secure = await starting(() => moved("ws://localhost/"), { tls: certificates.server });
    const connection = await connect("wss://localhost/", {
      headers: secrets,
      followRedirects: 1,
      tls: { ca: certificates.ca },
      createConnection: (target) => netConnect(target.secure ? secure.port : plain.port, "127.0.0.1"),
    });
    connection.terminate();
    expect(carried(secure)).toEqual(["Authorization", "Cookie"]);
    expect(plain.requests).toHaveLength(1);
    expect(carried(plain)).toEqual([]);
  });

  test("C12 control: a client that asks again with the same fields tells them to the other host", async () => {
    const last = await starting((request) => acceptance(request));
    const first = await starting(() => moved(`http://localhost:${last.port}/`));
    const [response] = await once(get({ port: first.port, host: "127.0.0.1", headers: secrets }), "response");
    response.resume();
    const again = get(response.headers.location, { headers: secrets });
    again.on("error", () => {});
    await once(again, "upgrade").then(([, socket]: Socket[]) => socket!.destroy());
    expect(carried(last)).toEqual(["Authorization", "Cookie"]);
  });
});

describe("C13 a server that is not who it should be", () => {
  const impostors: [string, TlsOptions, string][] = [
    ["an unknown root", certificates.server, "localhost"],
    ["a certificate signed by itself", certificates.selfSigned, "localhost"],
    ["an expired certificate", certificates.expired, "localhost"],
    ["another host's certificate", certificates.otherHost, "localhost"],
    ["a certificate without the address", certificates.otherHost, "127.0.0.1"],
  ];

  test.each(impostors)(
    "C13: %s is refused before a byte of the request; control: unchecked, it is taken",
    async (...given) => {
      const [name, tls, host] = given;
      const server = await starting((request) => acceptance(request), { tls });
      const trust: ConnectOptions = name === "an unknown root" ? {} : { tls: { ca: certificates.ca } };
      const url = `wss://${host}:${server.port}/`;
      expect((await handshakeErrorOf(connect(url, trust))).rule).toBe("tls-failed");
      expect(server.requests).toEqual([]);
      const careless = await connect(url, { tls: { rejectUnauthorized: false } });
      expect(careless.readyState).toBe(1);
      careless.terminate();
    },
  );

  test.each(["localhost", "127.0.0.1"])(
    "C13: the right certificate is taken for %s, by name or address",
    async (host) => {
      const server = await starting((request) => acceptance(request), { tls: certificates.server });
      const connection = await connect(`wss://${host}:${server.port}/`, { tls: { ca: certificates.ca } });
      expect(connection.readyState).toBe(1);
      connection.terminate();
    },
  );
});

describe("C16 frames that come with the handshake", () => {
  const glued = Buffer.concat([
    frameFrom("client", { opcode: 1, payload: "one" }),
    frameFrom("client", { opcode: 2, payload: "two", fin: false }),
    frameFrom("client", { opcode: 0, payload: "three" }),
  ]);
  const echoing = {
    message: (connection: { send(data: string | Uint8Array): unknown }, data: string | Uint8Array) =>
      void connection.send(data),
  };

  test("C16: are read wherever the network cuts them", async () => {
    const server = await serving({ routes: { "/": echoing, "/async": { upgrade: async () => ({}), ...echoing } } });
    for (const path of ["/", "/async"]) {
      const bytes = Buffer.concat([Buffer.from(requestText({ path })), glued]);
      for (let at = 1; at <= bytes.length; at += at < bytes.length - glued.length - 5 ? 25 : 1) {
        const peer = await sendRaw(server.port, bytes.subarray(0, at));
        await new Promise((resolve) => setImmediate(resolve));
        peer.socket.write(bytes.subarray(at));
        await peer.until(() => peer.received.includes("\r\n\r\n"));
        peer.received = peer.received.subarray(peer.received.indexOf("\r\n\r\n") + 4);
        expect(await peer.nextTexts(2), `${path} cut at ${at}`).toEqual(["one", "twothree"]);
        peer.socket.destroy();
      }
    }
  });

  test("C16: the limit holds for them", async () => {
    const server = await serving({ limits: { maxMessageSize: 100 }, routes: { "/": echoing } });
    const peer = await openRaw(server.port, {}, frameFrom("client", { opcode: 1, payload: "x".repeat(101) }));
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1009);
    peer.socket.destroy();
  });

  test("C16: while upgrade decides, not more than 16 KiB and a chunk of them is held", async () => {
    const { opened, open } = gate();
    let request: { socket: Socket } | undefined;
    const received: number[] = [];
    const server = await serving({
      routes: {
        "/": {
          upgrade: (context) => {
            request = context.request;
            return opened.then(() => ({}));
          },
          message: (_, data) => void received.push(data.length),
        },
      },
    });
    const most = 4 * 1024 * 1024;
    const payload = Buffer.alloc(most);
    const peer = await sendRaw(server.port, requestText(), buildFrame({ opcode: 2, payload, key: [1, 2, 3, 4] }));
    await until(() => request?.socket.isPaused() === true);
    expect(request!.socket.bytesRead).toBeLessThan(16 * 1024 + 3 * 64 * 1024);
    open();
    await until(() => received.length === 1);
    expect(received).toEqual([most]);
    peer.socket.destroy();
  });

  test("C16: our client reads what comes with the response, and its limit holds", async () => {
    const server = await starting((request) =>
      Buffer.concat([
        Buffer.from(acceptance(request)),
        frameFrom("server", { opcode: 1, payload: "one" }),
        frameFrom("server", { opcode: 1, payload: "x".repeat(101) }),
      ]),
    );
    const connection = await connect(`ws://127.0.0.1:${server.port}/`, { limits: { maxMessageSize: 100 } });
    const messages: unknown[] = [];
    for await (const message of connection) messages.push(message);
    expect(messages).toEqual(["one"]);
    expect((await connection.closed).violation).toBe("message-too-big");
  });

  test("C16 control: an upgrade listener that forgets head loses them", async () => {
    const http = createServer().listen(0, "127.0.0.1");
    const messages: unknown[][] = [];
    http.on("upgrade", async (request, socket, head) => {
      const seen: unknown[] = [];
      messages.push(seen);
      await accept(request, socket, request.url === "/forget" ? Buffer.alloc(0) : head, {
        message: (_, data) => void seen.push(typeof data === "string" ? data : data.length),
      });
    });
    await once(http, "listening");
    afterwards(() => http.close());
    const { port } = http.address() as AddressInfo;
    for (const path of ["/", "/forget"]) {
      const peer = await openRaw(port, { path }, frameFrom("client", { opcode: 1, payload: "glued" }));
      peer.text("later");
      await until(() => messages.at(-1)!.includes("later"));
      peer.socket.destroy();
    }
    expect(messages).toEqual([["glued", "later"], ["later"]]);
  });
});
