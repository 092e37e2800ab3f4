import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { tickLength, type Watched, wheelOf } from "../../../src/connection/event-loop/timer-wheel.ts";
import { type Clock, realTime } from "../../../src/transport/clock.ts";
import { socketPair } from "../../support/raw-peer.ts";

// Here a turn of the event loop is a part of the time that is replaced.
vi.mock("../../../src/transport/scheduling.ts", () => ({
  setImmediate: (task: () => void) => globalThis.setImmediate(task),
}));

const wheel = wheelOf(realTime);
const made: Watched[] = [];

/** Watched by the wheel: notes the ticks at which it was looked at, and asks to be looked at again as told. */
function watched(again: (look: number) => number = () => 0): Watched & { readonly looks: number[] } {
  const begun = wheel.tick;
  const looks: number[] = [];
  const one = {
    slot: -1,
    looks,
    watch: () => {
      looks.push(wheel.tick - begun);
      return again(looks.length);
    },
  };
  made.push(one);
  return one;
}

beforeEach(() => {
  vi.useFakeTimers();
  // The fake one waits a millisecond; there are no sockets here that would have to be read before.
  vi.stubGlobal("setImmediate", (look: () => void) => look());
});

afterEach(() => {
  for (const one of made.splice(0)) wheel.unwatch(one);
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("the timer wheel", () => {
  test.each([
    [1, 1],
    [2.1, 3],
    [0, 1],
    [-5, 1],
    [63, 63],
    [64, 63],
    [Number.POSITIVE_INFINITY, 63],
  ])("watchAfter(%s) looks after %s ticks, once", (ticks, expected) => {
    const one = watched();
    wheel.watchAfter(one, ticks);
    vi.advanceTimersByTime(200_000);
    expect(one.looks).toEqual([expected]);
    expect(one.slot).toBe(-1);
  });

  test("what watch returns is when it is called again, 0 for never", () => {
    const one = watched((look) => (look < 3 ? 10 : 0));
    wheel.watchAfter(one, 5);
    vi.advanceTimersByTime(100_000);
    expect(one.looks).toEqual([5, 15, 25]);
  });

  test("one timer serves all, and is gone when nobody is watched", () => {
    const many = Array.from({ length: 100 }, () => watched());
    for (const one of many) wheel.watchAfter(one, 3);
    expect(vi.getTimerCount()).toBe(1);
    for (const one of many.slice(1)) wheel.unwatch(one);
    expect(vi.getTimerCount()).toBe(1);
    wheel.unwatch(many[0]!);
    wheel.unwatch(many[0]!);
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(10_000);
    expect(many.flatMap(({ looks }) => looks)).toEqual([]);
  });

  test("watched anew, it is looked at when it was said last", () => {
    const one = watched();
    wheel.watchAfter(one, 2);
    wheel.watchAfter(one, 7);
    vi.advanceTimersByTime(20_000);
    expect(one.looks).toEqual([7]);
  });

  test("looks may take others off, put them elsewhere, and put new ones on", () => {
    const moved = watched();
    const removed = watched();
    const added = watched();
    const first = watched(() => {
      wheel.unwatch(removed);
      wheel.watchAfter(moved, 4);
      wheel.watchAfter(added, 1);
      return 0;
    });
    for (const one of [first, moved, removed]) wheel.watchAfter(one, 3);
    vi.advanceTimersByTime(20_000);
    expect(first.looks).toEqual([3]);
    expect(removed.looks).toEqual([]);
    expect(moved.looks).toEqual([7]);
    expect(added.looks).toEqual([4]);
  });

  test("a process that was suspended has lived through one tick, not through all of its absence [D19]", () => {
    const one = watched();
    wheel.watchAfter(one, 3);
    const before = wheel.tick;
    // The clock jumps, and the overdue interval fires once.
    vi.setSystemTime(Date.now() + 3_600_000);
    vi.advanceTimersByTime(1000);
    expect(wheel.tick - before).toBe(1);
    expect(one.looks).toEqual([]);
  });

  test("no tick is shorter than a second, also after one that waited for its turn", () => {
    const waits = [900];
    vi.stubGlobal("setImmediate", (look: () => void) => {
      const wait = waits.shift();
      if (wait === undefined) look();
      else setTimeout(look, wait);
    });
    const begun = Date.now();
    const times: number[] = [];
    const one = watched((look) => {
      times.push(Date.now() - begun);
      return look < 4 ? 1 : 0;
    });
    wheel.watchAfter(one, 1);
    // With somebody else on it the wheel keeps its timer.
    wheel.watchAfter(watched(), 60);
    vi.advanceTimersByTime(20_000);
    expect(times).toEqual([1900, 2900, 3900, 4900]);
  });

  test("one turn at a time comes, however often the timer is due before it", () => {
    const due: (() => void)[] = [];
    vi.stubGlobal("setImmediate", (look: () => void) => due.push(look));
    wheel.watchAfter(watched(), 1);
    wheel.watchAfter(watched(), 60);
    const before = wheel.tick;
    vi.advanceTimersByTime(2500);
    expect(due.length).toBe(1);
    due.shift()!();
    vi.advanceTimersByTime(2500);
    expect([due.length, wheel.tick - before]).toEqual([1, 0]);
    due.shift()!();
    expect([due.length, wheel.tick - before]).toEqual([0, 1]);
    vi.advanceTimersByTime(1000);
    expect(due.length).toBe(1);
    due.shift()!();
  });

  test("each clock has one wheel, which its own time turns", () => {
    const calls: (() => void)[] = [];
    const clock: Clock = {
      now: () => 0,
      after: (delay, call) => {
        expect(delay).toBe(tickLength);
        calls.push(call);
        return () => void calls.splice(0);
      },
    };
    const other = wheelOf(clock);
    expect([wheelOf(clock), other === wheel]).toEqual([other, false]);
    const one = watched();
    other.watchAfter(one, 2);
    vi.advanceTimersByTime(10_000);
    expect([other.tick, one.looks.length]).toEqual([0, 0]);
    calls.shift()!();
    calls.shift()!();
    expect([other.tick, one.looks.length, calls.length]).toEqual([2, 1, 0]);
  });

  test.each([
    ["before the tick", 0],
    // In the turn of the event loop in which the tick is due, after the sockets were polled.
    ["while the tick waited for its turn", 1],
  ])(
    "what came while the process was stopped %s is read before anybody is looked at, and the next look is a second later [D19]",
    async (_, due) => {
      vi.unstubAllGlobals();
      vi.useRealTimers();
      const [near, far] = await socketPair();
      const order: string[] = [];
      const looks: number[] = [];
      near.on("data", () => order.push("read"));
      await once(near, "resume");
      const stopped = new Int32Array(new SharedArrayBuffer(4));
      const stop = () => {
        far.write("an answer");
        Atomics.wait(stopped, 0, 0, 1200);
      };
      await new Promise<void>((resolve) => {
        const one: Watched = {
          slot: -1,
          watch: () => {
            order.push("looked");
            looks.push(performance.now());
            if (looks.length < 2) return 1;
            resolve();
            return 0;
          },
        };
        made.push(one);
        // Older than the wheel's timer and as long, so that it stops just before what that one does.
        if (due === 1) setTimeout(() => setImmediate(stop), tickLength);
        wheel.watchAfter(one, 1);
        if (due === 0) stop();
      });
      near.destroy();
      far.destroy();
      expect(order).toEqual(["read", "looked", "looked"]);
      // Timers count whole milliseconds.
      expect(looks[1]! - looks[0]!).toBeGreaterThan(tickLength - 1);
    },
  );
});
