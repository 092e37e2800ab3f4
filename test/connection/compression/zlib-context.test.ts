import { constants, deflateRawSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import {
  type ContextShape,
  ContextSlot,
  canDriveSynchronously,
  countKeptContexts,
  mostContextsKept,
  ZlibContext,
} from "../../../src/connection/compression/zlib-context.ts";
import { referenceInflate } from "../../support/reference-inflate.ts";

const deflateShape: ContextShape = { direction: "deflate", options: { windowBits: 9, level: 6, memLevel: 1 } };
const inflateShape: ContextShape = { direction: "inflate", options: { windowBits: 15 } };
const hello = Buffer.from("Hello");

function feed(context: ZlibContext, input: Uint8Array): Buffer {
  const output = Buffer.alloc(1000);
  const produced = context.write(input, 0, output, 0);
  if (produced < 0) throw new Error("The data is invalid");
  return output.subarray(0, produced);
}

test("Node lets contexts be driven, so the tests of kept contexts are about them", () => {
  expect(canDriveSynchronously()).toBe(true);
});

describe("a context", () => {
  test("goes on where it was, or starts again", () => {
    const context = new ZlibContext(deflateShape);
    const first = feed(context, hello).toString("hex");
    expect(first).toBe("f248cdc9c907000000ffff");
    expect(feed(context, hello).length).toBeLessThan(first.length / 2);
    context.reset();
    expect(feed(context, hello).toString("hex")).toBe(first);
    context.close();
  });

  test("has seen its dictionary", () => {
    const context = new ZlibContext(deflateShape, hello);
    const payload = feed(context, hello).subarray(0, -4);
    context.close();
    expect(referenceInflate(payload)).toBeUndefined();
    expect(referenceInflate(payload, hello)?.message).toEqual(Uint8Array.from(hello));
  });

  test("says what it left unread when the output is full, and goes on from there", () => {
    const text = Buffer.alloc(100, "abcdefg ");
    const compressed = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH });
    const context = new ZlibContext(inflateShape);
    const output = Buffer.alloc(100);
    let length = context.write(compressed, 0, output.subarray(0, 3), 0);
    expect(length).toBe(3);
    expect(context.unread).toBeGreaterThan(0);
    while (length < 100) length += context.write(compressed, compressed.length - context.unread, output, length);
    expect(output).toEqual(text);
    context.close();
  });

  test("writes nowhere but into the room it was given", () => {
    const context = new ZlibContext(inflateShape);
    const output = Buffer.alloc(20, 0xee);
    expect(context.write(Buffer.from("f248cdc9c90700", "hex"), 0, output.subarray(0, 12), 10)).toBe(2);
    expect(output.toString("latin1")).toBe(`${"\xee".repeat(10)}He${"\xee".repeat(8)}`);
    context.close();
  });

  test("says what it left unread after a final block", () => {
    const context = new ZlibContext(inflateShape);
    expect(feed(context, Buffer.from("f348cdc9c907005a5a5a", "hex")).toString()).toBe("Hello");
    expect(context.unread).toBe(3);
    context.close();
  });

  test("returns -1 for invalid data, and no event escapes", async () => {
    const context = new ZlibContext(inflateShape);
    expect(context.write(Uint8Array.of(0xff), 0, Buffer.alloc(10), 0)).toBe(-1);
    context.close();
    await new Promise(setImmediate);
  });
});

describe("kept contexts", () => {
  const slots: ContextSlot[] = [];
  function slot(): ContextSlot {
    const made = new ContextSlot(deflateShape);
    slots.push(made);
    return made;
  }

  afterEach(() => {
    for (const made of slots.splice(0)) made.empty();
    expect(countKeptContexts()).toBe(0);
  });

  test("are made when first taken, stay the same, and go when the slot is emptied", () => {
    const one = slot();
    expect(one.occupied).toBe(false);
    const context = one.take();
    expect(one.take()).toBe(context);
    expect([one.occupied, countKeptContexts()]).toEqual([true, 1]);
    one.empty();
    one.empty();
    expect([one.occupied, countKeptContexts()]).toEqual([false, 0]);
    expect(one.take()).not.toBe(context);
  });

  test("ask for the history only when they are made", () => {
    const one = slot();
    expect(feed(one.take(), hello).toString("hex")).toBe("f248cdc9c907000000ffff");
    one.take(() => {
      throw new Error("The context is there");
    });
    one.empty();
    expect(
      feed(
        one.take(() => hello),
        hello,
      ).length,
    ).toBeLessThan(10);
  });

  test("are bounded in number, the least recently used going first [B03]", () => {
    const first = slot();
    const second = slot();
    first.take();
    second.take();
    for (let kept = 2; kept < mostContextsKept; kept++) slot().take();
    expect(countKeptContexts()).toBe(mostContextsKept);
    first.take();
    slot().take();
    expect(countKeptContexts()).toBe(mostContextsKept);
    expect([first.occupied, second.occupied]).toEqual([true, false]);
  });
});
