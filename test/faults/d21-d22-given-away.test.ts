/** D21 and D22: memory that the application gives away, or writes to, once it was handed a message or has sent one. */
import { Buffer } from "node:buffer";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { MessageChannel } from "node:worker_threads";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { type Connection, coreOf } from "../../src/connection/connection.ts";
import { channels } from "../../src/connection/process-wide/diagnostics.ts";
import { PreparedMessage, WebSocket } from "../../src/index.ts";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { type ConnectionOptions, connectionOver, connectionPair, until } from "../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../support/held-duplex.ts";
import { closeStatus, openRaw, RawPeer, socketPair } from "../support/raw-peer.ts";
import { afterwards, serving, startChild } from "../support/serving.ts";
import { frameFrom, ownCopy, peerOf, readFrames } from "../support/wire.ts";

const roles: readonly Role[] = ["server", "client"];
const nowhere = new MessageChannel();
afterAll(() => nowhere.port1.close());

/** Gives the memory under the bytes to somebody else, who has no use for it. */
function giveAway({ buffer }: Uint8Array): void {
  nowhere.port1.postMessage(undefined, [buffer as ArrayBuffer]);
}

/** What a careless application does with bytes that it was handed. */
const deeds: readonly (readonly [string, (bytes: Uint8Array) => void])[] = [
  ["gives them away", giveAway],
  ["overwrites all their memory", ({ buffer }) => void new Uint8Array(buffer).fill(0xee)],
];

/** How chunks come to a connection: to feed it with chunks, and what makes it. */
const transports: readonly (readonly [
  name: string,
  open: (role: Role, options: ConnectionOptions) => Promise<{ connection: Connection; feed: (chunk: Buffer) => void }>,
])[] = [
  [
    "a socket of its own",
    async (role, options) => {
      const { connection, peer } = await connectionPair(role, options);
      return { connection, feed: (chunk) => void peer.socket.write(chunk) };
    },
  ],
  [
    "a socket that others made, as with TLS",
    async (role, options) => {
      const [near, far] = await socketPair();
      new RawPeer(far, peerOf(role));
      const connection = connectionOver(near, role, options);
      coreOf(connection).start();
      return { connection, feed: (chunk) => void far.write(chunk) };
    },
  ],
  [
    "another stream",
    async (role, options) => {
      const stream = new HeldDuplex();
      const connection = connectionOver(stream, role, options);
      coreOf(connection).start();
      return { connection, feed: (chunk) => void stream.push(ownCopy(chunk)) };
    },
  ],
];

/** Payloads that differ, cut into chunks that hold several, parts of one, and a header's first byte. */
const lengths = [3, 100, 900, 64, 65, 0, 125, 4000, 126, 40_000, 70, 300_000, 1, 5000, 66_000, 8];
const payloads = lengths.map((length, i) => Buffer.alloc(length, i + 1));

function chunksFor(role: Role, opcode = 2): Buffer[] {
  const bytes = Buffer.concat(payloads.map((payload) => frameFrom(peerOf(role), { opcode, payload })));
  const cuts = [0, 1, 200, 1100, 1103, 5500, 47_000, 180_000, 346_000, bytes.length];
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
}

/** Who reads the messages; each gives all bytes to `seen`, message by message or part by part. */
const readers: readonly (readonly [
  string,
  (seen: (bytes: Uint8Array) => void) => {
    options?: ConnectionOptions;
    read?: (connection: Connection) => Promise<void>;
  },
])[] = [
  ["a handler", (seen) => ({ options: { handlers: { message: (_, data) => seen(data as Uint8Array) } } })],
  [
    "a handler that takes its time",
    (seen) => ({
      options: {
        handlers: {
          message: async (_, data) => {
            await nextTurn();
            seen(data as Uint8Array);
          },
        },
      },
    }),
  ],
  [
    "a loop",
    (seen) => ({
      read: async (connection) => {
        for await (const data of connection) {
          await nextTurn();
          seen(data as Uint8Array);
        }
      },
    }),
  ],
  [
    "streams of parts",
    (seen) => ({
      read: async (connection) => {
        for await (const message of connection.messages()) {
          for await (const part of message) {
            await nextTurn();
            seen(part as Uint8Array);
          }
        }
      },
    }),
  ],
  [
    "the readable stream",
    (seen) => ({
      read: async (connection) => {
        for await (const data of connection.readable) seen(data as Uint8Array);
      },
    }),
  ],
  [
    "a Node stream",
    (seen) => ({
      read: async (connection) => {
        for await (const data of connection.toDuplex()) seen(data as Uint8Array);
      },
    }),
  ],
];

describe.each(transports)("D21 over %s", (_, open) => {
  describe.each(roles)("as %s", (role) => {
    for (const [deed, act] of deeds) {
      for (const [reader, make] of readers) {
        test(`D21: ${reader} ${deed}, and all that comes is as it was sent`, async () => {
          const got: Buffer[] = [];
          let length = 0;
          const seen = (bytes: Uint8Array) => {
            got.push(Buffer.from(bytes));
            length += bytes.length;
            act(bytes);
          };
          const { options, read } = make(seen);
          const { connection, feed } = await open(role, options ?? {});
          void read?.(connection).catch(() => {});
          for (const chunk of chunksFor(role)) {
            feed(chunk);
            await nextTurn();
          }
          const expected = Buffer.concat(payloads);
          await until(() => length >= expected.length);
          expect(Buffer.concat(got).equals(expected)).toBe(true);
          expect([connection.readyState, coreOf(connection).endpoint.violation]).toEqual([1, undefined]);
        });
      }

      test(`D21: a handler that borrows ${deed}, as far as it can`, async () => {
        const got: Buffer[] = [];
        const message = (_connection: Connection, data: string | Uint8Array) => {
          const bytes = data as Uint8Array;
          got.push(Buffer.from(bytes));
          const whole = bytes.length === bytes.buffer.byteLength;
          if (act === giveAway) {
            try {
              act(bytes);
            } catch (error) {
              // The shared read buffer stays where it is.
              expect((error as Error).name).toBe("DataCloneError");
            }
          } else if (!whole) bytes.fill(0xee);
          else act(bytes);
        };
        const { connection, feed } = await open(role, { endpoint: { lendsBytes: true }, handlers: { message } });
        for (const chunk of chunksFor(role)) {
          feed(chunk);
          await nextTurn();
        }
        await until(() => got.length === payloads.length);
        expect(Buffer.concat(got).equals(Buffer.concat(payloads))).toBe(true);
        expect([connection.readyState, coreOf(connection).endpoint.violation]).toEqual([1, undefined]);
      });

      test(`D21: one who listens for messages ${deed}, and the handler gets them as they were sent`, async () => {
        const got: Buffer[] = [];
        const listener = (event: unknown) => {
          const { data } = event as { data: Uint8Array };
          if (data.buffer instanceof ArrayBuffer) act(data);
        };
        channels.message.subscribe(listener);
        afterwards(() => channels.message.unsubscribe(listener));
        const message = async (_connection: Connection, data: string | Uint8Array) => {
          await nextTurn();
          got.push(Buffer.from(data as Uint8Array));
        };
        const { feed } = await open(role, { handlers: { message } });
        for (const chunk of chunksFor(role)) feed(chunk);
        await until(() => got.length === payloads.length);
        expect(Buffer.concat(got).equals(Buffer.concat(payloads))).toBe(true);
      });

      test(`D21: a handler of Pings and Pongs ${deed}, and what follows is as it was sent`, async () => {
        const got: string[] = [];
        const take = (_connection: Connection, bytes: Uint8Array) => {
          got.push(Buffer.from(bytes).toString());
          act(bytes);
        };
        const message = (_connection: Connection, data: unknown) => void got.push(data as string);
        const { connection, feed } = await open(role, { handlers: { ping: take, pong: take, message } });
        const frames = [9, 10, 1].map((opcode, i) => frameFrom(peerOf(role), { opcode, payload: `${i} `.repeat(50) }));
        feed(Buffer.concat([...frames, frames[0]!.subarray(0, 30)]));
        await until(() => got.length === 3);
        feed(frames[0]!.subarray(30));
        await until(() => got.length === 4);
        expect(got).toEqual([0, 1, 2, 0].map((i) => `${i} `.repeat(50)));
        expect(connection.readyState).toBe(1);
      });
    }
  });
});

test("D21 control: where the memory of a chunk is lent, what is unread goes with the message that is given away", () => {
  const endpoint = new Endpoint({ role: "client", lendsBytes: true });
  const frames = ["first", "second"].map((payload) => frameFrom("server", { opcode: 2, payload }));
  endpoint.receive(ownCopy(Buffer.concat([...frames, Buffer.of(0x82)])), true);
  giveAway((endpoint.nextEvent() as { data: Uint8Array }).data);
  const next = (): unknown => {
    const event = endpoint.nextEvent() as { data?: Uint8Array } | undefined;
    return event?.data && Buffer.from(event.data).toString();
  };
  expect(next).not.toSatisfy((read: () => unknown) => {
    try {
      return read() === "second";
    } catch {
      return false;
    }
  });
});

describe("D21 compressed messages of several clients", () => {
  const deflated = (payload: Uint8Array) =>
    deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);

  test.each([1, 64, 65, 1000, 2000, 3000, 70_000, 300_000])(
    "D21: %i bytes of one share no memory with those of another",
    async (length) => {
      const kept: Uint8Array[] = [];
      const message = (_connection: unknown, data: string | Uint8Array) => void kept.push(data as Uint8Array);
      const server = await serving({ port: 0, compression: true, routes: { "/": { message } } });
      for (let i = 1; i <= 3; i++) {
        const peer = await openRaw(server.port, { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } });
        const payload = Buffer.alloc(length, i);
        peer.send({ opcode: 2, rsv: 4, payload: deflated(payload) });
        await until(() => kept.length === i);
        expect(kept.at(-1)!.buffer.byteLength).toBe(length);
        expect(Buffer.from(kept.at(-1)!).equals(payload)).toBe(true);
      }
      giveAway(kept[0]!);
      expect(kept.map((data) => data.length)).toEqual([0, length, length]);
    },
  );
});

test.each(["arraybuffer", "blob"] as const)(
  "D21: a WebSocket hands out memory of its own as %s",
  async (binaryType) => {
    const server = await serving({
      port: 0,
      routes: { "/": { open: (connection) => payloads.forEach((payload) => void connection.send(payload)) } },
    });
    const ws = new WebSocket(`ws://127.0.0.1:${server.port}/`);
    ws.binaryType = binaryType;
    const got: Promise<Buffer>[] = [];
    ws.onmessage = ({ data }) => {
      if (binaryType === "blob") return void got.push((data as Blob).arrayBuffer().then((bytes) => Buffer.from(bytes)));
      got.push(Promise.resolve(Buffer.from(new Uint8Array(data as ArrayBuffer).slice())));
      giveAway(new Uint8Array(data as ArrayBuffer));
    };
    await until(() => got.length === payloads.length);
    expect(Buffer.concat(await Promise.all(got)).equals(Buffer.concat(payloads))).toBe(true);
    ws.close();
  },
);

test("D21: on a server that is there already messages are given away as well", async () => {
  const shared = createServer().listen(0, "127.0.0.1");
  afterwards(() => shared.close());
  await until(() => shared.listening);
  const got: Buffer[] = [];
  const message = (_connection: unknown, data: string | Uint8Array) => {
    got.push(Buffer.from(data as Uint8Array));
    giveAway(data as Uint8Array);
  };
  await serving({ server: shared, routes: { "/": { message } } });
  const peer = await openRaw((shared.address() as AddressInfo).port);
  for (const chunk of chunksFor("server")) {
    peer.socket.write(chunk);
    await nextTurn();
  }
  await until(() => got.length === payloads.length);
  expect(Buffer.concat(got).equals(Buffer.concat(payloads))).toBe(true);
  peer.socket.destroy();
});

test("D21: without WebAssembly nothing is lent, and so the shared read buffer cannot be given away", async () => {
  // With the flag --jitless there is none, but Node 22 ends then: it needs some itself when node:http is imported.
  const preload = "data:text/javascript,delete WebAssembly.Module";
  const child = startChild("borrowing-server.ts", [], { flags: ["--import", preload] });
  const port = await child.told<number>();
  const [giver, other] = [await openRaw(port, { path: "/give" }), await openRaw(port)];
  giver.send({ opcode: 2, payload: Buffer.alloc(100, 1) }, { opcode: 2, payload: Buffer.alloc(50_000, 1) });
  expect(await child.told()).toEqual({ kernel: false, given: 100 });
  expect(await child.told()).toEqual({ kernel: false, given: 50_000 });
  const third = await openRaw(port);
  for (const peer of [other, third, giver]) {
    peer.text("hello");
    expect((await peer.nextTexts(1))[0]).toBe("hello");
    peer.socket.destroy();
  }
});

/** What becomes of memory that was sent: transferred, filled again, or made shorter. */
const endings: readonly (readonly [string, (bytes: Uint8Array<ArrayBuffer>) => void])[] = [
  ["given away", giveAway],
  ["filled again", (bytes) => void bytes.fill(0xee)],
  ["made shorter", ({ buffer }) => void (buffer as ArrayBuffer & { resize(length: number): void }).resize(0)],
];

/** Bytes in memory that can be made shorter where that is to be done. */
function bytesFor(ending: string, length: number, value: number): Uint8Array<ArrayBuffer> {
  const options = ending === "made shorter" ? { maxByteLength: length } : undefined;
  const buffer = new (ArrayBuffer as new (length: number, options?: object) => ArrayBuffer)(length, options);
  return new Uint8Array(buffer).fill(value);
}

/** Every way to send bytes, and whether the connection compresses. */
const sends: readonly (readonly [
  string,
  (connection: Connection, bytes: Uint8Array<ArrayBuffer>) => unknown,
  compress?: boolean,
])[] = [
  ["send", (connection, bytes) => connection.send(bytes)],
  ["send of an ArrayBuffer", (connection, bytes) => connection.send(bytes.buffer)],
  ["send with copy", (connection, bytes) => connection.send(bytes, { copy: true })],
  ["compressed send", (connection, bytes) => connection.send(bytes), true],
  ["send of a PreparedMessage", (connection, bytes) => connection.send(new PreparedMessage(bytes))],
  [
    "send behind a Blob",
    (connection, bytes) => {
      connection.send(new Blob([]));
      connection.send(bytes);
    },
  ],
];

/** The payloads of messages as they come, inflated; empty ones are left out. */
async function nextPayloads(peer: RawPeer, count: number): Promise<Buffer[]> {
  const got: Buffer[] = [];
  while (got.length < count) {
    const frame = await peer.nextFrame();
    if (frame === undefined || frame.opcode === 8) break;
    const { rsv, payload } = frame;
    const whole = rsv === 4 ? inflateRawSync(Buffer.concat([payload, tail]), { finishFlush: 2 }) : payload;
    if (whole.length > 0) got.push(whole);
  }
  return got;
}

const tail = Buffer.of(0, 0, 0xff, 0xff);
const sizes = [1, 1000, 65_536, 65_537, 100_000, 300_000];

describe.each(roles)("D22 memory that is no more what it was once it is sent: as %s", (role) => {
  for (const [ending, end] of endings) {
    for (const [way, send, compress = false] of sends) {
      test(`D22: what is ${ending} in the same turn arrives as it was: ${way}`, async () => {
        const { connection, peer } = await connectionPair(role, { compress, endpoint: { compression: compress } });
        for (const [i, size] of sizes.entries()) {
          const bytes = bytesFor(ending, size, i + 1);
          send(connection, bytes);
          end(bytes);
        }
        const got = await nextPayloads(peer, sizes.length);
        expect(got.map((payload) => payload.length)).toEqual(sizes);
        for (const [i, payload] of got.entries()) expect(payload.equals(Buffer.alloc(sizes[i]!, i + 1))).toBe(true);
        expect(connection.readyState).toBe(1);
      });

      test(`D22: what is ${ending} while output stands arrives as it was: ${way}`, async () => {
        const { connection, peer } = await connectionPair(role, { compress, endpoint: { compression: compress } });
        peer.socket.pause();
        let before = 0;
        for (; !coreOf(connection).endpoint.stalled; before++) {
          connection.send("x".repeat(1_000_000), { compress: false });
          await nextTurn();
        }
        for (const [i, size] of sizes.entries()) {
          const bytes = bytesFor(ending, size, i + 1);
          send(connection, bytes);
          end(bytes);
          await nextTurn();
        }
        peer.socket.resume();
        const got = (await nextPayloads(peer, before + sizes.length)).slice(before);
        for (const [i, size] of sizes.entries()) expect(got[i]?.equals(Buffer.alloc(size, i + 1))).toBe(true);
      });
    }

    if (role === "server") {
      test(`D22: in a handler, more than 64 KiB that are ${ending} never leave as half a frame`, async () => {
        const errors: Error[] = [];
        const message = (connection: Connection) => {
          const bytes = bytesFor(ending, 100_000, 1);
          connection.send("before");
          connection.send(bytes);
          connection.send("after");
          end(bytes);
        };
        const { connection, peer } = await connectionPair(role, {
          handlers: { message, error: (_, error) => void errors.push(error) },
          // The peer answers the Close and keeps its side of the stream.
          limits: { closeTimeout: 100 },
        });
        peer.text("go");
        if (ending === "filled again") {
          const got = await peer.nextFrames(3);
          expect(got.map(({ payload }) => payload.length)).toEqual([6, 100_000, 5]);
          return;
        }
        expect(closeStatus(await peer.nextFrame())).toEqual({ code: 1011, reason: "" });
        peer.close(1011);
        const report = await connection.closed;
        const why = "Cannot send: the memory of a message was given away or made shorter before it had left";
        expect(errors.map(({ message: text }) => text)).toEqual([why]);
        expect([report.error?.message, report.unsentMessages, report.sent?.code]).toEqual([why, 3, 1011]);
      });
    }
  }

  test("D22: over a stream that keeps what it is given, and over one that is busy, all is as it was", async () => {
    const kept: Buffer[] = [];
    const stream = new HeldDuplex();
    stream._write = (chunk: Buffer, _encoding, done) => {
      kept.push(chunk);
      setImmediate(done);
    };
    stream._writev = (chunks, done) => {
      kept.push(...chunks.map(({ chunk }) => chunk));
      setImmediate(done);
    };
    const connection = connectionOver(stream, role);
    coreOf(connection).start();
    for (const [i, size] of sizes.entries()) {
      const bytes = bytesFor("given away", size, i + 1);
      connection.send(bytes);
      giveAway(bytes);
      if (i % 2 === 0) await nextTurn();
    }
    await until(() => connection.bufferedAmount === 0);
    const got = readFrames(Buffer.concat(kept));
    expect(got.map(({ payload }) => payload.length)).toEqual(sizes);
    for (const [i, { payload }] of got.entries()) expect(payload.equals(Buffer.alloc(sizes[i]!, i + 1))).toBe(true);
  });

  test("D22: shared memory is sent as it was at the call", async () => {
    const { connection, peer } = await connectionPair(role);
    const bytes = new Uint8Array(new SharedArrayBuffer(200_000)).fill(1);
    connection.send(bytes);
    bytes.fill(2);
    expect((await peer.nextFrame())?.payload.equals(Buffer.alloc(200_000, 1))).toBe(true);
  });
});

test("D22: what a server relays to others and then gives away arrives, as do those behind it", async () => {
  const server = await serving({
    port: 0,
    routes: {
      "/viewer": { open: (connection) => connection.subscribe("all") },
      "/camera/:how": {
        message: (connection, data) => {
          if (connection.params.how === "publish") connection.publish("all", data);
          else for (const other of server.connections) if (other.path === "/viewer") other.send(data);
          giveAway(data as Uint8Array);
        },
      },
    },
  });
  for (const how of ["publish", "send"]) {
    const viewer = await openRaw(server.port, { path: "/viewer" });
    const camera = await openRaw(server.port, { path: `/camera/${how}` });
    await until(() => server.connections.size === 2);
    for (const size of [200_000, 10]) camera.send({ opcode: 2, payload: Buffer.alloc(size, 7) });
    const got = await viewer.nextFrames(2);
    for (const { payload } of got) expect(payload.every((byte) => byte === 7)).toBe(true);
    expect(got.map(({ payload }) => payload.length)).toEqual([200_000, 10]);
    for (const peer of [viewer, camera]) peer.socket.destroy();
    await until(() => server.connections.size === 0);
  }
});

test("D22 control: a socket that is given head and payload, and then loses the memory, sends the head alone", async () => {
  const [near, far] = await socketPair();
  const peer = new RawPeer(far, "client");
  const payload = new Uint8Array(100_000).fill(1);
  const frame = frameFrom("server", { opcode: 2, payload });
  near.cork();
  near.write(frame.subarray(0, frame.length - payload.length));
  near.write(payload);
  giveAway(payload);
  near.uncork();
  near.write(frameFrom("server", { opcode: 1, payload: "what follows is taken for the payload" }));
  near.end();
  await peer.until(() => false);
  expect(peer.received.length).toBeLessThan(100);
  near.destroy();
  far.destroy();
});
