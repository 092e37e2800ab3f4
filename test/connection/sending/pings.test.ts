import { describe, expect, test, vi } from "vitest";
import { checkPingPayload, nextPingPayload, Pings } from "../../../src/connection/sending/pings.ts";
import { realTime } from "../../../src/transport/clock.ts";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

describe("Pings", () => {
  test("a Pong settles its Ping with the time between them [R6455-5.5.3-1]", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const pings = new Pings(realTime);
      const roundTrip = pings.add(bytes("a"));
      vi.advanceTimersByTime(40);
      expect(pings.settle(bytes("a"))).toBe(40);
      expect(await roundTrip).toBe(40);
    } finally {
      vi.useRealTimers();
    }
  });

  test("a Pong settles every earlier Ping, and no later one [R6455-5.5.3-2]", async () => {
    const pings = new Pings(realTime);
    const first = pings.add(bytes("1"));
    const second = pings.add(bytes("2"));
    const third = pings.add(bytes("3"));
    let thirdDone = false;
    void third.then(() => {
      thirdDone = true;
    });
    expect(pings.settle(bytes("2"))).toBeTypeOf("number");
    expect(await first).toBeGreaterThanOrEqual(await second);
    expect(thirdDone).toBe(false);
    expect(pings.settle(bytes("1"))).toBeUndefined();
    expect(pings.settle(bytes("3"))).toBeTypeOf("number");
    await third;
  });

  test("a Pong that nobody asked for settles nothing [R6455-5.5.3-3]", () => {
    const pings = new Pings(realTime);
    void pings.add(bytes("a"));
    expect(pings.settle(bytes("b"))).toBeUndefined();
    expect(pings.settle(bytes(""))).toBeUndefined();
    expect(pings.settle(bytes("a"))).toBeTypeOf("number");
  });

  test("of several with one payload the latest counts", async () => {
    const pings = new Pings(realTime);
    const both = [pings.add(bytes("")), pings.add(bytes(""))];
    expect(pings.settle(bytes(""))).toBeTypeOf("number");
    expect(await Promise.all(both)).toHaveLength(2);
    expect(pings.settle(bytes(""))).toBeUndefined();
  });

  test("the payload may change after the Ping was noted [D12]", async () => {
    const pings = new Pings(realTime);
    const payload = bytes("a");
    const roundTrip = pings.add(payload);
    payload[0] = 0;
    expect(pings.settle(bytes("a"))).toBeTypeOf("number");
    await roundTrip;
  });

  test("when the connection is over all are rejected, and nobody has to listen", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", note);
    try {
      const pings = new Pings(realTime);
      void pings.add(bytes("a"));
      const heard = pings.add(bytes("b"));
      pings.rejectAll();
      await expect(heard).rejects.toThrow("Cannot measure the round trip: the connection is closed");
      await new Promise(setImmediate);
      expect(unhandled).toEqual([]);
      expect(pings.settle(bytes("a"))).toBeUndefined();
    } finally {
      process.off("unhandledRejection", note);
    }
  });
});

test("every payload of nextPingPayload is another", () => {
  const payloads = Array.from({ length: 1000 }, () => Buffer.from(nextPingPayload()).toString("hex"));
  expect(new Set(payloads).size).toBe(1000);
  expect(payloads.every((payload) => payload.length === 16)).toBe(true);
});

test("only a Uint8Array is a payload [D10]", () => {
  for (const payload of [new Uint8Array(2), Buffer.from("a")]) expect(() => checkPingPayload(payload)).not.toThrow();
  for (const payload of [
    undefined,
    null,
    5,
    "text",
    [1],
    new ArrayBuffer(1),
    new Float32Array(2),
    new DataView(new ArrayBuffer(1)),
  ]) {
    expect(() => checkPingPayload(payload)).toThrow(TypeError);
  }
});
