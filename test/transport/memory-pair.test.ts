/** What a pair in memory does besides what every transport does: it behaves as TCP where sides are destroyed. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { type MemoryStream, memoryPair } from "../../src/transport/memory-pair.ts";
import { until } from "../support/connection-pair.ts";
import { nextTurn } from "../support/held-duplex.ts";

function pair(options = {}): readonly [MemoryStream, MemoryStream, string[]] {
  const [near, far] = memoryPair(options);
  const events: string[] = [];
  for (const [name, end] of Object.entries({ near, far })) {
    end.on("error", ({ message }) => void events.push(`${name}: ${message}`));
    end.on("close", () => void events.push(`${name} closed`));
  }
  return [near, far, events];
}

/** `once` would reject with an error of the stream. */
function closed(stream: MemoryStream): Promise<unknown> {
  return new Promise((resolve) => stream.once("close", resolve));
}

describe("what is written", () => {
  test("is delivered in a later turn, in order, and is the writer's own again", async () => {
    const [near, far] = pair();
    const chunks: string[] = [];
    far.on("data", (chunk) => void chunks.push(String(chunk)));
    await nextTurn();
    const memory = Buffer.from("one");
    near.write(memory);
    near.write("two");
    memory.fill("x");
    expect(chunks).toEqual([]);
    await nextTurn();
    expect(chunks.join("")).toBe("onetwo");
  });

  test("waits beyond the high-water mark until it is read", async () => {
    const [near, far] = pair({ highWaterMark: 10 });
    near.write(Buffer.alloc(10));
    await nextTurn();
    expect(near.writableLength).toBe(0);
    near.write(Buffer.alloc(1));
    await nextTurn();
    expect(near.writableLength).toBe(1);
    far.resume();
    await until(() => near.writableLength === 0);
  });

  test("is delivered no further than the high-water mark ahead of a reader that stops, also what was one write", async () => {
    const [near, far] = pair({ highWaterMark: 10 });
    const lengths: number[] = [];
    far.on("data", (chunk: Buffer) => {
      lengths.push(chunk.length);
      far.pause();
    });
    await nextTurn();
    near.write(Buffer.from("0123456789".repeat(10)));
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    expect([lengths, far.readableLength, near.writableLength]).toEqual([[10], 10, 100]);
    const rest: Buffer[] = [];
    far.removeAllListeners("data").on("data", (chunk: Buffer) => void rest.push(chunk));
    far.resume();
    await until(() => Buffer.concat(rest).length === 90);
    expect(String(Buffer.concat(rest))).toBe("0123456789".repeat(9));
    await until(() => near.writableLength === 0);
  });

  test("is told of when it was delivered, as an end and a reset are", async () => {
    let deliveries = 0;
    const [near, far] = pair({ delivered: () => void deliveries++ });
    far.resume();
    near.write("a");
    await nextTurn();
    expect(deliveries).toBe(1);
    near.end();
    await nextTurn();
    expect(deliveries).toBe(2);
    far.resetAndDestroy();
    await nextTurn();
    expect(deliveries).toBe(3);
  });
});

describe("a side that is destroyed", () => {
  test("ends the other's reading behind what it wrote, and its writing is a broken pipe", async () => {
    const [near, far, events] = pair();
    near.write("last");
    near.destroy();
    const chunks: string[] = [];
    far.on("data", (chunk) => void chunks.push(String(chunk)));
    await once(far, "end");
    expect(chunks).toEqual(["last"]);
    far.write("into nothing");
    await closed(far);
    expect(events).toEqual(["near closed", "far: write EPIPE", "far closed"]);
  });

  test("with bytes unread resets the other", async () => {
    const [near, far, events] = pair();
    far.resume();
    far.write("unread");
    await nextTurn();
    near.destroy();
    await closed(far);
    expect(events).toEqual(["near closed", "far: read ECONNRESET", "far closed"]);
  });

  test("as what was written waits for it, fails the write", async () => {
    const [near, far, events] = pair({ highWaterMark: 10 });
    near.write(Buffer.alloc(100));
    near.end();
    await nextTurn();
    far.destroy();
    await closed(near);
    expect(events).toContain("near: read ECONNRESET");
  });

  test("by a reset loses what was on its way", async () => {
    const [near, far, events] = pair();
    far.on("data", () => expect.unreachable());
    await nextTurn();
    near.write("lost");
    expect(near.resetAndDestroy()).toBe(near);
    await closed(far);
    expect(events).toContain("far: read ECONNRESET");
  });
});
