import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SendDeadlines } from "../../../src/connection/sending/send-deadlines.ts";
import { realTime } from "../../../src/transport/clock.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** Deadlines over a transport in which so many bytes wait; `left` makes it as if that many had left in all. */
function make(waiting = 0) {
  const transport = { waiting };
  const late: number[] = [];
  const deadlines = new SendDeadlines(transport, realTime, (timeout) => late.push(timeout));
  const left = (bytes: number) => {
    transport.waiting = deadlines.written - bytes;
  };
  return { late, deadlines, left };
}

test("a message that has not left in time is told once, with its timeout", () => {
  const { left, late, deadlines } = make();
  deadlines.add(1000).end = 10;
  left(9);
  vi.advanceTimersByTime(999);
  expect(late).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(late).toEqual([1000]);
  vi.advanceTimersByTime(10_000);
  expect(late).toEqual([1000]);
});

test("what waited before the first deadline has to leave before its message", () => {
  const { left, late, deadlines } = make(100);
  expect(deadlines.written).toBe(100);
  deadlines.wrote(10);
  deadlines.add(1000).end = deadlines.written;
  left(109);
  vi.advanceTimersByTime(1000);
  expect(late).toEqual([1000]);
});

test("one that has left is nothing, and no timer goes on for it", () => {
  const { left, late, deadlines } = make();
  deadlines.add(1000).end = 10;
  left(10);
  vi.advanceTimersByTime(1000);
  expect(late).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test("the shorter of two times counts first, whichever message it is of", () => {
  const { left, late, deadlines } = make();
  deadlines.add(1000).end = 10;
  deadlines.add(300).end = 20;
  left(10);
  vi.advanceTimersByTime(300);
  expect(late).toEqual([300]);

  const other = make();
  other.deadlines.add(300).end = 10;
  other.deadlines.add(1000).end = 20;
  other.left(10);
  vi.advanceTimersByTime(999);
  expect(other.late).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(other.late).toEqual([1000]);
});

test("one that stands in line is late however much has left", () => {
  const { left, late, deadlines } = make();
  deadlines.add(100);
  left(1e9);
  vi.advanceTimersByTime(100);
  expect(late).toEqual([100]);
});

test("one timer is enough for many, of which none is kept that has left", () => {
  const { left, deadlines } = make();
  for (let sent = 0; sent < 100_000; sent++) {
    deadlines.add(1000 + (sent % 7)).end = sent + 1;
    left(sent);
  }
  expect(vi.getTimerCount()).toBe(1);
});

test("once stopped it tells nothing and leaves no timer", () => {
  const { late, deadlines } = make();
  deadlines.add(100).end = 1;
  deadlines.stop();
  vi.advanceTimersByTime(100);
  expect([late, vi.getTimerCount()]).toEqual([[], 0]);
});

test("a time without end is none that comes", () => {
  const { late, deadlines } = make();
  deadlines.add(Number.POSITIVE_INFINITY).end = 1;
  vi.advanceTimersByTime(2 ** 31 - 1);
  expect(late).toEqual([]);
});
