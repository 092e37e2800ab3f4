/**
 * A02: many clients that each hold all but the last byte of a message, at half of the default sizes.
 *
 * @module-tag slow
 */
import { describe, expect, test } from "vitest";
import type { Role } from "../../src/protocol/frames/frame.ts";
import type { RawPeer } from "../support/raw-peer.ts";
import { KiB, MiB, startTarget, type Target } from "../support/target.ts";
import { frameFrom, peerOf } from "../support/wire.ts";

const most = 8 * MiB;
/** As many whole messages as the default cap of 256 MiB has room for 16 MiB. */
const cap = 16 * most;
const key = 0;

/** The header of a message of the largest size in one frame; a key of zeros spares the attacker its masking. */
function header(role: Role): Buffer {
  const bytes = frameFrom(peerOf(role), { opcode: 2, lengthBits: 64, announced: BigInt(most) });
  return role === "server" ? bytes.fill(key, 10) : bytes;
}

/** Each peer in turn sends 64 KiB more of its message, from one byte of it up to another; stops when all are done or gone. */
async function sendPart(peers: readonly RawPeer[], from: number, to: number): Promise<void> {
  const piece = Buffer.alloc(64 * KiB, 0x78);
  for (let sent = from; sent < to; sent += piece.length) {
    const bytes = piece.subarray(0, to - sent);
    const writing = peers.filter(({ socket, ended }) => !ended && socket.writable);
    await Promise.all(writing.map(({ socket }) => new Promise((resolve) => socket.write(bytes, resolve))));
  }
}

const lastByte = most - 1;

/** In which order they send all but the last byte of their messages. */
const orders: Readonly<Record<string, (peers: readonly RawPeer[]) => Promise<void>>> = {
  "all at the same time": (peers) => sendPart(peers, 0, lastByte),
  async "some begin, and go on when the others have filled what there is"(peers) {
    const early = 8;
    await sendPart(peers.slice(0, early), 0, most / 16);
    await sendPart(peers.slice(early), 0, lastByte);
    await sendPart(peers.slice(0, early), most / 16, lastByte);
  },
};

/** The peers hold back the last byte of their messages. */
async function holdBack(target: Target, peers: readonly RawPeer[], order = "all at the same time"): Promise<void> {
  for (const { socket } of peers) socket.write(header(target.role));
  await orders[order]!(peers);
}

describe.each<Role>(["server", "client"])("%s", (role) => {
  test.each(Object.keys(orders))(
    "A02: 50 unfinished messages stay below the cap of the process and a fifth; the largest go with 1013: %s",
    async (order) => {
      const limits = { maxMessageSize: most, maxProcessAssemblySize: cap };
      const target = await startTarget({ what: "ours", role, options: { limits }, young: 16 });
      const peers = await target.openMany(50);
      const grown = await target.growth(async () => {
        await holdBack(target, peers, order);
        await target.until(({ closes }) => closes.length >= 50 - 16);
      });
      const { open, closes } = await target.look();
      expect(grown).toBeLessThan(1.2 * cap);
      expect(new Set(closes)).toEqual(new Set([1013]));
      expect(open).toBeGreaterThan(0);
      const left = peers.filter(({ ended }) => !ended);
      expect(left).toHaveLength(open);
      // Who is left can finish.
      left[0]!.socket.write(Buffer.from("x"));
      await target.until(({ binaryLength }) => binaryLength === most);
      expect(await target.echoes()).toBe(true);
    },
  );

  test.each(["ours", "old ws"] as const)("A02 control: without the cap, %s holds them all", async (what) => {
    const options = what === "ours" ? { limits: { maxMessageSize: most } } : { maxPayload: most };
    const target = await startTarget({ what, role, options, young: 16 });
    const peers = await target.openMany(25);
    const grown = await target.growth(async () => {
      const { bytesRead } = await target.look();
      await holdBack(target, peers);
      await target.until((look) => look.bytesRead - bytesRead >= 25 * (most - 1));
    });
    expect(grown).toBeGreaterThan(1.2 * cap);
  });
});
