/** A12: what was received and nobody has taken, in each place where it can wait. */
import { randomBytes } from "node:crypto";
import { deflateRawSync, constants as zlib } from "node:zlib";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { WebSocketStream } from "../../src/client/whatwg/websocket-stream.ts";
import { type Connection, coreOf } from "../../src/connection/connection.ts";
import { processAssembly } from "../../src/connection/receiving/message-pump.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { type ConnectionOptions, connectionPair, gate, until } from "../support/connection-pair.ts";
import { serving } from "../support/serving.ts";
import { KiB, MiB } from "../support/target.ts";
import type { WireFrame } from "../support/wire.ts";

type Frame = Omit<WireFrame, "key">;

const length = 500_000;
const mark = 64 * KiB;
/** Text that inflates to far more than it takes on the wire. */
const zeros = Buffer.alloc(length);
const compressed = (data: Buffer): Frame => ({
  opcode: 2,
  rsv: 4,
  payload: deflateRawSync(data, { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, -4),
});
const whole: Frame = { opcode: 2, payload: zeros };
const wait: Frame = { opcode: 1, payload: "wait" };

const never = new Promise<void>(() => {});
const busy: ConnectionOptions = { handlers: { message: () => never } };

interface Place {
  readonly options?: ConnectionOptions;
  /** Begins to read, if anything does. */
  read?(connection: Connection): void;
  readonly frames: readonly Frame[];
  /** At least so much is counted; by default a whole message. */
  readonly least?: number;
}

const places: Readonly<Record<string, Place>> = {
  "of a message that is not complete": {
    options: { handlers: { message: () => {} } },
    frames: [{ ...whole, fin: false }],
  },
  "behind a handler": { options: busy, frames: [wait, whole] },
  "behind an async open": { options: { handlers: { open: () => never, message: () => {} } }, frames: [whole] },
  "inflated, behind a handler": { options: { ...busy, compress: true }, frames: [wait, compressed(zeros)] },
  "not parsed, behind a handler": {
    options: { ...busy, limits: { inboundHighWaterMark: 1 } },
    frames: [wait, wait, { opcode: 2, payload: Buffer.alloc(50_000) }],
    least: 50_000,
  },
  "behind a loop that works": {
    read: async (connection) => {
      for await (const _ of connection) await never;
    },
    frames: [wait, whole],
  },
  "in a message that is read as a stream": {
    options: { compress: true },
    read: async (connection) => {
      for await (const _ of connection.messages()) await never;
    },
    frames: [compressed(zeros)],
  },
  "in a stream of Node's": {
    options: { limits: { closeTimeout: 100 } },
    read: (connection) => {
      // An end without a Close is an error to a stream.
      const duplex = connection.toDuplex().on("error", () => {});
      duplex.read(0);
    },
    frames: [whole],
  },
  "where nobody reads": { frames: [whole, whole, whole], least: mark },
  "compressed, where nobody reads": {
    options: { compress: true },
    frames: [compressed(Buffer.alloc(16 * MiB))],
    least: 16_000,
  },
};

beforeEach(async () => {
  await vi.waitFor(() => expect(processAssembly.total).toBe(0), { timeout: 10_000 });
});

describe.each<Role>(["server", "client"])("%s", (role) => {
  test.each(Object.keys(places))("A12: what waits %s counts for the process's cap, until the end", async (name) => {
    const { options, read, frames, least = length } = places[name]!;
    const { connection, peer } = await connectionPair(role, options);
    read?.(connection);
    peer.send(...frames);
    await until(() => processAssembly.total >= least);
    expect(connection.readyState).toBe(1);
    connection.terminate();
    await connection.closed;
    await until(() => processAssembly.total === 0);
  });

  test.each(Object.keys(places))("A12: what waits %s goes with 1013 beyond the cap", async (name) => {
    const { options, read, frames, least = length } = places[name]!;
    const limits = { ...options?.limits, maxProcessAssemblySize: Math.floor(least / 2) };
    const { connection, peer } = await connectionPair(role, { ...options, limits });
    read?.(connection);
    peer.send(...frames);
    await until(() => coreOf(connection).endpoint.violation !== undefined);
    peer.socket.destroy();
    expect(await connection.closed).toMatchObject({ violation: "too-much-unfinished", sent: { code: 1013 } });
  });

  test("A12: a message counts while it is inflated, and what is let go stops there", async () => {
    const random = randomBytes(8 * MiB);
    const options = { compress: true, handlers: { message: () => {} } };
    const one = await connectionPair(role, options);
    let seen = 0;
    one.peer.send(compressed(random));
    await until(() => {
      if (coreOf(one.connection).endpoint.inflating) seen = Math.max(seen, processAssembly.total);
      return seen > MiB;
    });
    coreOf(one.connection).receiving.letGo();
    await until(() => processAssembly.total === 0);
    one.peer.socket.destroy();
    expect(await one.connection.closed).toMatchObject({ violation: "too-much-unfinished" });
  });

  test("A12: where nobody reads no more than the mark is assembled, nothing is inflated, and a reader gets all", async () => {
    const { connection, peer } = await connectionPair(role, { compress: true });
    peer.send(whole, compressed(zeros), whole);
    await until(() => processAssembly.total >= mark);
    await new Promise((resolve) => setTimeout(resolve, 50));
    // A read that was under way when the mark was reached brings 64 KiB more.
    expect(processAssembly.total).toBeLessThanOrEqual(mark + 64 * KiB);
    let count = 0;
    for await (const data of connection) {
      expect(Buffer.from(data as Uint8Array).equals(zeros)).toBe(true);
      if (++count === 3) break;
    }
  });

  test("A12: where nobody reads a compressed message stays as it came, also before a Close", async () => {
    const { connection, peer } = await connectionPair(role, { compress: true });
    peer.send(compressed(Buffer.alloc(16 * MiB)));
    await until(() => coreOf(connection).endpoint.inflating);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(processAssembly.total).toBeLessThan(mark);
    // Nothing holds up our own Close, and what it makes useless is not inflated either.
    connection.close();
    peer.send({ opcode: 8, payload: Buffer.of(3, 232) });
    peer.end();
    expect(await connection.closed).toMatchObject({ code: 1000, wasClean: true });
  });

  test("A12 control: a queue that counts messages and not bytes holds them all", () => {
    const queue = Array.from({ length: 16 }, () => Buffer.alloc(MiB));
    expect(queue.length).toBeLessThan(mark);
    expect(queue.reduce((sum, { length: bytes }) => sum + bytes, 0)).toBeGreaterThan(mark);
  });

  test("A12: what was queued is handled after the transport is gone, and counts until then", async () => {
    const { opened, open } = gate();
    const sizes: number[] = [];
    const { connection, peer } = await connectionPair(role, {
      handlers: {
        message: async (_, data) => {
          await opened;
          sizes.push(data.length);
        },
      },
    });
    // Less than the mark, or the end would not be read.
    peer.send(wait, { opcode: 2, payload: Buffer.alloc(50_000) });
    await until(() => processAssembly.total >= 50_000);
    peer.socket.destroy();
    await connection.closed;
    expect(processAssembly.total).toBeGreaterThanOrEqual(50_000);
    open();
    await coreOf(connection).closing.handled;
    expect(sizes).toEqual([4, 50_000]);
    expect(processAssembly.total).toBe(0);
  });
});

test("A12: what a WebSocketStream has taken ahead counts until it is read", async () => {
  const server = await serving({ routes: { "/": { open: (connection) => void connection.send(zeros) } } });
  const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}/`);
  stream.closed.catch(() => {});
  const { readable } = await stream.opened;
  await until(() => processAssembly.total >= length);
  const reader = readable.getReader();
  expect((await reader.read()).value).toHaveLength(length);
  await until(() => processAssembly.total === 0);
  stream.close();
});
