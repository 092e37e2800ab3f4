/** Sockets that one process accepts and another serves; the processes are real, and the parent uses Node alone. */
import { type ChildProcess, spawn } from "node:child_process";
import { on, once } from "node:events";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { typescriptProgram } from "../../../scripts/typescript-program.ts";
import { connect } from "../../../src/client/connect.ts";
import { closeStatus, openRaw, type RawPeer } from "../../support/raw-peer.ts";
import type { Passed } from "../../support/socket-taker.ts";

let child: ChildProcess;
let messages: AsyncIterator<unknown[]>;
const listeners: Server[] = [];

beforeEach(async () => {
  if (child?.connected) return;
  const script = new URL("../../support/socket-taker.ts", import.meta.url).pathname;
  child = spawn(process.execPath, typescriptProgram(script), { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  messages = on(child, "message");
  expect(await told()).toBe("ready");
});

afterEach(() => {
  for (const server of listeners.splice(0)) server.close();
});

afterAll(() => void child?.kill("SIGKILL"));

/** The next message of the child. */
async function told(): Promise<unknown> {
  return (await messages.next()).value[0];
}

function pass(passed: Passed, socket?: Socket): void {
  child.send(passed, socket);
}

/** Passes every socket on without reading it. */
function passConnections(): Server {
  return createServer({ pauseOnConnect: true }, (socket) => pass({ what: "connection" }, socket));
}

/** Reads each request, and passes it on with its socket. */
function passUpgrades(): Server {
  return createHttpServer().on("upgrade", (message: IncomingMessage, socket: Socket, head: Buffer) => {
    const { method, url, httpVersion, rawHeaders } = message;
    const request = { method, url, httpVersion, rawHeaders };
    pass({ what: "upgrade", head: head.toString("base64"), request }, socket);
  });
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  listeners.push(server);
  return (server.address() as AddressInfo).port;
}

describe.each([
  ["unread, to a server", passConnections, "/served"],
  ["unread, to accept", passConnections, "/accepted"],
  ["after the head was read, to accept", passUpgrades, "/accepted"],
])("a socket that is passed on %s", (_, makeServer, path) => {
  test("carries messages of all lengths both ways, compressed or not", async () => {
    const port = await listening(makeServer());
    for (const compression of [false, true]) {
      const connection = await connect(`ws://127.0.0.1:${port}${path}`, { compression });
      expect(connection.extensions !== "").toBe(compression);
      const echoes = connection[Symbol.asyncIterator]();
      expect((await echoes.next()).value).toBe(`${child.pid} 127.0.0.1`);
      for (const length of [5, 16_385, 1024 * 1024]) {
        const bytes = Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));
        const text = "é".repeat(length);
        connection.send(bytes);
        connection.send(text);
        expect(Buffer.compare((await echoes.next()).value as Uint8Array, bytes)).toBe(0);
        expect((await echoes.next()).value === text).toBe(true);
      }
      connection.close(4000, "Enough");
      expect(await connection.closed).toMatchObject({ code: 4000, wasClean: true });
      expect(await told()).toEqual({ code: 4000, wasClean: true });
    }
  });

  test("ends from either side, and then both processes are free of it", async () => {
    const server = makeServer();
    const port = await listening(server);
    const peers: RawPeer[] = [];
    for (let i = 0; i < 3; i++) peers.push(await openRaw(port, { path }));
    const [byServer, byClient, byReset] = peers as [RawPeer, RawPeer, RawPeer];
    for (const peer of peers) await peer.nextTexts(1);
    byServer.text("close");
    expect(closeStatus(await byServer.nextFrame())).toEqual({ code: 4001, reason: "As asked" });
    byServer.close(4001);
    byServer.end();
    expect(await told()).toEqual({ code: 4001, wasClean: true });
    byClient.close(1000);
    expect(closeStatus(await byClient.nextFrame())?.code).toBe(1000);
    byClient.end();
    expect(await told()).toEqual({ code: 1000, wasClean: true });
    byReset.reset();
    expect(await told()).toEqual({ code: 1006, wasClean: false });
    // The parent's server counts what it has passed on until the child is done with it.
    server.close();
    await once(server, "close");
    const exited = once(child, "exit");
    pass({ what: "the end" });
    expect(await exited).toEqual([0, null]);
  });

  test("answers messages that came before the peer ended its side", async () => {
    const port = await listening(makeServer());
    const peer = await openRaw(port, { path });
    await peer.nextTexts(1);
    peer.send({ opcode: 1, payload: "slow" }, { opcode: 8, payload: Buffer.from([0x03, 0xe8]) });
    peer.end();
    expect(await peer.nextTexts(1)).toEqual(["slow"]);
    expect(closeStatus(await peer.nextFrame())?.code).toBe(1000);
    expect(await told()).toEqual({ code: 1000, wasClean: true });
  });
});

test.each([passConnections, passUpgrades])(
  "frames that came with the request are passed on, too: %o",
  async (makeServer) => {
    const port = await listening(makeServer());
    const glued = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
    const peer = await openRaw(port, { path: "/accepted" }, glued);
    expect(await peer.nextTexts(2)).toEqual([`${child.pid} 127.0.0.1`, "hi"]);
  },
);

test("a request that is refused in the other process is answered, and its socket closed", async () => {
  const server = passUpgrades();
  const port = await listening(server);
  const request = { path: "/accepted", headers: { Origin: "http://elsewhere.example" } };
  await expect(openRaw(port, request)).rejects.toThrow(/^Refused: HTTP\/1.1 403 /);
  expect(await told()).toBe("refused");
});
