/** What a socket of our own does past its stream, and what it knows when it is gone. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { NetSocket } from "../../../src/transport/streams/net-socket.ts";
import { StreamSocket } from "../../../src/transport/streams/stream-socket.ts";
import { transportOver } from "../../../src/transport/streams/transport-over.ts";
import { until } from "../../support/connection-pair.ts";
import { HeldDuplex, nextTurn } from "../../support/held-duplex.ts";
import { socketPair } from "../../support/raw-peer.ts";
import { Heard } from "../contract.ts";

const opened: Socket[] = [];

afterEach(() => {
  for (const socket of opened.splice(0)) socket.on("error", () => {}).destroy();
});

async function listened() {
  const [stream, far] = await socketPair();
  opened.push(stream, far);
  const near = transportOver(stream, true);
  const heard = new Heard();
  near.listen(heard);
  near.resume();
  return { near, stream, far, heard };
}

describe("a socket of our own", () => {
  test("reads into memory that others share, and writes past its stream, until it becomes one", async () => {
    const [one, two] = [await listened(), await listened()];
    expect([one.near instanceof NetSocket, one.near.keepsPieces, one.stream.listenerCount("data")]).toEqual([
      true,
      true,
      0,
    ]);
    const memories = new Set<ArrayBufferLike>();
    for (const { far, heard } of [one, two]) {
      const { received } = heard;
      heard.received = (chunk, borrowed, length) => {
        memories.add(chunk.buffer);
        received.call(heard, chunk, borrowed, length);
      };
      far.write("a");
      await until(() => heard.text === "a");
    }
    expect(memories.size).toBe(1);
    one.stream.write = () => expect.unreachable();
    expect(one.near.write(Buffer.from("direct"), false)).toBe("left");
    two.near.becomeStream();
    expect([two.near.keepsPieces, two.stream.listenerCount("data")]).toEqual([false, 1]);
    expect([one.near.givesBack, two.near.givesBack]).toEqual([true, true]);
    two.far.write("b");
    await until(() => two.heard.text === "ab");
    expect(memories.size).toBe(2);
  });

  test("knows what waited when it was destroyed, though its handle does not", async () => {
    const { near, heard } = await listened();
    await until(() => near.write(Buffer.alloc(100_000), false) === "full");
    const { waiting } = near;
    expect(waiting).toBeGreaterThan(0);
    near.destroy();
    await until(() => heard.said.includes("closed"));
    expect(near.waiting).toBeLessThanOrEqual(waiting);
    expect(near.waiting).toBeGreaterThan(0);
  });

  test("whose write waits for a peer that resets fails with the system's error", async () => {
    const { near, far, heard } = await listened();
    await until(() => near.write(Buffer.alloc(100_000), false) === "full");
    far.resetAndDestroy();
    await until(() => heard.said.includes("closed"));
    expect(heard.said).toEqual(["failed", "closed"]);
    expect(heard.error).toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) });
  });

  test("leaves a write that fails at once to its stream to report", async () => {
    const { near, far, heard } = await listened();
    far.resetAndDestroy();
    near.write(Buffer.from("late"), false);
    await until(() => heard.said.includes("failed"));
    expect(heard.error).toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) });
    await nextTurn();
  });

  test("is written to by its stream while that has something to write itself, and past it afterwards", async () => {
    const { near, stream, far, heard } = await listened();
    let length = 0;
    while (stream.write(Buffer.alloc(100_000, "a"))) length += 100_000;
    length += 100_000;
    expect(near.write(Buffer.from("b"), false)).toBe("full");
    expect(near.waiting).toBe(stream.writableLength);
    let came = Buffer.alloc(0);
    far.on("data", (chunk: Buffer) => (came = Buffer.concat([came, chunk])));
    await until(() => heard.said.includes("drained"));
    stream.write = () => expect.unreachable();
    near.write(Buffer.from("c"), false);
    await until(() => came.length === length + 2);
    expect(came.subarray(-3).toString()).toBe("abc");
  });

  test.each([
    ["once something was written", true],
    ["before", false],
  ])("whose stream somebody else ends takes nothing more, without a failure: %s", async (_, written) => {
    const { near, stream, far, heard } = await listened();
    if (written) near.write(Buffer.from("a"), false);
    stream.end();
    await once(stream, "finish");
    let came = "";
    far.on("data", (chunk: Buffer) => (came += chunk.toString()));
    if (near.writable) expect(near.write(Buffer.from("late"), false)).toBe("full");
    expect(near.writable).toBe(false);
    far.end();
    await until(() => heard.said.includes("closed"));
    expect([came, heard.said]).toEqual([written ? "a" : "", ["end", "closed"]]);
  });

  test.each([true, false])(
    "is not writable when it has ended or is destroyed, written to past its stream: %s",
    async (written) => {
      const [one, two] = [await listened(), await listened()];
      for (const { near } of [one, two]) {
        if (written) near.write(Buffer.from("a"), false);
        expect(near.writable).toBe(true);
      }
      one.near.end();
      two.stream.destroy();
      expect([one.near.writable, two.near.writable]).toEqual([false, false]);
    },
  );
});

test("a stream is the transport that fits it", async () => {
  const [plain] = await socketPair();
  opened.push(plain);
  const kinds = [
    transportOver(plain, true),
    transportOver(plain, false),
    transportOver(new TLSSocket(plain), true),
    transportOver(new HeldDuplex(), true),
  ];
  expect(kinds.map((kind) => kind.constructor.name)).toEqual(["NetSocket", "StreamSocket", "NetSocket", "AnyDuplex"]);
  expect(kinds[0]).toBeInstanceOf(StreamSocket);
});
