import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Probe } from "../../../src/cluster/broker/probe.ts";
import { setImmediate } from "../../../src/transport/scheduling.ts";

const interval = 1000;
let asked: number;
let silences: number;
let probe: Probe;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  [asked, silences] = [0, 0];
  probe = new Probe({
    interval,
    ask: async () => {
      asked++;
      throw new Error("the connection is gone");
    },
    silent: () => silences++,
  });
  probe.start();
});

afterEach(() => {
  probe.stop();
  vi.useRealTimers();
});

/** Lets time pass, and what has come be read. */
async function pass(time: number): Promise<void> {
  vi.advanceTimersByTime(time);
  await new Promise<void>((resolve) => void setImmediate(resolve));
}

test("a broker that is heard is not asked", async () => {
  for (let count = 0; count < 10; count++) {
    await pass(interval / 2);
    probe.heard();
  }
  expect(asked).toBe(0);
});

test("one that answers is asked again after the next silence", async () => {
  for (let count = 1; count <= 3; count++) {
    await pass(interval);
    expect(asked).toBe(count);
    probe.heard();
    await pass(interval / 2);
  }
  expect(silences).toBe(0);
});

test("one that does not is silent, once, and is probed again when it was connected to anew", async () => {
  await pass(interval);
  await pass(interval / 2);
  await pass(10 * interval);
  expect([asked, silences]).toEqual([1, 1]);
  probe.start();
  await pass(interval);
  await pass(interval / 2);
  expect([asked, silences]).toEqual([2, 2]);
});

test("an answer that has come while the process was busy counts, though it is read late", async () => {
  await pass(interval);
  vi.advanceTimersByTime(interval / 2);
  probe.heard();
  await pass(0);
  expect(silences).toBe(0);
});

test("one that was stopped is neither asked nor silent, at whichever moment", async () => {
  probe.stop();
  await pass(10 * interval);
  expect(asked).toBe(0);
  probe.start();
  await pass(interval);
  vi.advanceTimersByTime(interval / 2);
  probe.stop();
  await pass(10 * interval);
  expect([asked, silences]).toEqual([1, 0]);
});
