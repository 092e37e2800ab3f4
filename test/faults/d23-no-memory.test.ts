/** D23: memory that the system does not give. */
import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type Connection, coreOf } from "../../src/connection/connection.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { OutputBuffer } from "../../src/protocol/frames/output-buffer.ts";
import { connectionPair, until } from "../support/connection-pair.ts";
import { closeStatus, openRaw, type RawPeer } from "../support/raw-peer.ts";
import { startChild } from "../support/serving.ts";

afterEach(() => void vi.restoreAllMocks());

const MiB = 1024 * 1024;

/** Sends so many MiB of zeros in frames of one message, masked with zeros, as far as they are taken. */
async function sendLong(peer: RawPeer, frames: number, size: number): Promise<void> {
  const piece = Buffer.alloc(MiB);
  for (let i = 0; i < frames && !peer.ended; i++) {
    const head = Buffer.alloc(14);
    head[0] = (i === 0 ? 2 : 0) | (i === frames - 1 ? 0x80 : 0);
    head[1] = 0xff;
    head.writeUInt32BE(size * MiB, 6);
    peer.socket.write(head);
    for (let sent = 0; sent < size && !peer.ended; sent++) {
      peer.socket.write(piece);
      await until(() => peer.socket.writableLength < 4 * MiB || peer.socket.destroyed);
    }
  }
}

describe.skipIf(!existsSync("/usr/bin/prlimit"))("D23 a process whose address space is limited", () => {
  test.each([
    [1, 300],
    [75, 4],
  ])(
    "D23: a message of %i frames of %i MiB ends its own connection with 1011, and others go on",
    { tags: "slow" },
    async (frames, size) => {
      const child = startChild("limited-server.ts");
      const port = await child.told<number>();
      const other = await openRaw(port);
      const peer = await openRaw(port);
      void sendLong(peer, frames, size);
      expect(await child.told()).toEqual({ violation: "no-memory", sent: 1011 });
      expect(closeStatus(await peer.nextFrame())?.code ?? 1011).toBe(1011);
      peer.socket.destroy();
      other.send({ opcode: 2, payload: Buffer.alloc(MiB) });
      expect((await other.nextTexts(1))[0]).toBe(String(MiB));
      other.socket.destroy();
    },
  );
});

test("D23 control: what cannot be allocated is thrown by whoever asks for it", () => {
  expect(() => Buffer.allocUnsafeSlow(2 ** 50)).toThrow(RangeError);
});

describe.each<Role>(["server", "client"])("D23 as %s", (role) => {
  test("D12 D23: what cannot be copied to be sent is thrown, and no head of it leaves", async () => {
    const { connection, peer } = await connectionPair(role);
    connection.send("before");
    const from = vi.spyOn(Buffer, "from");
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation(() => {
      throw new RangeError("Array buffer allocation failed");
    });
    from.mockImplementation(((...given: [ArrayBuffer, number?, number?]) => {
      if (given.length === 1) throw new RangeError("Array buffer allocation failed");
      return new Uint8Array(...given);
    }) as never);
    expect(() => connection.send(new Uint8Array(100_000), { copy: true })).toThrow(RangeError);
    vi.restoreAllMocks();
    connection.send("behind");
    expect(await peer.nextTexts(2)).toEqual(["before", "behind"]);
    connection.terminate();
  });

  /** From now on there is no memory for output: what the pool keeps is taken, and no more is given. */
  const giveNoOutput = () => {
    for (let slab = 0; slab < 40; slab++) new OutputBuffer().reserve(1);
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation(() => {
      throw new RangeError("Array buffer allocation failed");
    });
  };

  const endings: [what: string, end: (connection: Connection, peer: RawPeer) => void, code: number][] = [
    ["the Ping of keepalive", (connection) => coreOf(connection).probe(), 1006],
    ["the Pong of keepalive", (connection) => connection.pong(), 1006],
    ["a Ping", (connection) => void connection.ping(), 1006],
    ["a Close", (connection) => connection.close(), 1006],
    ["the answer to a Close", (_, peer) => peer.close(4000), 4000],
    ["the answer to a Ping", (_, peer) => peer.send({ opcode: 9 }), 1006],
    ["the reply to a heartbeat", (_, peer) => peer.text("beat"), 1006],
    ["the Close after a handler threw", (_, peer) => peer.text("throw"), 1006],
    [
      "the Close after a delivery failed",
      (connection) => coreOf(connection).sending.sendingFailed(new Error("mine")),
      1006,
    ],
    [
      "the Close for a peer that does not read",
      (connection) => coreOf(connection).sending.outboxTooLarge(new Error("mine")),
      1006,
    ],
  ];

  test.each(endings)("D23: without memory for %s its connection ends, and nothing is thrown", async (_, end, code) => {
    const { connection, peer } = await connectionPair(role, {
      heartbeat: { message: "beat", reply: "alive" },
      handlers: {
        message: () => {
          throw new Error("mine");
        },
        error: () => {},
      },
    });
    giveNoOutput();
    end(connection, peer);
    await until(() => coreOf(connection).endpoint.violation !== undefined);
    vi.restoreAllMocks();
    peer.end();
    expect(await connection.closed).toMatchObject({ violation: "no-memory", code, wasClean: false });
    expect(await peer.nextFrame()).toBeUndefined();
  });
});
