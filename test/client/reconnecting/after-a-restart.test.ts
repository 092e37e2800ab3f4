/**
 * Both forms dial each attempt as `connect` does: through a proxy, over TLS, with cookies, by a redirect and over a Unix
 * socket, also once the server was killed and is back.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect as netConnect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { ConnectOptions } from "../../../src/client/connect-options.ts";
import { reconnecting } from "../../../src/client/reconnecting/reconnecting.ts";
import { ReconnectingWebSocket } from "../../../src/client/reconnecting/reconnecting-websocket.ts";
import type { WebSocketOptions } from "../../../src/client/whatwg/websocket-arguments.ts";
import type { ServeOptions } from "../../../src/server/serve-options.ts";
import { type Server, serve } from "../../../src/server/server.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { freePort, startProgram } from "../../support/program.ts";
import { realPart } from "../../support/real-parts.ts";
import { afterwards } from "../../support/serving.ts";

const certificates = makeCertificates();
const { ca } = certificates;
const folder = mkdtempSync(join(tmpdir(), "openline-restart-"));

afterAll(() => {
  certificates.remove();
  rmSync(folder, { recursive: true });
});

type Options = Pick<ConnectOptions, keyof WebSocketOptions & keyof ConnectOptions>;

const reconnect = { firstDelay: 5, maxDelay: 20 };

/** Connects, has the server restarted, and resolves with what each connection was first told. */
const forms: Readonly<
  Record<string, (url: string, options: Options, restart: () => Promise<void>) => Promise<unknown[]>>
> = {
  ReconnectingWebSocket: async (url, socketOptions, restart) => {
    const told: unknown[] = [];
    const socket = new ReconnectingWebSocket(url, [], { socket: socketOptions, reconnect });
    afterwards(() => socket.close());
    for (let round = 0; round < 2; round++) {
      const [{ data }] = (await once(socket, "message")) as [MessageEvent];
      told.push(data);
      if (round === 0) await Promise.all([once(socket, "close"), restart()]);
    }
    return told;
  },
  reconnecting: async (url, options, restart) => {
    const told: unknown[] = [];
    for await (const connection of reconnecting(url, { ...options, reconnect })) {
      for await (const data of connection) {
        told.push(data);
        if (told.length === 2) return told;
        await restart();
      }
    }
    return told;
  },
};

/** A server that tells each connection its cookies, and how to kill it and start it anew. */
async function restartable(options: Omit<ServeOptions, "routes">) {
  let server: Server;
  const start = async (port: number) => {
    server = await serve({
      host: "127.0.0.1",
      port,
      ...options,
      routes: {
        "/": {
          upgrade: ({ request }) => ({ data: request.headers.cookie, headers: { "Set-Cookie": "seen=1" } }),
          open: (connection) => void connection.send(`cookies: ${connection.data}`),
        },
        "/moved": { upgrade: () => new Response(null, { status: 307, headers: { Location: "/" } }) },
      },
    });
  };
  const kill = async () => {
    for (const connection of server.connections) connection.terminate();
    await server.close();
  };
  await start(0);
  const { port } = server!;
  afterwards(kill);
  return {
    port,
    restart: async () => {
      await kill();
      await start(port);
    },
  };
}

/** A proxy that leads each CONNECT to the port on this machine, and what was asked of it. */
async function tunnelling(port: number) {
  const asked: string[] = [];
  const proxy = createServer().on("connect", ({ url = "", headers }, socket) => {
    asked.push(`${url} ${headers["proxy-authorization"]}`);
    const onward = netConnect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    onward.on("error", () => socket.destroy());
    socket.on("error", () => onward.destroy()).on("close", () => onward.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  afterwards(() => void proxy.close());
  return { asked, at: `127.0.0.1:${(proxy.address() as AddressInfo).port}` };
}

function jar() {
  const stored: [cookie: string, url: string][] = [];
  return {
    stored,
    getCookieString: () => stored.at(-1)?.[0],
    setCookie: (cookie: string, url: string) => void stored.push([cookie, url]),
  };
}

describe.each(Object.entries(forms))("%s", (_, inRounds) => {
  test("goes through the proxy and TLS with its own root, and keeps cookies, each time [G54]", async () => {
    const { port, restart } = await restartable({ tls: certificates.server });
    const { asked, at } = await tunnelling(port);
    const cookieJar = jar();
    const options = { proxy: `http://us:er@${at}`, tls: { ca }, cookieJar };
    expect(await inRounds("wss://server.test/", options, restart)).toEqual(["cookies: undefined", "cookies: seen=1"]);
    // What comes while the server is away is an attempt, too.
    expect(asked.length).toBeGreaterThanOrEqual(2);
    expect(new Set(asked)).toEqual(new Set([`server.test:443 Basic ${Buffer.from("us:er").toString("base64")}`]));
    expect(cookieJar.stored).toEqual(Array(2).fill(["seen=1", "https://server.test/"]));
  });

  test("follows redirects each time, and a certificate that it does not trust is a failed attempt", async () => {
    const { port, restart } = await restartable({ tls: certificates.selfSigned });
    const url = `wss://localhost:${port}/moved`;
    const tls = { ca: certificates.selfSigned.cert };
    expect(await inRounds(url, { tls, followRedirects: 1 }, restart)).toHaveLength(2);
    const reasons: unknown[] = [];
    const socket = new ReconnectingWebSocket(url, [], { reconnect: { ...reconnect, maxAttempts: 2 } });
    socket.onerror = ({ error }) => reasons.push((error as { cause?: { code?: string } }).cause?.code);
    await new Promise((resolve) => {
      socket.onclose = resolve;
    });
    expect(reasons).toEqual(Array(2).fill("DEPTH_ZERO_SELF_SIGNED_CERT"));
  });

  test("connects over a Unix socket each time", async () => {
    const socketPath = join(folder, `socket-${Math.random()}`);
    const { restart } = await restartable({ listenOptions: { path: socketPath } });
    expect(await inRounds("ws://server.test/", { socketPath }, restart)).toHaveLength(2);
  });

  const tinyproxy = realPart("tinyproxy");
  test.skipIf(!tinyproxy)("goes through tinyproxy each time [G54]", async () => {
    const { port, restart } = await restartable({ tls: certificates.server });
    const proxyPort = await freePort();
    const file = join(folder, `tinyproxy-${proxyPort}.conf`);
    writeFileSync(file, `Port ${proxyPort}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nBasicAuth user pass\n`);
    const proxy = await startProgram(tinyproxy!, ["-d", "-c", file], proxyPort);
    afterwards(() => proxy.close());
    const options = { proxy: `http://user:pass@127.0.0.1:${proxyPort}`, tls: { ca } };
    expect(await inRounds(`wss://127.0.0.1:${port}/`, options, restart)).toHaveLength(2);
  });
});
