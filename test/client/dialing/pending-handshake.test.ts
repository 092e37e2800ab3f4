import { getEventListeners } from "node:events";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { PendingHandshake } from "../../../src/client/dialing/pending-handshake.ts";

describe("PendingHandshake", () => {
  it("throws the reason of a signal that has aborted", () => {
    const reason = new Error("Before it began");
    expect(() => new PendingHandshake([AbortSignal.abort(reason)], 1000)).toThrow(reason);
  });

  it("gives up with the signal's reason: rejects its promises and destroys its streams", async () => {
    const abort = new AbortController();
    const handshake = new PendingHandshake([abort.signal], 1000);
    const streams = [new PassThrough(), new PassThrough()];
    for (const stream of streams) handshake.own(stream);
    const waiting = handshake.until(new Promise(() => {}));
    abort.abort("enough");
    await expect(waiting).rejects.toBe("enough");
    expect(streams.map(({ destroyed }) => destroyed)).toEqual([true, true]);
    const late = new PassThrough();
    handshake.own(late);
    expect(late.destroyed).toBe(true);
    await expect(handshake.until(Promise.resolve(1))).rejects.toBe("enough");
  });

  it("gives up once, with the first reason", async () => {
    const handshake = new PendingHandshake([], 1000);
    handshake.giveUp("first");
    handshake.giveUp("second");
    expect(handshake.signal.reason).toBe("first");
  });

  it("gives up when its time is over, from when it last began, and not while it is stopped", async () => {
    const handshake = new PendingHandshake([], 20);
    handshake.startTimer();
    handshake.stopTimer();
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(handshake.signal.aborted).toBe(false);
    handshake.startTimer();
    await expect(handshake.until(new Promise(() => {}))).rejects.toMatchObject({ rule: "timed-out" });
  });

  it("leaves signal, time and streams alone once it is released", async () => {
    const abort = new AbortController();
    const handshake = new PendingHandshake([abort.signal], 5);
    const stream = new PassThrough();
    handshake.own(stream);
    handshake.startTimer();
    handshake.release();
    abort.abort();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([stream.destroyed, handshake.signal.aborted]).toEqual([false, false]);
  });

  it("shares one listener on the signal with all others, until the last is done", () => {
    const { signal } = new AbortController();
    const handshakes = Array.from({ length: 20 }, () => new PendingHandshake([signal], 1000));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    for (const handshake of handshakes.slice(1)) handshake.release();
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    handshakes[0]!.release();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("listens to the errors of its streams", () => {
    const stream = new PassThrough();
    new PendingHandshake([], 1000).own(stream);
    expect(() => stream.emit("error", new Error("Lost"))).not.toThrow();
  });
});
