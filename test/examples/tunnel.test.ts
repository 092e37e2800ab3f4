/**
 * The example tunnel: bytes go both ways, both ends end, and what cannot be reached is said.
 *
 * @module-tag slow
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, expect, test } from "vitest";
import { freePort } from "../support/program.ts";
import { startExample, stopExamples } from "./example-process.ts";

const listeners: Server[] = [];

afterEach(async () => {
  await stopExamples();
  for (const listener of listeners.splice(0)) listener.close();
});

/** Starts a TCP server that gives each connection to `serve`, and a tunnel to it; returns the port of the near end. */
async function tunnelTo(serve: (socket: Socket) => void) {
  const target = createServer((socket) => serve(socket.on("error", () => {}))).listen(0, "127.0.0.1");
  listeners.push(target);
  await once(target, "listening");
  return await tunnel([`127.0.0.1:${(target.address() as AddressInfo).port}`]);
}

async function tunnel(args: readonly string[]) {
  const server = startExample("tunnel", { args });
  const client = startExample("tunnel", { script: "client", args: ["0"], env: { PORT: String(await server.port()) } });
  return { server, client, port: await client.port() };
}

test("bytes go both ways at once, as many as there are, in their order", async () => {
  const { port } = await tunnelTo((socket) => void socket.pipe(socket));
  await Promise.all(
    [1, 2, 3].map(async () => {
      const bytes = randomBytes(3_000_000);
      const socket = connect(port, "127.0.0.1");
      socket.write(bytes);
      const echo = Buffer.alloc(bytes.length);
      let length = 0;
      for await (const chunk of socket) {
        length += (chunk as Buffer).copy(echo, length);
        if (length === bytes.length) break;
      }
      expect(echo.equals(bytes)).toBe(true);
    }),
  );
});

test("when the target ends, the near end does, with all that was sent before", async () => {
  const bytes = randomBytes(1_000_000);
  const { port } = await tunnelTo((socket) => void socket.end(bytes));
  expect((await buffer(connect(port, "127.0.0.1"))).equals(bytes)).toBe(true);
});

test("when the near end ends, the target's connection does, with all that was sent before", async () => {
  const bytes = randomBytes(1_000_000);
  const received: Promise<Buffer>[] = [];
  const { port } = await tunnelTo((socket) => received.push(buffer(socket)));
  const before = received.length;
  const socket = connect(port, "127.0.0.1").end(bytes);
  await once(socket, "close");
  while (received.length === before) await new Promise(setImmediate);
  expect((await received.at(-1))?.equals(bytes)).toBe(true);
});

test("without a target it leads to a page of its own, and Ctrl-C ends both programs", async () => {
  const { server, client, port } = await tunnel([]);
  expect(await (await fetch(`http://localhost:${port}`)).text()).toBe("Hello from the far end of the tunnel\n");
  expect((await client.stop()).code).toBe(0);
  expect((await server.stop()).code).toBe(0);
});

test("a target that cannot be reached ends the connection, and the client says why", async () => {
  const { client, port } = await tunnel([String(await freePort())]);
  expect(await buffer(connect(port, "127.0.0.1"))).toHaveLength(0);
  await client.until(/A tunnel has ended with 1014 The target cannot be reached\n/);
});

test("what is missing is a sentence: a target that is none, a server, a port", async () => {
  const server = await startExample("tunnel", { args: ["somewhere"] }).ended;
  expect(server.code).toBe(1);
  expect(server.output).toBe('Cannot lead to "somewhere". Name a host and a port: npm start -- localhost:5432\n');
  const far = await startExample("tunnel", { args: ["localhost:99999"] }).ended;
  expect([far.code, far.output]).toEqual([1, expect.stringMatching(/^Cannot lead to "localhost:99999"\. .*\n$/)]);
  for (const word of ["abc", "99999"]) {
    const { code, output } = await startExample("tunnel", { script: "client", args: [word] }).ended;
    expect([code, output]).toEqual([1, expect.stringMatching(/^Cannot listen on ".*": it is no port\. .*\n$/)]);
  }
  const alone = await startExample("tunnel", { script: "client", env: { PORT: "1" } }).ended;
  expect([alone.code, alone.output]).toEqual([1, expect.stringMatching(/nothing listens.*\nStart the server first/)]);
  const { server: running, port } = await tunnel([]);
  const env = { PORT: String(await running.port()) };
  const second = await startExample("tunnel", { script: "client", args: [String(port)], env }).ended;
  expect([second.code, second.output]).toEqual([1, expect.stringContaining(`Cannot listen on port ${port}: it is in`)]);
});
