/** The time of the process, as connections use it. */
import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { realTime } from "../../src/transport/clock.ts";

describe("real time", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
  afterEach(() => void vi.useRealTimers());

  test("calls once when the delay is over, unless that was prevented", () => {
    const [called, prevented] = [vi.fn(), vi.fn()];
    const began = realTime.now();
    realTime.after(100, called);
    const cancel = realTime.after(100, prevented, true);
    vi.advanceTimersByTime(99);
    expect(called).not.toHaveBeenCalled();
    cancel();
    vi.advanceTimersByTime(1000);
    expect(called).toHaveBeenCalledOnce();
    expect(prevented).not.toHaveBeenCalled();
    expect(realTime.now() - began).toBe(1099);
  });
});

test("in the background it keeps no process alive, else it does", () => {
  const code = `
    import { realTime } from ${JSON.stringify(new URL("../../src/transport/clock.ts", import.meta.url).href)};
    realTime.after(60_000, () => {}, true);
    realTime.after(50, () => console.log("called"));
  `;
  const args = ["--import", "tsx", "--input-type=module", "-e", code];
  const { stdout, status } = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 30_000 });
  expect([stdout, status]).toEqual(["called\n", 0]);
});
