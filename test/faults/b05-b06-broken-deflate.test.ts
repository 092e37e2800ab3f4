/** B05 and B06: RSV1 where it may not be, and DEFLATE data that ends too early, too late or for good. */
import { constants, deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { Endpoint } from "../../src/protocol/endpoint/endpoint.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { closeStatus } from "../support/raw-peer.ts";
import { startTarget } from "../support/target.ts";
import { feed, frameFrom, peerOf, type WireFrame } from "../support/wire.ts";

type Frame = Omit<WireFrame, "key">;

const text = "Is this all, or is this all?";
const synced = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
const finished = Buffer.concat([deflateRawSync(text), Buffer.of(0)]);

const misplaced: readonly (readonly [name: string, frames: readonly Frame[]])[] = [
  [
    "a continuation",
    [
      { opcode: 1, fin: false, rsv: 4, payload: synced.subarray(0, 4) },
      { opcode: 0, rsv: 4, payload: synced.subarray(4) },
    ],
  ],
  ["a Ping", [{ opcode: 9, rsv: 4 }]],
  ["a Pong", [{ opcode: 10, rsv: 4 }]],
  ["a Close", [{ opcode: 8, rsv: 4 }]],
];

const broken: readonly (readonly [name: string, payload: Buffer])[] = [
  ["cut off inside a block", synced.subarray(0, -3)],
  ["with a byte behind a final block", Buffer.concat([deflateRawSync(text), Buffer.from("5a5a5a", "hex")])],
  ["of a block type that does not exist", Buffer.from("07", "hex")],
];

describe.each<Role>(["server", "client"])("%s", (role) => {
  const options = { compression: true };

  test("B05: RSV1 on a continuation or a control frame fails with 1002", async () => {
    const target = await startTarget({ what: "ours", role, options });
    for (const [name, frames] of misplaced) {
      const peer = await target.open(true);
      peer.send(...frames);
      expect([name, closeStatus(await peer.nextFrame())?.code]).toEqual([name, 1002]);
    }
    expect(await target.look()).toMatchObject({ messages: 0 });
    expect(await target.echoes()).toBe(true);
  });

  test.each(misplaced)("B05 control: who takes no notice of RSV1 on %s goes on", (_, frames) => {
    const endpoint = new Endpoint({ role, compression: true });
    const lenient = frames.map((frame, index) => (index === 0 && frames.length > 1 ? frame : { ...frame, rsv: 0 }));
    const events = feed(endpoint, Buffer.concat(lenient.map((frame) => frameFrom(peerOf(role), frame))));
    expect(events.map(({ type }) => type)).not.toContain("failed");
    expect(events).toHaveLength(1);
  });

  test("B06: a message whose last block is final is whole", async () => {
    const target = await startTarget({ what: "ours", role, options });
    const peer = await target.open(true);
    for (const payload of [finished, synced, finished]) {
      peer.send({ opcode: 1, rsv: 4, payload });
      expect(await peer.nextTexts(1)).toEqual([text]);
    }
  });

  test("B06: data that is not whole fails with 1007, and none of it is delivered", async () => {
    const target = await startTarget({ what: "ours", role, options });
    for (const [name, payload] of broken) {
      const peer = await target.open(true);
      peer.send({ opcode: 1, rsv: 4, payload });
      expect([name, closeStatus(await peer.nextFrame())?.code]).toEqual([name, 1007]);
    }
    expect(await target.look()).toMatchObject({ messages: 0 });
    expect(await target.echoes()).toBe(true);
  });

  test("B06 control: ws 8.17.0 delivers what is cut off, and what has a byte behind it", { tags: "slow" }, async () => {
    const target = await startTarget({ what: "old ws", role, options: { perMessageDeflate: { threshold: 1000 } } });
    for (const [, payload] of broken.slice(0, 2)) {
      const peer = await target.open(true);
      peer.send({ opcode: 1, rsv: 4, payload });
      expect(await peer.nextFrame()).toMatchObject({ opcode: 1, rsv: 0 });
    }
  });
});
