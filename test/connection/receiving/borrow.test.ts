/** Messages that are only lent to their handler, and what keeps bytes that must last. */
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { connect } from "../../../src/client/connect.ts";
import type { Connection } from "../../../src/connection/connection.ts";
import type { ConnectionHandlers } from "../../../src/connection/handlers/handlers.ts";
import type { MessageData } from "../../../src/connection/options/delivery-options.ts";
import { channels } from "../../../src/connection/process-wide/diagnostics.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { readBuffer } from "../../../src/protocol/frames/mask-wasm.ts";
import { connectionPair, gate, until } from "../../support/connection-pair.ts";
import { serving } from "../../support/serving.ts";
import { frameFrom, peerOf } from "../../support/wire.ts";

const lent = (data: MessageData): boolean => (data as Uint8Array).buffer === readBuffer.buffer;
const binary = (role: Role, payload: Uint8Array) => frameFrom(peerOf(role), { opcode: 2, payload });

/** A pair whose connection lends messages, or does not. */
const pair = (role: Role, message: ConnectionHandlers<Connection>["message"], lendsBytes = true) =>
  connectionPair(role, { endpoint: { lendsBytes }, ...(message && { handlers: { message } }) });

describe.each<Role>(["server", "client"])("borrowing %s", (role) => {
  test("the handler sees each message where it was read", async () => {
    const seen: { lent: boolean; bytes: Buffer }[] = [];
    const { peer } = await pair(role, (_, data) => {
      seen.push({ lent: lent(data), bytes: Buffer.from(data as Uint8Array) });
    });
    const payloads = [10, 1000, 20_000].map((length) => randomBytes(length));
    for (const payload of payloads) {
      peer.socket.write(binary(role, payload));
      await until(() => seen.at(-1)?.bytes.length === payload.length);
    }
    expect(seen.map(({ bytes }) => bytes)).toEqual(payloads);
    expect(seen.map((message) => message.lent)).toEqual([true, true, true]);
  });

  test("several in a chunk are each whole, and so are those that come byte by byte", async () => {
    const seen: Buffer[] = [];
    const { peer } = await pair(role, (_, data) => void seen.push(Buffer.from(data as Uint8Array)));
    const payloads = [0, 1, 64, 65, 125, 126].map((length) => randomBytes(length));
    const frames = Buffer.concat(payloads.map((payload) => binary(role, payload)));
    peer.socket.write(frames);
    await until(() => seen.length === payloads.length);
    for (const byte of frames) {
      peer.socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => seen.length === 2 * payloads.length);
    expect(seen).toEqual([...payloads, ...payloads]);
  });

  test("text as bytes is lent as well, and a string is nobody's memory", async () => {
    const seen: boolean[] = [];
    const handlers = { message: (_: Connection, data: MessageData) => void seen.push(lent(data)) };
    const bytes = await connectionPair(role, { endpoint: { lendsBytes: true, textAsBytes: true }, handlers });
    bytes.peer.socket.write(frameFrom(peerOf(role), { opcode: 1, payload: "text" }));
    await until(() => seen.length === 1);
    const strings = await pair(role, (_, data) => void seen.push(typeof data === "string" && data === "text"));
    strings.peer.socket.write(frameFrom(peerOf(role), { opcode: 1, payload: "text" }));
    await until(() => seen.length === 2);
    expect(seen).toEqual([true, true]);
  });

  test("what waits for a handler that is busy is kept, though others are read into the same memory", async () => {
    const { opened, open } = gate();
    const seen: Buffer[] = [];
    const { connection, peer } = await pair(role, async (_, data) => {
      seen.push(Buffer.from(data as Uint8Array));
      await opened;
    });
    const payloads = [1, 2, 3].map((value) => Buffer.alloc(300, value));
    peer.socket.write(Buffer.concat(payloads.map((payload) => binary(role, payload))));
    await until(() => seen.length === 1);
    const other = await pair(role, (self, data) => void self.send(data));
    other.peer.socket.write(binary(role, Buffer.alloc(60_000, 9)));
    await other.peer.nextFrame();
    open();
    await until(() => seen.length === 3);
    expect(seen).toEqual(payloads);
    connection.close();
  });

  test("control: what is lent changes with the next read", async () => {
    const seen: Uint8Array[] = [];
    const { peer } = await pair(role, (_, data) => void seen.push(data as Uint8Array));
    peer.socket.write(binary(role, Buffer.alloc(300, 1)));
    await until(() => seen.length === 1);
    peer.socket.write(binary(role, Buffer.alloc(300, 2)));
    await until(() => seen.length === 2);
    expect(seen[0]![100]).toBe(2);
  });

  test("who listens to the channel of messages gets a copy", async () => {
    const seen: { heard: Uint8Array; handled: boolean }[] = [];
    let heard: Uint8Array | undefined;
    const hear = (message: unknown) => {
      heard = (message as { data: Uint8Array }).data;
    };
    channels.message.subscribe(hear);
    try {
      const { peer } = await pair(role, (_, data) => void seen.push({ heard: heard!, handled: lent(data) }));
      for (const value of [1, 2]) {
        peer.send({ opcode: 2, payload: Buffer.alloc(300, value) });
        await until(() => seen.length === value);
      }
    } finally {
      channels.message.unsubscribe(hear);
    }
    expect(seen.map(({ heard, handled }) => [heard[100], handled])).toEqual([
      [1, true],
      [2, true],
    ]);
  });

  test("without it each message has memory of its own", async () => {
    const seen: Uint8Array[] = [];
    const { peer } = await pair(role, (_, data) => void seen.push(data as Uint8Array), false);
    peer.socket.write(binary(role, Buffer.alloc(300, 1)));
    await until(() => seen.length === 1);
    peer.socket.write(binary(role, Buffer.alloc(300, 2)));
    await until(() => seen.length === 2);
    expect(seen.map((data) => [data[100], lent(data)])).toEqual([
      [1, false],
      [2, false],
    ]);
  });

  test("a lent message of more than 64 KiB is sent as it was, though the peer reads it late [D12]", async () => {
    let sent = 0;
    let lentLong = 0;
    const { connection, peer } = await pair(role, (self, data) => {
      self.send(data);
      sent++;
      if (lent(data) && data.length > 64 * 1024) lentLong++;
    });
    peer.socket.pause();
    // So many that the system's own buffers are full, and what was sent waits here while more is read.
    const payloads = Array.from({ length: 200 }, (_, index) => Buffer.alloc(70_000, index));
    for (const [index, payload] of payloads.entries()) {
      peer.send({ opcode: 2, payload });
      await until(() => sent === index + 1);
    }
    expect(lentLong).toBeGreaterThan(0);
    expect(connection.bufferedAmount).toBeGreaterThan(0);
    peer.socket.resume();
    for (const [index, payload] of payloads.entries()) {
      expect((await peer.nextFrame())?.payload.equals(payload), `message ${index}`).toBe(true);
    }
  });
});

describe("the option `borrow`", () => {
  test("holds for a route and for connect where there is a message handler, and for nobody else", async () => {
    const seen: Record<string, boolean> = {};
    const note = (name: string) => (_: unknown, data: MessageData) => {
      seen[name] = lent(data);
    };
    const server = await serving({
      borrow: true,
      routes: {
        "/lends": { message: note("server") },
        "/keeps": { borrow: false, message: note("other route") },
        "/loop": {
          open: (connection) =>
            void (async () => {
              for await (const data of connection) note("loop")(undefined, data);
            })(),
        },
        "/echo": { message: (connection, data) => void connection.send(data) },
      },
    });
    const bytes = randomBytes(500);
    for (const path of ["lends", "keeps", "loop"]) {
      await using connection = await connect(`ws://127.0.0.1:${server.port}/${path}`);
      connection.send(bytes);
      const count = Object.keys(seen).length;
      await until(() => Object.keys(seen).length > count);
    }
    for (const borrow of [true, false]) {
      const name = `client ${borrow}`;
      await using connection = await connect(`ws://127.0.0.1:${server.port}/echo`, { borrow, message: note(name) });
      connection.send(bytes);
      await until(() => name in seen);
    }
    expect(seen).toEqual({
      server: true,
      "other route": false,
      loop: false,
      "client true": true,
      "client false": false,
    });
  });
});
