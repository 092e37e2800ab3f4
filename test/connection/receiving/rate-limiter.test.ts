import { describe, expect, test } from "vitest";
import { resolveRateLimit } from "../../../src/connection/options/rate-limit.ts";
import { RateLimiter } from "../../../src/connection/receiving/rate-limiter.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

function limiterOf(options: Parameters<typeof resolveRateLimit>[0]): { limiter: RateLimiter; clock: VirtualClock } {
  const clock = new VirtualClock();
  return { limiter: new RateLimiter(resolveRateLimit(options)!, clock), clock };
}

/** How many messages may come now. */
function room(limiter: RateLimiter, bytes = 0): number {
  let count = 0;
  for (; limiter.wait === 0 && count < 1000; count++) limiter.take(1, bytes);
  return count;
}

describe.each([1, 3, 7, 10, 60, 999])("%i messages a second", (messages) => {
  test("come at once after a silence, and then one after another", async () => {
    const { limiter, clock } = limiterOf({ messages });
    expect(room(limiter)).toBe(messages);
    expect(limiter.wait).toBeCloseTo(1000 / messages, 2);
    await clock.advance(1000 / messages + 0.01);
    expect(room(limiter)).toBe(1);
    await clock.advance(60_000);
    expect(room(limiter)).toBe(messages);
  });
});

test("a burst is so many seconds' worth", async () => {
  const { limiter, clock } = limiterOf({ messages: 5, burst: 3 });
  expect(room(limiter)).toBe(15);
  await clock.advance(1000.01);
  expect(room(limiter)).toBe(5);
});

test.each([
  [{ messages: 0.1 }, 10_000],
  [{ messages: 2, burst: 0.001 }, 500],
])("one message always may come: %o", async (options, between) => {
  const { limiter, clock } = limiterOf(options);
  expect(room(limiter)).toBe(1);
  expect(limiter.wait).toBeCloseTo(between, 2);
  await clock.advance(between + 0.01);
  expect(room(limiter)).toBe(1);
});

test("bytes are counted beside messages, and a large message is paid for afterwards", async () => {
  const { limiter, clock } = limiterOf({ messages: 100, bytes: 1000 });
  limiter.take(1, 5000);
  expect(limiter.wait).toBeCloseTo(4001, 2);
  await clock.advance(4001.01);
  expect(limiter.wait).toBe(0);
});

test("nothing is limited that has no number", () => {
  const { limiter } = limiterOf({ bytes: 10 });
  for (let count = 0; count < 1000; count++) limiter.take(1, 0);
  expect(limiter.wait).toBe(0);
  const open = limiterOf({ messages: Number.POSITIVE_INFINITY }).limiter;
  expect(room(open, 1_000_000)).toBe(1000);
});

test.each([
  [{ messages: 0 }, RangeError],
  [{ messages: Number.NaN }, RangeError],
  [{ bytes: -1 }, RangeError],
  [{ burst: 0 }, RangeError],
  [{ burst: Number.POSITIVE_INFINITY }, RangeError],
  [{ messages: "5" }, TypeError],
  [{ exceeded: "drop" }, TypeError],
  [{ message: 5 }, TypeError],
  [true, TypeError],
])("what cannot be is refused: %o", (options, error) => {
  expect(() => resolveRateLimit(options as never)).toThrow(error);
});
