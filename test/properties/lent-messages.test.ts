/**
 * A handler that only borrows the bytes of its messages sends and publishes them in every form that can be sent: what leaves
 * is what was received, whatever is read into the same memory meanwhile (faults D10, D12).
 */
import { randomBytes } from "node:crypto";
import { inflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Connection } from "../../src/connection/connection.ts";
import type { MessageData } from "../../src/connection/options/delivery-options.ts";
import { PreparedMessage } from "../../src/connection/sending/prepared-message.ts";
import type { SendOptions } from "../../src/connection/sending/send-options.ts";
import type { Sendable } from "../../src/connection/sending/sendable.ts";
import type { Role } from "../../src/protocol/frames/frame.ts";
import { readBuffer } from "../../src/protocol/frames/mask-wasm.ts";
import { connectionPair, until } from "../support/connection-pair.ts";
import { openRaw } from "../support/raw-peer.ts";
import { serving } from "../support/serving.ts";
import type { ReadFrame } from "../support/wire.ts";

/** The ways to send bytes that are only there for now. */
const forms: readonly (readonly [name: string, form: (data: Uint8Array) => Sendable, options?: SendOptions])[] = [
  ["as they are", (data) => data],
  ["copied", (data) => data, { copy: true }],
  ["not compressed", (data) => data, { compress: false }],
  ["compressed", (data) => data, { compress: true }],
  ["a part of them", (data) => data.subarray(0)],
  ["a DataView", ({ buffer, byteOffset, byteLength }) => new DataView(buffer, byteOffset, byteLength)],
  ["an Int8Array", ({ buffer, byteOffset, byteLength }) => new Int8Array(buffer, byteOffset, byteLength)],
  ["a Buffer", ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)],
  ["a Blob", (data) => new Blob([data as Uint8Array<ArrayBuffer>])],
  ["a PreparedMessage", (data) => new PreparedMessage(data)],
];

/** Short ones, the longest that is copied next to its header, the next one, and the longest that one read may hold. */
const sizes = [1, 1000, 16_384, 65_536, 65_537, 250_000];
const isLent = (data: MessageData) => (data as Uint8Array).buffer === readBuffer.buffer;

function payloadOf({ rsv, payload }: ReadFrame): Buffer {
  if (rsv !== 4) return payload;
  return inflateRawSync(Buffer.concat([payload, Buffer.of(0, 0, 0xff, 0xff)]), { finishFlush: 2 });
}

const cases = (["server", "client"] as const).flatMap((role) =>
  [false, true].flatMap((compress) => [false, true].map((behindBlob) => ({ role, compress, behindBlob }))),
);

describe.each<{ role: Role; compress: boolean; behindBlob: boolean }>(cases)(
  "the $role, compressed: $compress, behind a Blob: $behindBlob",
  ({ role, compress, behindBlob }) => {
    test("D10, D12: what is sent in any form is what was received, though the peer reads it late", async () => {
      const expected: { name: string; payload: Buffer }[] = [];
      const lent = new Set<number>();
      let handled = 0;
      const message = (self: Connection, data: MessageData) => {
        const bytes = data as Uint8Array;
        if (isLent(data)) lent.add(bytes.length);
        if (behindBlob) {
          self.send(new Blob(["first"]));
          expected.push({ name: "the Blob", payload: Buffer.from("first") });
        }
        for (const [name, form, options] of forms) {
          self.send(form(bytes), options);
          expected.push({ name: `${bytes.length} bytes, ${name}`, payload: Buffer.from(bytes) });
        }
        handled++;
      };
      const { connection, peer } = await connectionPair(role, {
        compress,
        endpoint: { lendsBytes: true, compression: compress },
        handlers: { message },
      });
      const other = await connectionPair(role, { handlers: { message: () => void handled++ } });
      peer.socket.pause();
      // More than the system's own buffers hold.
      for (const size of [...sizes, ...sizes, ...sizes]) {
        peer.send({ opcode: 2, payload: randomBytes(size) });
        const before = handled;
        await until(() => handled > before);
        // Another connection reads into the same memory.
        other.peer.send({ opcode: 2, payload: Buffer.alloc(size + 100, 0xdb) });
        await until(() => handled > before + 1);
      }
      expect([...lent]).toEqual(expect.arrayContaining([1, 1000, 16_384]));
      expect(connection.bufferedAmount).toBeGreaterThan(0);
      peer.socket.resume();
      for (const { name, payload } of expected) {
        const frame = await peer.nextFrame();
        expect(frame && payloadOf(frame).equals(payload), name).toBe(true);
      }
    });

    test("control: what is sent once the handler has returned is something else", async () => {
      const kept: Uint8Array[] = [];
      const { connection, peer } = await connectionPair(role, {
        compress,
        endpoint: { lendsBytes: true, compression: compress },
        handlers: { message: (_, data) => void kept.push(data as Uint8Array) },
      });
      const payload = randomBytes(1000);
      peer.send({ opcode: 2, payload });
      await until(() => kept.length === 1);
      peer.send({ opcode: 2, payload: Buffer.alloc(2000, 0xdb) });
      await until(() => kept.length === 2);
      for (const [, form, options] of forms) {
        connection.send(form(kept[0]!), options);
        expect(payloadOf((await peer.nextFrame())!).equals(payload)).toBe(false);
      }
    });
  },
);

test("D10, D12: what a server publishes of a lent message is what was received, for those who read it late as well", async () => {
  const expected: Buffer[] = [];
  let lent = 0;
  const server = await serving({
    borrow: true,
    routes: {
      "/": {
        open: (connection) => connection.subscribe("all"),
        message: (connection, data) => {
          if (typeof data === "string") return;
          if (isLent(data)) lent++;
          connection.publish("all", data);
          server.publish("all", new DataView(data.buffer, data.byteOffset, data.length));
          connection.publish("all", new PreparedMessage(data));
          const copy = Buffer.from(data);
          expected.push(copy, copy, copy);
        },
      },
    },
  });
  const [sender, prompt, late] = [await openRaw(server.port), await openRaw(server.port), await openRaw(server.port)];
  late.socket.pause();
  for (const size of [...sizes, ...sizes]) {
    sender.send({ opcode: 2, payload: randomBytes(size) });
    // It is read in the same turn into the same memory, before anything published leaves.
    prompt.send({ opcode: 1, payload: "x".repeat(size + 100) });
    const before = expected.length;
    await until(() => expected.length > before);
    sender.received = Buffer.alloc(0);
  }
  expect(lent).toBeGreaterThan(0);
  late.socket.resume();
  for (const peer of [prompt, late]) {
    for (const [i, payload] of expected.entries()) {
      expect((await peer.nextFrame())?.payload.equals(payload), String(i)).toBe(true);
    }
  }
});
