/** C04: a reset between the request and the connection, where `node:http` listens to the socket no longer. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { connect } from "../../src/index.ts";
import { until } from "../support/connection-pair.ts";
import { closeFrame, openRaw, type RawPeer, readHead, requestText, sendRaw } from "../support/raw-peer.ts";
import { acceptance, rawServer } from "../support/raw-server.ts";
import { leftovers, noteResources } from "../support/resources.ts";
import { afterwards, serving, startChild } from "../support/serving.ts";
import { frameFrom } from "../support/wire.ts";

/** What the process would have died of. */
function uncaught(): unknown[] {
  const errors: unknown[] = [];
  const note = (error: unknown) => void errors.push(error);
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException").on("uncaughtException", note);
  afterwards(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
  });
  return errors;
}

/** Who waits for the server to begin to decide, by the number in the path. */
const asked = new Map<string, () => void>();

/** A peer whose handshake the server has begun to decide. */
async function deciding(port: number, ...chunks: Uint8Array[]): Promise<RawPeer> {
  const number = String(asked.size);
  const begun = new Promise<void>((resolve) => asked.set(number, resolve));
  const peer = await sendRaw(port, requestText({ path: `/slow/${number}` }), ...chunks);
  await begun;
  return peer;
}

/** The points of a connection's life, each reached over a socket that is then reset. */
const points: Readonly<Record<string, (port: number) => Promise<RawPeer>>> = {
  "before the request": (port) => sendRaw(port),
  "within the request": (port) => sendRaw(port, requestText().slice(0, 60)),
  "after the request": (port) => sendRaw(port, requestText()),
  "while upgrade decides": (port) => deciding(port),
  "after early frames": (port) => deciding(port, frameFrom("client", { opcode: 1 })),
  "after a 401": async (port) => {
    const peer = await sendRaw(port, requestText({ path: "/refused" }));
    await readHead(peer);
    return peer;
  },
  "after the 101": (port) => openRaw(port),
  "with our output under way": async (port) => {
    const peer = await openRaw(port);
    peer.text("echo this");
    return peer;
  },
  "after its Close": async (port) => {
    const peer = await openRaw(port);
    peer.send(closeFrame(1000));
    return peer;
  },
  "in CLOSING, after our Close": async (port) => {
    const peer = await openRaw(port, { path: "/leaving" });
    await peer.nextFrame();
    return peer;
  },
};
const names = Object.keys(points);

test("C04: 1000 resets at every point of a connection's life are no uncaught error, and leave nothing behind", async () => {
  const errors = uncaught();
  const server = await serving({
    routes: {
      "/": { message: (connection, data) => connection.send(data) },
      "/slow/:number": {
        upgrade: ({ params }) => {
          asked.get(params.number)!();
          return delay(5, {});
        },
      },
      "/refused": { upgrade: () => new Response("no", { status: 401 }) },
      "/leaving": { open: (connection) => connection.close() },
    },
  });
  const before = await noteResources();
  const lane = async (first: number): Promise<void> => {
    for (let index = first; index < 1000; index += 10) {
      const peer = await points[names[index % names.length]!]!(server.port);
      const round = Math.floor(index / names.length);
      if (round % 2 === 0) await delay(round % 7);
      else for (let turn = 0; turn < round % 7; turn++) await new Promise((resolve) => setImmediate(resolve));
      peer.reset();
      await peer.closed;
    }
  };
  await Promise.all(names.map((_, index) => lane(index)));
  await until(() => server.connections.size === 0 && server.metrics().pendingHandshakes === 0);
  const peer = await openRaw(server.port);
  peer.text("still here");
  expect(await peer.nextTexts(1)).toEqual(["still here"]);
  peer.socket.destroy();
  await until(() => server.connections.size === 0);
  expect(errors).toEqual([]);
  expect(await leftovers(before)).toEqual({});
});

test("C04: a server that resets our client at every point is no uncaught error", async () => {
  const errors = uncaught();
  let count = 0;
  const server = await rawServer((request, socket) => {
    const turns = count++ % 5;
    const head = acceptance(request);
    const answers = [
      "",
      head.slice(0, 20),
      head,
      "HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nno",
      `${head}\x81\x05he`,
    ];
    socket.write(Buffer.from(answers[Math.floor(count / 5) % answers.length]!, "latin1"));
    void (async () => {
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      socket.resetAndDestroy();
    })();
    return undefined;
  });
  afterwards(() => server.close());
  const before = await noteResources();
  let failed = 0;
  for (let index = 0; index < 250; index++) {
    const connection = await connect(`ws://127.0.0.1:${server.port}/`).catch(() => undefined);
    if (connection) expect((await connection.closed).code).toBe(1006);
    else failed++;
  }
  expect(failed).toBeGreaterThan(0);
  expect(failed).toBeLessThan(250);
  expect(errors).toEqual([]);
  expect(await leftovers(before)).toEqual({});
});

test("C04 control: a server that listens to no error while it decides is ended by one reset", async () => {
  const child = startChild("unguarded-server.ts", ["unguarded"]);
  const { port } = await child.told<{ port: number }>();
  const peer = await sendRaw(port, requestText());
  expect(await child.told()).toBe("upgrade");
  peer.reset();
  const { code, stderr } = await child.exited;
  expect(code).toBe(1);
  expect(stderr).toContain("ECONNRESET");
});
