import { getEventListeners } from "node:events";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { Attempt } from "../../../src/client/dialing/pending-handshake.ts";

describe("Attempt", () => {
  it("throws the reason of a signal that has aborted", () => {
    const reason = new Error("Before it began");
    expect(() => new Attempt([AbortSignal.abort(reason)], 1000)).toThrow(reason);
  });

  it("gives up with the signal's reason: rejects what it waits for, destroys what it owns", async () => {
    const abort = new AbortController();
    const attempt = new Attempt([abort.signal], 1000);
    const streams = [new PassThrough(), new PassThrough()];
    for (const stream of streams) attempt.own(stream);
    const waiting = attempt.until(new Promise(() => {}));
    abort.abort("enough");
    await expect(waiting).rejects.toBe("enough");
    expect(streams.map(({ destroyed }) => destroyed)).toEqual([true, true]);
    const late = new PassThrough();
    attempt.own(late);
    expect(late.destroyed).toBe(true);
    await expect(attempt.until(Promise.resolve(1))).rejects.toBe("enough");
  });

  it("gives up once: the first reason stays", async () => {
    const attempt = new Attempt([], 1000);
    attempt.giveUp("first");
    attempt.giveUp("second");
    expect(attempt.signal.reason).toBe("first");
  });

  it("gives up when its time is over, from when it last began, and not while it is stopped", async () => {
    const attempt = new Attempt([], 20);
    attempt.startTimer();
    attempt.stopTimer();
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(attempt.signal.aborted).toBe(false);
    attempt.startTimer();
    await expect(attempt.until(new Promise(() => {}))).rejects.toMatchObject({ rule: "timed-out" });
  });

  it("has nothing more to do with signal, time and streams once released", async () => {
    const abort = new AbortController();
    const attempt = new Attempt([abort.signal], 5);
    const stream = new PassThrough();
    attempt.own(stream);
    attempt.startTimer();
    attempt.release();
    abort.abort();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([stream.destroyed, attempt.signal.aborted]).toEqual([false, false]);
  });

  it("shares one listener on the signal with all others, until the last is done", () => {
    const { signal } = new AbortController();
    const attempts = Array.from({ length: 20 }, () => new Attempt([signal], 1000));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    for (const attempt of attempts.slice(1)) attempt.release();
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    attempts[0]!.release();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("hears the errors of its streams", () => {
    const stream = new PassThrough();
    new Attempt([], 1000).own(stream);
    expect(() => stream.emit("error", new Error("Lost"))).not.toThrow();
  });
});
