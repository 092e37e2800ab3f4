/** What a clock calls when it is turned, and what it waits for. */
import { describe, expect, test, vi } from "vitest";
import { deliveriesOf, VirtualClock } from "../../src/testing/virtual-clock.ts";

describe("a virtual clock", () => {
  test("stands still until it is turned, and calls each timer at its time, in order", async () => {
    const clock = new VirtualClock();
    const calls: [string, number][] = [];
    const note = (name: string) => () => void calls.push([name, clock.now()]);
    clock.after(300, note("third"));
    clock.after(100, note("first"));
    clock.after(100, note("second"));
    clock.after(301, note("late"));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect([clock.now(), calls]).toEqual([0, []]);
    await clock.advance(300);
    expect(calls).toEqual([
      ["first", 100],
      ["second", 100],
      ["third", 300],
    ]);
    expect(clock.now()).toBe(300);
  });

  test("calls nothing that was canceled, and what is due within what it turns", async () => {
    const clock = new VirtualClock();
    const canceled = vi.fn();
    const times: number[] = [];
    const cancel = clock.after(50, canceled);
    clock.after(10, cancel);
    const tick = () => {
      times.push(clock.now());
      clock.after(20, tick);
    };
    clock.after(20, tick);
    await clock.advance(70);
    cancel();
    expect([canceled.mock.calls.length, times]).toEqual([0, [20, 40, 60]]);
  });

  test("is turned by one call after the other, however they come", async () => {
    const clock = new VirtualClock();
    const times: number[] = [];
    clock.after(150, () => times.push(clock.now()));
    await Promise.all([clock.advance(100), clock.advance(100)]);
    expect([clock.now(), times]).toEqual([200, [150]]);
  });

  test("waits for what follows from a timer before the next, as long as anything is delivered", async () => {
    const clock = new VirtualClock();
    const deliver = deliveriesOf(clock);
    let delivered = 0;
    const conversation = () => {
      deliver();
      if (++delivered < 100) setImmediate(() => setImmediate(conversation));
    };
    clock.after(10, conversation);
    let seen = 0;
    clock.after(11, () => {
      seen = delivered;
    });
    await clock.advance(11);
    expect(seen).toBe(100);
  });

  test("is not held up for ever by what never pauses", async () => {
    const clock = new VirtualClock();
    const deliver = deliveriesOf(clock);
    let goesOn = true;
    const conversation = () => {
      deliver();
      if (goesOn) setImmediate(conversation);
    };
    conversation();
    await clock.advance(0);
    goesOn = false;
    expect(clock.now()).toBe(0);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, "1000", undefined])("cannot be turned by %s", (time) => {
    expect(() => new VirtualClock().advance(time as number)).toThrow(/^Cannot advance the clock: milliseconds must be/);
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, "5", undefined])("has no timer after %s", async (delay) => {
    const clock = new VirtualClock();
    const set = () => clock.after(delay as number, () => {});
    expect(set).toThrow(RangeError);
    expect(set).toThrow(/^Cannot set a timer: delay must be a number from 0 on, not /);
    const called = vi.fn();
    clock.after(0, called);
    await clock.advance(0);
    expect(called).toHaveBeenCalledOnce();
  });

  test("has no timer that calls what is no function", () => {
    expect(() => new VirtualClock().after(1, null as never)).toThrow(
      new TypeError("Cannot set a timer: what it calls must be a function, not null"),
    );
  });

  test("passes on what a timer throws, and goes on", async () => {
    const clock = new VirtualClock();
    clock.after(10, () => {
      throw new Error("thrown");
    });
    const later = vi.fn();
    clock.after(20, later);
    await expect(clock.advance(100)).rejects.toThrow("thrown");
    await clock.advance(20);
    expect(later).toHaveBeenCalledOnce();
  });
});
