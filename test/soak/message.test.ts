/** The messages of the soak: each reads as it was made, and whatever happens to it on the way is seen. */
import { describe, expect, it, test } from "vitest";
import { drawSize, headLength, type Kind, makeMessage, readMessage, topicSeed } from "../../soak/message.ts";

const kinds: readonly Kind[] = ["ask", "publish", "leave", "dismiss", "answer", "news", "start", "end"];

describe.each([true, false])("a message, text: %s", (text) => {
  test.each(kinds)("%s reads as it was made", (kind) => {
    for (const size of [undefined, 16, 17, 1000, 1 << 20]) {
      const message = makeMessage({
        kind,
        number: 2 ** 28 - 1,
        seed: 7,
        text,
        ...(size === undefined ? {} : { size }),
      });
      expect(typeof message).toBe(text ? "string" : "object");
      expect(message.length).toBe(size ?? headLength);
      expect(readMessage(message, 7)).toMatchObject({ kind, number: 2 ** 28 - 1 });
    }
  });

  it("carries a body", () => {
    const message = makeMessage({ kind: "end", number: 1, seed: 7, text, body: "1234" });
    expect(readMessage(message, 7)?.body.toString()).toBe("1234");
  });

  it("is none with any of its characters changed, with one missing or too many, or for another seed", () => {
    const message = Buffer.from(makeMessage({ kind: "ask", number: 12, seed: 7, text, body: "ab" }));
    const read = (bytes: Buffer, seed = 7) => readMessage(text ? bytes.toString("latin1") : bytes, seed);
    expect(read(message)).toBeDefined();
    for (let i = 0; i < message.length; i++) {
      const changed = Buffer.from(message);
      changed[i]! ^= 1;
      expect(read(changed)).toBeUndefined();
      expect(read(message.subarray(0, i))).toBeUndefined();
    }
    expect(read(Buffer.concat([message, Buffer.alloc(1)]))).toBeUndefined();
    expect(read(message, 8)).toBeUndefined();
    expect(read(message, topicSeed(7))).toBeUndefined();
  });
});

it("text of a pool has no half of a surrogate pair, so that it survives UTF-8", () => {
  const message = makeMessage({ kind: "ask", number: 1, seed: 1, text: true, size: 1 << 20 }) as string;
  expect(Buffer.from(message).toString()).toBe(message);
});

it("sizes are mostly small, never below the head, and 1 MiB at most", () => {
  const sizes = Array.from({ length: 100_000 }, drawSize);
  const share = (least: number) => sizes.filter((size) => size >= least).length / sizes.length;
  expect(Math.min(...sizes)).toBe(headLength);
  expect(Math.max(...sizes)).toBe(1 << 20);
  expect(share(257)).toBeCloseTo(0.2, 1);
  expect(share(4097)).toBeCloseTo(0.05, 2);
  expect(sizes.filter((size) => size > 65_536 && size < 1 << 20)).toEqual([]);
});
