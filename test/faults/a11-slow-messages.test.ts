/** A11: messages that arrive ever so slowly, over real sockets and on a clock of the test's. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Connection, coreOf } from "../../src/connection/connection.ts";
import type { ConnectionHandlers } from "../../src/connection/handlers/handlers.ts";
import type { ConnectionLimits } from "../../src/connection/options/limits.ts";
import { connect, serve } from "../../src/index.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { gate } from "../support/connection-pair.ts";
import { nextTurn } from "../support/held-duplex.ts";
import { oldWs } from "../support/old-ws.ts";
import { closeStatus, openRaw, RawPeer } from "../support/raw-peer.ts";
import { acceptance, rawServer } from "../support/raw-server.ts";
import { frameFrom, peerOf } from "../support/wire.ts";

const second = 1000;
const minute = 60 * second;

const cleanups: (() => unknown)[] = [];
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(async () => {
  vi.useRealTimers();
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Open {
  readonly connection: Connection;
  readonly peer: RawPeer;
}

interface Options {
  readonly limits?: Partial<ConnectionLimits>;
  readonly handlers?: ConnectionHandlers<Connection>;
}

/** A connection of `serve` or `connect`, without Pings, and its peer. */
async function open(role: Role, { limits = {}, handlers = {} }: Options = {}): Promise<Open> {
  const options = { limits, keepalive: false } as const;
  if (role === "server") {
    let opened!: (connection: Connection) => void;
    const connected = new Promise<Connection>((resolve) => {
      opened = resolve;
    });
    const route = { ...(handlers as object), open: (connection: Connection) => opened(connection) };
    const server = await serve({ ...options, host: "127.0.0.1", routes: { "/": route } });
    const peer = await openRaw(server.port);
    const connection = await connected;
    cleanups.push(
      () => server.close(),
      () => connection.terminate(),
      () => peer.socket.destroy(),
    );
    return { connection, peer };
  }
  let peer!: RawPeer;
  const server = await rawServer((request, socket) => {
    peer = new RawPeer(socket, "server");
    return acceptance(request);
  });
  const url = `ws://127.0.0.1:${server.port}`;
  const connection = await connect(url, { ...options, ...handlers, compression: false });
  cleanups.push(() => server.close());
  return { connection, peer };
}

/** Sends bytes and returns when they have been read. */
async function arrive({ connection, peer }: Open, bytes: Uint8Array): Promise<void> {
  const before = coreOf(connection).endpoint.messageProgress;
  peer.socket.write(bytes);
  while (coreOf(connection).endpoint.messageProgress === before && connection.readyState === 1) await nextTurn();
  await nextTurn();
}

/** Lets time pass, in the connection's process and in no other. */
async function pass(time: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(time);
  await nextTurn();
}

/** Takes messages as streams, and each of their parts as it comes. */
async function readAll(connection: Connection): Promise<number> {
  let length = 0;
  try {
    for await (const message of connection.messages()) {
      for await (const part of message) length += part.length;
    }
  } catch {
    // The message that is cut off.
  }
  return length;
}

function begun(role: Role, length: number): Buffer {
  return frameFrom(peerOf(role), { opcode: 2, fin: false, payload: Buffer.alloc(length) });
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("A11: a message that comes by a byte in 10 s has all the time it takes", async () => {
    const seen: unknown[] = [];
    const opened = await open(role, { handlers: { message: (_, data) => void seen.push(data) } });
    const bytes = frameFrom(peerOf(role), { opcode: 1, payload: "slow but steady" });
    for (const byte of bytes) {
      expect(seen).toEqual([]);
      await arrive(opened, Uint8Array.of(byte));
      await pass(10 * second);
    }
    expect(seen).toEqual(["slow but steady"]);
    expect(opened.connection.readyState).toBe(1);
  });

  test("A11: a message that stands still for a minute fails with 1008", async () => {
    const opened = await open(role, { handlers: { message: () => {} } });
    await arrive(opened, begun(role, 100));
    await pass(minute - second);
    expect(opened.connection.readyState).toBe(1);
    await pass(16 * second);
    expect(closeStatus(await opened.peer.nextFrame())?.code).toBe(1008);
  });

  test.each([
    ["whole", false],
    ["as streams", true],
  ])("A11: beyond 64 KiB a byte in 10 s is too slow, and 2 KiB are not: messages taken %s", async (_, streaming) => {
    const opened = await open(role, streaming ? {} : { handlers: { message: () => {} } });
    if (streaming) void readAll(opened.connection);
    await arrive(opened, begun(role, 64 * 1024 + 1));
    const fragment = (length: number) =>
      frameFrom(peerOf(role), { opcode: 0, fin: false, payload: Buffer.alloc(length) });
    for (let time = 0; time < 5 * minute; time += 10 * second) {
      await arrive(opened, fragment(2048));
      await pass(10 * second);
    }
    expect(opened.connection.readyState).toBe(1);
    for (let time = 0; time < 3 * minute && opened.connection.readyState === 1; time += 10 * second) {
      await arrive(opened, fragment(1));
      await pass(10 * second);
    }
    expect(closeStatus(await opened.peer.nextFrame())?.code).toBe(1008);
  });

  test.each([
    ["5 bytes, taken whole", 5, false],
    ["5 bytes, taken as streams", 5, true],
    ["more than 64 KiB, taken whole", 64 * 1024 + 1, false],
    ["more than 64 KiB, taken as streams", 64 * 1024 + 1, true],
  ])("A11: messages of which as much has come at every look do not stand still: %s", async (_, length, streaming) => {
    let count = 0;
    const opened = await open(role, streaming ? {} : { handlers: { message: () => void count++ } });
    if (streaming) void readAll(opened.connection);
    const rest = frameFrom(peerOf(role), { opcode: 0, payload: "the rest" });
    for (let time = 0; time < 5 * minute; time += 5 * second) {
      await arrive(opened, begun(role, length));
      await pass(5 * second);
      await arrive(opened, rest);
    }
    expect([opened.connection.readyState, count]).toEqual([1, streaming ? 0 : 60]);
  });

  test("A11: the time in which we do not read does not count", async () => {
    const busy = gate();
    const handlers = { message: () => busy.opened };
    const opened = await open(role, { limits: { inboundHighWaterMark: 1 }, handlers });
    opened.peer.text("takes its time", "in the queue");
    while (coreOf(opened.connection).isReading()) await nextTurn();
    opened.peer.socket.write(begun(role, 100));
    await pass(10 * minute);
    expect(opened.connection.readyState).toBe(1);
    busy.open();
  });

  test("A11 control: without the limit a message stands still for ever", async () => {
    const opened = await open(role, {
      limits: { messageIdleTimeout: Number.POSITIVE_INFINITY },
      handlers: { message: () => {} },
    });
    await arrive(opened, begun(role, 100));
    await pass(60 * minute);
    expect([opened.connection.readyState, opened.peer.received.length]).toEqual([1, 0]);
  });
});

test("A11 control: ws 8.17.0 waits for ever", async () => {
  const server = new oldWs.WebSocketServer({ host: "127.0.0.1", port: 0 });
  cleanups.push(() => server.close());
  await once(server, "listening");
  const connected = once(server, "connection");
  const peer = await openRaw((server.address() as AddressInfo).port);
  cleanups.push(() => peer.socket.destroy());
  const [ws] = (await connected) as [import("ws").WebSocket];
  peer.socket.write(begun("server", 100));
  await pass(60 * minute);
  expect([ws.readyState, peer.received.length]).toEqual([1, 0]);
});
