/** D23: memory that the system does not give. */
import { Buffer } from "node:buffer";
import { existsSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Endpoint } from "../../src/protocol/endpoint.ts";
import type { Role } from "../../src/protocol/frame.ts";
import { OutputBuffer } from "../../src/protocol/output-buffer.ts";
import { connectionPair, until } from "../support/connection-pair.ts";
import { closeStatus, openRaw, type RawPeer } from "../support/raw-peer.ts";
import { startChild } from "../support/serving.ts";
import { frameFrom, ownCopy, peerOf } from "../support/wire.ts";

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
  const frames = ["first", "second"].map((payload) => frameFrom(peerOf(role), { opcode: 1, payload }));

  /** From now on the system gives no memory. */
  function exhaust(): void {
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation(() => {
      throw new RangeError("Array buffer allocation failed");
    });
  }

  test.each([
    ["the rest of a chunk that was only lent", (endpoint: Endpoint) => endpoint.releaseChunk()],
    ["a chunk behind another", (endpoint: Endpoint) => endpoint.receive(ownCopy(frames[0]!))],
  ])("D23: where %s cannot be copied, the connection fails, and the next event tells so once", (_, act) => {
    const endpoint = new Endpoint({ role });
    // The slab of the output is there already.
    endpoint.sendMessage("before");
    endpoint.receive(ownCopy(Buffer.concat(frames)), true);
    expect(endpoint.nextEvent()).toMatchObject({ data: "first" });
    exhaust();
    act(endpoint);
    expect([endpoint.violation, endpoint.state, endpoint.closeSent?.code]).toEqual(["no-memory", "discarding", 1011]);
    endpoint.receive(ownCopy(frames[1]!));
    expect([endpoint.nextEvent(), endpoint.nextEvent()]).toEqual([
      { type: "failed", violation: "no-memory" },
      undefined,
    ]);
  });

  test("D23: where there is none for a Close either, it ends without one", () => {
    const endpoint = new Endpoint({ role });
    const slabs = Array.from({ length: 40 }, () => new OutputBuffer());
    for (const slab of slabs) slab.reserve(1);
    exhaust();
    endpoint.receive(ownCopy(frameFrom(peerOf(role), { opcode: 2, fin: false, payload: "part" })));
    expect(endpoint.nextEvent()).toEqual({ type: "failed", violation: "no-memory" });
    expect([endpoint.state, endpoint.closeSent, endpoint.outputLength]).toEqual(["discarding", undefined, 0]);
  });

  test("D23: any other error is no lack of memory, and is not hidden", () => {
    const endpoint = new Endpoint({ role });
    endpoint.receive(ownCopy(Buffer.concat(frames)), true);
    endpoint.nextEvent();
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation(() => {
      throw new TypeError("a mistake of ours");
    });
    expect(() => endpoint.releaseChunk()).toThrow("a mistake of ours");
  });

  test("D12 D23: what cannot be copied to be sent is thrown, and no head of it leaves", async () => {
    const { connection, peer } = await connectionPair(role);
    connection.send("before");
    const from = vi.spyOn(Buffer, "from");
    exhaust();
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
});
