/** Tunnels through SOCKS5 proxies: a scripted one that misbehaves, and microsocks. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { connect } from "../../../src/index.ts";
import { makeCertificates } from "../../support/certificates.ts";
import { leavesNothing } from "../../support/leaves-nothing.ts";
import { handshakeErrorOf } from "../../support/outcomes.ts";
import { freePort, startProgram } from "../../support/program.ts";
import { describeWith } from "../../support/real-parts.ts";
import { serversOfFile } from "../../support/servers-of-file.ts";
import { echoesThroughTunnel } from "../../support/tunnels.ts";

const certificates = makeCertificates();
const { ca } = certificates;

leavesNothing();
afterEach(() => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
});
afterAll(() => certificates.remove());
const { serveEcho, closeLater } = serversOfFile();

async function readExactly(socket: Socket, length: number): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = socket.read(length);
    if (bytes !== null) return bytes;
    await once(socket, "readable");
  }
}

/** A SOCKS server that reads the number of bytes of each step, and answers with its bytes, whole or one by one. */
async function scriptedSocks(
  steps: readonly (readonly [reads: number, answer: readonly number[]])[],
  bytewise: boolean,
) {
  const received: number[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer(async (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    socket.setNoDelay(true);
    for (const [reads, answer] of steps) {
      received.push([...(await readExactly(socket, reads))]);
      if (bytewise)
        for (const byte of answer) {
          socket.write(Buffer.of(byte));
          await delay(1);
        }
      else socket.write(Buffer.from(answer));
    }
    socket.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  closeLater({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return { url: `127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

describe("a SOCKS5 proxy", () => {
  const ascii = (text: string) => [...Buffer.from(text)];

  it.each<[string, string, number[]]>([
    ["a name", "ws://server.test/", [5, 1, 0, 3, 11, ...ascii("server.test"), 0, 80]],
    ["an IPv4 address", "wss://10.1.2.3/", [5, 1, 0, 1, 10, 1, 2, 3, 1, 187]],
    [
      "an IPv6 address",
      "ws://[2001:db8::1:ff]:8080/",
      [5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0xff, 31, 144],
    ],
    ["an IPv6 address that ends in zeros", "ws://[2001::]/", [5, 1, 0, 4, 0x20, 1, ...new Array(14).fill(0), 0, 80]],
  ])("is asked for %s as it is", async (_, url, request) => {
    const proxy = await scriptedSocks(
      [
        [3, [5, 0]],
        [request.length, [5, 4, 0, 1, 0, 0, 0, 0, 0, 0]],
      ],
      false,
    );
    const error = await handshakeErrorOf(connect(url, { proxy: `socks5://${proxy.url}` }));
    expect(error.message).toMatch(/the proxy did not open a tunnel: the server's host cannot be reached$/);
    expect(proxy.received).toEqual([[5, 1, 0], request]);
  });

  it("gets the user name and password", async () => {
    const proxy = await scriptedSocks(
      [
        [4, [5, 2]],
        [9, [1, 1]],
      ],
      false,
    );
    const error = await handshakeErrorOf(
      connect("ws://server.test/", { proxy: `socks5://%C3%A4:p%40ss@${proxy.url}` }),
    );
    expect(error.message).toMatch(/: it did not accept the user name and password$/);
    expect(proxy.received).toEqual([
      [5, 2, 0, 2],
      [1, 2, 0xc3, 0xa4, 4, ...ascii("p@ss")],
    ]);
  });

  it.each<[string, [number, number[]][], RegExp]>([
    ["speaks another version", [[3, [4, 0]]], /: it does not speak SOCKS5$/],
    ["accepts no method", [[3, [5, 255]]], /: it wants another way to authenticate$/],
    ["wants a password that it was not offered", [[3, [5, 2]]], /: it wants another way to authenticate$/],
    ["closes at once", [[3, []]], /: it closed the connection$/],
    ["closes inside an answer", [[3, [5]]], /: it closed the connection$/],
    [
      "closes after the request",
      [
        [3, [5, 0]],
        [10, []],
      ],
      /: it closed the connection$/,
    ],
    [
      "closes inside the last answer",
      [
        [3, [5, 0]],
        [10, [5, 0, 0, 1, 1]],
      ],
      /: it closed the connection$/,
    ],
    [
      "fails in general",
      [
        [3, [5, 0]],
        [10, [5, 1, 0, 1]],
      ],
      /: it has a general failure$/,
    ],
    [
      "fails in an unknown way",
      [
        [3, [5, 0]],
        [10, [5, 99, 0, 1]],
      ],
      /: it answered 99$/,
    ],
    [
      "has an unknown type of address",
      [
        [3, [5, 0]],
        [10, [5, 0, 0, 9]],
      ],
      /: its answer has an unknown type of address$/,
    ],
  ])("fails with proxy-failed when it %s", async (_, steps, message) => {
    for (const bytewise of [false, true]) {
      const proxy = await scriptedSocks(steps, bytewise);
      const error = await handshakeErrorOf(connect("ws://server.test/", { proxy: `socks5://${proxy.url}` }));
      expect(error.rule).toBe("proxy-failed");
      expect(error.message).toMatch(message);
    }
  });

  it("fails with proxy-failed for a user name that is too long", async () => {
    const proxy = await scriptedSocks([[4, [5, 2]]], false);
    const error = await handshakeErrorOf(
      connect("ws://server.test/", { proxy: `socks5://${"u".repeat(256)}:p@${proxy.url}` }),
    );
    expect(error.message).toMatch(/more than 255 bytes$/);
  });

  it.each<[string, number[]]>([
    ["an IPv4 address", [1, 0, 0, 0, 0, 0, 0]],
    ["an IPv6 address", [4, ...new Array(18).fill(0)]],
    ["a name", [3, 2, 0x61, 0x62, 0, 0]],
  ])("may answer with %s, and the tunnel begins right behind that", async (_, address) => {
    const server = createServer(async (socket) => {
      socket.on("error", () => {});
      await readExactly(socket, 3);
      socket.write(Buffer.of(5, 0));
      await readExactly(socket, 18);
      socket.write(Buffer.from([5, 0, 0, ...address]));
      const request = `${await readExactly(socket, 150)}`;
      socket.end(`HTTP/1.1 418 ${request.slice(0, 14)}\r\nContent-Length: 0\r\n\r\n`).resume();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = `socks5://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await handshakeErrorOf(connect("ws://server.test/", { proxy }))).toMatchObject({
      rule: "status-not-101",
      status: 418,
    });
    server.close();
  });
});

describeWith("microsocks", "through microsocks", (executable) => {
  async function startProxy(): Promise<string> {
    const port = await freePort();
    closeLater(
      await startProgram(executable, ["-i", "127.0.0.1", "-p", String(port), "-u", "user", "-P", "pass"], port),
    );
    return `127.0.0.1:${port}`;
  }

  it.each(["ws", "wss"])("a %s connection opens, echoes and closes, by name and by address [G54]", async (scheme) => {
    const server = await serveEcho(scheme === "wss" ? { tls: certificates.server } : {});
    const proxy = `socks5://user:pass@${await startProxy()}`;
    for (const host of ["localhost", "127.0.0.1"]) {
      await echoesThroughTunnel(`${scheme}://${host}:${server.port}/`, { proxy, tls: { ca } });
    }
  });

  it("fails with proxy-failed for wrong credentials or a server that is not there", async () => {
    const at = await startProxy();
    const wrong = await handshakeErrorOf(connect("ws://127.0.0.1:1/", { proxy: `socks5://user:wrong@${at}` }));
    expect(wrong.message).toMatch(/: it did not accept the user name and password$/);
    const absent = await handshakeErrorOf(connect("ws://127.0.0.1:1/", { proxy: `socks5://user:pass@${at}` }));
    expect(absent.message).toMatch(/: the server refused$/);
  });
});
