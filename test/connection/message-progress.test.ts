/** When an unfinished message is too slow, in ticks of a second [A11]. */
import { describe, expect, test } from "vitest";
import { MessageProgress } from "../../src/connection/message-progress.ts";

const longest = 30_000;
const KiB = 1024;

/** Looks at one message; the bytes that have come by a tick, undefined where no message is unfinished. */
function follow(bytesAt: (tick: number) => number | undefined) {
  const progress = new MessageProgress();
  let lastReceived = 0;
  let before: number | undefined;
  const look = (tick: number) => {
    const bytes = bytesAt(tick);
    if (bytes !== before) lastReceived = tick;
    before = bytes;
    const endpoint = { insideMessage: bytes !== undefined, messageProgress: bytes ?? 0 };
    return progress.isSlow(endpoint as never, { tick, lastReceived, longest });
  };
  return { progress, look, slowAt: (last: number) => ticks(last).find((tick) => look(tick)) };
}

function ticks(last: number): readonly number[] {
  return Array.from({ length: last + 1 }, (_, tick) => tick);
}

describe("a message", () => {
  test("that stands still is slow when its time and the rest of its tick are over", () => {
    expect(follow(() => 10).slowAt(100)).toBe(31);
    expect(follow((tick) => (tick < 20 ? 10 : 11)).slowAt(100)).toBe(51);
  });

  test("that goes on is not, however short the steps are", () => {
    expect(follow((tick) => Math.ceil(tick / 30)).slowAt(1000)).toBeUndefined();
  });

  test("that is behind another counts anew, though as much has come", () => {
    const progress = new MessageProgress();
    const endpoint = { insideMessage: true, messageProgress: 10 } as never;
    for (const tick of ticks(100)) {
      expect(progress.isSlow(endpoint, { tick, lastReceived: tick - (tick % 30), longest })).toBe(false);
      if (tick % 30 === 29) progress.restart();
    }
  });

  test.each([
    [KiB / 20, 60],
    [KiB / 5, undefined],
  ])("beyond 64 KiB trickles when %i bytes come in a second", (rate, slow) => {
    expect(follow((tick) => 65 * KiB + Math.ceil(tick * rate)).slowAt(1000)).toBe(slow);
  });

  test("below 64 KiB may trickle", () => {
    expect(follow((tick) => tick).slowAt(1000)).toBeUndefined();
  });

  test("has all of its time again after we did not read", () => {
    const { progress, look } = follow(() => 10);
    for (const tick of ticks(25)) expect(look(tick)).toBe(false);
    for (let tick = 26; tick < 100; tick++) progress.paused(tick);
    expect([look(100), progress.untilSlow(100, longest)]).toEqual([false, longest]);
    expect([look(129), look(130)]).toEqual([false, true]);
  });
});

test("without a message there is no time until one is slow", () => {
  const { progress, look } = follow(() => undefined);
  expect([look(1000), progress.untilSlow(1000, longest)]).toEqual([false, Number.POSITIVE_INFINITY]);
});
