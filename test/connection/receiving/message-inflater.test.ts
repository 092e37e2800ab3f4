/** Compressed messages at once, elsewhere and later, with a compressor that does as it is told. */
import { describe, expect, test, vi } from "vitest";
import type { InflateOutcome, MessageDeflate } from "../../../src/connection/compression/message-deflate.ts";
import type { Inflation } from "../../../src/connection/compression/zlib-one-shot.ts";
import { MessageInflater } from "../../../src/connection/receiving/message-inflater.ts";

const payload = new Uint8Array([1]);
const message = new Uint8Array([2, 3]);

function begin() {
  const settle: ((outcome: InflateOutcome) => void)[] = [];
  const inflations: Inflation[] = [];
  let elsewhere = false;
  const deflate = {
    inflate: (_: Uint8Array, limit: number, inflation: Inflation) => {
      expect(limit).toBe(100);
      inflations.push(inflation);
      return elsewhere ? new Promise<InflateOutcome>((resolve) => settle.push(resolve)) : message;
    },
    release: vi.fn(),
  };
  const owner = { inflatesElsewhere: vi.fn(), inflated: vi.fn(), noteHeld: vi.fn(), inflatesText: vi.fn(() => false) };
  const inflater = new MessageInflater(deflate as unknown as MessageDeflate, 100, owner);
  return {
    inflater,
    owner,
    deflate,
    inflations,
    /** Begins a message in the thread pool. */
    inflateElsewhere: () => {
      elsewhere = true;
      inflater.inflate(payload);
      return async (outcome: InflateOutcome) => {
        settle.shift()!(outcome);
        await Promise.resolve();
      };
    },
  };
}

describe("a message", () => {
  test("that is inflated at once goes to the owner within the call", () => {
    const { inflater, owner } = begin();
    inflater.inflate(payload);
    expect(owner.inflated.mock.calls).toEqual([[message, false]]);
    expect(owner.inflatesElsewhere).not.toHaveBeenCalled();
  });

  test("is inflated to text if the owner says so", () => {
    const { inflater, owner, inflations } = begin();
    inflater.inflate(payload);
    owner.inflatesText.mockReturnValue(true);
    inflater.inflate(payload);
    expect(inflations.map(({ asText }) => asText)).toEqual([false, true]);
  });

  test("that goes to the thread pool says so, counts what it puts out, and goes to the owner later", async () => {
    const { inflater, owner, inflations, inflateElsewhere } = begin();
    const end = inflateElsewhere();
    expect(owner.inflatesElsewhere).toHaveBeenCalledOnce();
    inflations[0]!.length = 5;
    inflations[0]!.grew();
    expect([inflater.length, owner.noteHeld.mock.calls.length]).toEqual([5, 1]);
    await end("message-too-big");
    expect(owner.inflated.mock.calls).toEqual([["message-too-big", true]]);
    expect(inflater.length).toBe(0);
  });

  test("that is postponed stays as it is until it is taken", () => {
    const { inflater, owner } = begin();
    expect(inflater.postpones).toBe(false);
    inflater.postpone(payload);
    expect([inflater.postpones, owner.inflated.mock.calls.length]).toEqual([true, 0]);
    expect(inflater.takePostponed()).toBe(payload);
    expect(inflater.postpones).toBe(false);
  });

  test("that is cancelled stops, and its outcome still comes, so that parsing can go on", async () => {
    const { inflater, owner, inflations, inflateElsewhere } = begin();
    inflater.cancel();
    const end = inflateElsewhere();
    const stop = vi.fn();
    inflations[0]!.stop = stop;
    inflater.cancel();
    expect(stop).toHaveBeenCalledOnce();
    await end("inflate-failed");
    expect(owner.inflated).toHaveBeenCalledOnce();
  });
});

test("what inflating keeps is freed once more when the last message leaves the thread pool after the end", async () => {
  const { inflater, deflate, inflateElsewhere } = begin();
  const end = inflateElsewhere();
  inflater.release();
  expect(deflate.release).not.toHaveBeenCalled();
  await end(message);
  expect(deflate.release).toHaveBeenCalledOnce();
});
