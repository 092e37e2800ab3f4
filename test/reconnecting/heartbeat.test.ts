import { expect, test } from "vitest";
import { type HeartbeatOptions, makeHeartbeat } from "../../src/reconnecting/heartbeat.ts";
import { TurnedClock } from "./turned-clock.ts";

/** A heartbeat on a turned clock, and a word for all that it does. */
function made(options: HeartbeatOptions) {
  const clock = new TurnedClock();
  const told: string[] = [];
  const heartbeat = makeHeartbeat(options, {
    clock,
    send: (message) => void told.push(`send ${message} at ${clock.now()}`),
    silent: () => void told.push(`silent at ${clock.now()}`),
    slept: () => void told.push("slept"),
  });
  return { clock, told, heartbeat };
}

test("asks after the interval, and is silent when no answer comes in time; once", async () => {
  const { clock, told, heartbeat } = made({ message: "ping" });
  heartbeat.received();
  await clock.turn(24_999);
  expect(told).toEqual([]);
  await clock.turn(100_000);
  expect(told).toEqual(["send ping at 25000", "silent at 35000"]);
  expect(clock.timers).toBe(0);
});

test("any message puts it off, also between the question and the end", async () => {
  const { clock, told, heartbeat } = made({ message: "ping", interval: 100, timeout: 50 });
  heartbeat.received();
  await clock.turn(99);
  expect(heartbeat.received("news")).toBe(false);
  await clock.turn(149);
  expect(told).toEqual(["send ping at 199"]);
  heartbeat.received("news");
  await clock.turn(149);
  expect(told).toEqual(["send ping at 199", "send ping at 348"]);
});

test("the reply alone is not the application's, and nothing is where there is none", () => {
  const { heartbeat } = made({ message: "ping", reply: "pong" });
  expect(["pong", "ping", "", undefined, new ArrayBuffer(4)].map((data) => heartbeat.received(data))).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
  expect(made({ message: "ping" }).heartbeat.received(undefined)).toBe(false);
});

test("without a message it watches silence alone", async () => {
  const { clock, told, heartbeat } = made({ interval: 100, timeout: 50 });
  heartbeat.received();
  await clock.turn(149);
  expect(told).toEqual([]);
  await clock.turn(1);
  expect(told).toEqual(["silent at 150"]);
});

test("an empty message is one", async () => {
  const { clock, told, heartbeat } = made({ message: "", interval: 100 });
  heartbeat.received();
  await clock.turn(100);
  expect(told).toEqual(["send  at 100"]);
});

test("asks at once when the machine woke, and judges from then on", async () => {
  const { clock, told, heartbeat } = made({ message: "ping", interval: 100, timeout: 50 });
  heartbeat.received();
  await clock.turn(60);
  heartbeat.beat();
  await clock.turn(50);
  expect(told).toEqual(["send ping at 60", "silent at 110"]);
});

test("a timer that is late by a sleep asks again in place of judging [realtime-js#133]", async () => {
  const { clock, told, heartbeat } = made({ message: "ping", interval: 100, timeout: 50 });
  heartbeat.received();
  await clock.turn(100);
  clock.sleep(60_000);
  await clock.turn(50);
  expect(told).toEqual(["send ping at 100", "slept", "send ping at 150"]);
  await clock.turn(50);
  expect(told.at(-1)).toBe("silent at 200");
});

test("nothing comes of it once it is stopped", async () => {
  const { clock, told, heartbeat } = made({ message: "ping", interval: 100, timeout: 50 });
  heartbeat.received();
  heartbeat.stop();
  await clock.turn(1000);
  expect([told, clock.timers]).toEqual([[], 0]);
});

test.each([{ interval: 0 }, { timeout: Number.NaN }, { interval: "soon" as never }])("%j is refused", (options) => {
  expect(() => made(options)).toThrow(RangeError);
});
