import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runtimeClock, sleptPast } from "../../src/reconnecting/clock.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("the runtime's own is looked up at each call, so that tests may replace it", () => {
  const before = [runtimeClock.now(), runtimeClock.date()];
  vi.advanceTimersByTime(1000);
  expect([runtimeClock.now(), runtimeClock.date()]).toEqual(before.map((time) => time + 1000));
  vi.spyOn(Math, "random").mockReturnValue(0.25);
  expect(runtimeClock.random()).toBe(0.25);
});

test("a timer takes the place of another, and one without end never fires", () => {
  const fired: string[] = [];
  const first = runtimeClock.setTimer(() => fired.push("first"), 10, undefined);
  const second = runtimeClock.setTimer(() => fired.push("second"), 10, first);
  vi.advanceTimersByTime(10);
  expect(fired).toEqual(["second"]);
  runtimeClock.clearTimer(runtimeClock.setTimer(() => fired.push("cleared"), 10, second));
  runtimeClock.setTimer(() => fired.push("never"), Number.POSITIVE_INFINITY, undefined);
  vi.advanceTimersByTime(86_400_000);
  expect(fired).toEqual(["second"]);
});

test("a machine has slept when something is more than 5 s late by the date", () => {
  const due = runtimeClock.date();
  vi.setSystemTime(due + 5000);
  expect(sleptPast(runtimeClock, due)).toBe(false);
  vi.setSystemTime(due + 5001);
  expect(sleptPast(runtimeClock, due)).toBe(true);
  vi.setSystemTime(due - 3_600_000);
  expect(sleptPast(runtimeClock, due)).toBe(false);
});
