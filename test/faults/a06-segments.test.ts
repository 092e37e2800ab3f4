/** A06: a message that comes byte by byte, each in a chunk of its own. */
import type { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { collectGarbage } from "../support/collect-garbage.ts";
import { oldWs } from "../support/old-ws.ts";
import { KiB, MiB, startTarget, type Target } from "../support/target.ts";
import { frameFrom, peerOf } from "../support/wire.ts";

const connections = 4;

/** The beginnings of frames of 1 MiB on some connections, a byte at a time and no faster than they are read. */
async function drip(target: Target, eachLength = 3 * KiB): Promise<void> {
  const peers = await target.openMany(connections);
  const { bytesRead } = await target.look();
  const payload = Buffer.alloc(eachLength);
  const bytes = frameFrom(peerOf(target.role), { opcode: 2, payload, announced: BigInt(MiB) });
  for (let at = 0; at < bytes.length; at++) {
    for (const { socket } of peers) socket.write(bytes.subarray(at, at + 1));
    await target.look();
  }
  await target.until((look) => look.bytesRead - bytesRead === connections * bytes.length);
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test("A06: of 12 KiB that arrive a byte at a time less than 1.2 MiB are kept", { tags: "slow" }, async () => {
    const target = await startTarget({ what: "ours", role });
    await drip(target, 500);
    expect(await target.retention(() => drip(target))).toBeLessThan(1.2 * MiB);
    expect(await target.echoes()).toBe(true);
  });

  test("A06 control: ws 8.17.0 keeps a buffer for each", { tags: "slow" }, async () => {
    const target = await startTarget({ what: "old ws", role });
    await drip(target, 500);
    expect(await target.retention(() => drip(target))).toBeGreaterThan(1.2 * MiB);
  });

  describe("1 MiB less a byte, each byte in memory of its own", () => {
    const bytes = frameFrom(peerOf(role), { opcode: 2, payload: Buffer.alloc(MiB) }).subarray(0, -1);

    /** By how much more is in use when the bytes were taken, of what the collector may not take. */
    async function kept(bytes: Uint8Array, take: (byte: Buffer) => void): Promise<number> {
      const held = async () => {
        for (let round = 0; round < 3; round++) {
          collectGarbage();
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        const { heapUsed, external } = process.memoryUsage();
        return heapUsed + external;
      };
      const before = await held();
      for (const byte of bytes) take(Buffer.from(Uint8Array.of(byte).buffer));
      return (await held()) - before;
    }

    test("A06: is kept in less than 1.2 MiB", async () => {
      let events = 0;
      const into = (endpoint: Endpoint) => (byte: Buffer) => {
        endpoint.receive(byte);
        if (endpoint.nextEvent() !== undefined) events++;
      };
      // What is compiled and learnt in the first run is kept as well, and is nothing of the message.
      await kept(bytes, into(new Endpoint({ role })));
      const endpoint = new Endpoint({ role });
      const grown = await kept(bytes, into(endpoint));
      expect(events).toBe(0);
      expect(endpoint.unfinishedLength).toBe(MiB - 1);
      expect(grown).toBeLessThan(1.2 * MiB);
    });

    test("A06 control: the receiver of ws 8.17.0 takes fifty bytes for each of them", async () => {
      const { Receiver } = oldWs as unknown as { Receiver: new (options: object) => Writable };
      const receiver = new Receiver({ isServer: role === "server", maxPayload: 2 * MiB });
      const part = bytes.subarray(0, MiB / 8);
      expect(await kept(part, (byte) => void receiver.write(byte))).toBeGreaterThan(50 * part.length);
      receiver.destroy();
    });
  });
});
