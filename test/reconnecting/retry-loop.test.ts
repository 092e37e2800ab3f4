/** The loop alone, on a turned clock, with a host that notes what it is told. */
import { describe, expect, test } from "vitest";
import { type Attempt, type End, nothingCame } from "../../src/reconnecting/policy/attempt.ts";
import { type ReconnectOptions, resolveReconnect } from "../../src/reconnecting/policy/backoff.ts";
import { statusRules } from "../../src/reconnecting/policy/close-policy.ts";
import { type RetryHost, type RetryParts, retryLoop } from "../../src/reconnecting/retry-loop.ts";
import { TurnedClock } from "./turned-clock.ts";

const lost: End = { ...nothingCame, opened: true };

function made(reconnect: ReconnectOptions = {}, parts: Partial<RetryParts> = {}, hooks: Partial<RetryHost> = {}) {
  const clock = new TurnedClock();
  const attempts: Attempt[] = [];
  const told: string[] = [];
  let wake: (online: boolean) => void = () => {};
  let watching = 0;
  const host: RetryHost = {
    dial: (attempt) => void attempts.push(attempt),
    failed: (error) => {
      told.push(`failed ${(error as Error).message}`);
      loop.ended({ ...nothingCame, error });
    },
    complained: (error) => void told.push(`complained ${(error as Error).message}`),
    lost: (end) => void told.push(`lost ${end.code}`),
    gaveUp: (end) => void told.push(`gave up ${end.code}`),
    changed: () => void told.push(loop.state),
    woken: () => void told.push("woken"),
    ...hooks,
  };
  const loop = retryLoop(host, {
    settings: resolveReconnect(reconnect),
    clock,
    provides: false,
    statusRules,
    watchWakes: (woken) => {
      wake = woken;
      watching++;
      return () => void watching--;
    },
    ...parts,
  });
  const take = () => told.splice(0);
  return { loop, clock, attempts, take, wake: (online = false) => wake(online), watching: () => watching };
}

describe("an attempt", () => {
  test("is begun by start, once, and numbered; what ended the one before goes into it", async () => {
    const { loop, clock, attempts } = made({}, { resume: { attempt: () => "position" } });
    expect([loop.state, attempts.length]).toEqual(["connecting", 0]);
    loop.start();
    expect(attempts[0]).toMatchObject({ number: 1, last: undefined, resume: "position" });
    loop.opened();
    loop.start();
    expect(attempts).toHaveLength(1);
    loop.ended(lost);
    await clock.turn(loop.retryAt - clock.date());
    expect(attempts[1]).toMatchObject({ number: 2, last: lost });
  });

  test("that takes too long has failed, and one that opened is not timed any more", async () => {
    const { loop, clock, attempts, take } = made({ handshakeTimeout: 50, firstDelay: 100 });
    loop.start();
    await clock.turn(50);
    expect(take()).toEqual(["failed Cannot connect: it took longer than 50 ms", "waiting", "lost 1006"]);
    expect([attempts[0]!.signal.aborted, loop.failures]).toEqual([true, 1]);
    await clock.turn(loop.retryAt - clock.date());
    loop.opened();
    await clock.turn(1000);
    expect(take()).toEqual(["connecting", "open"]);
  });

  test("whose host or resume throws has failed", () => {
    const failing = () => {
      throw new Error("mine");
    };
    for (const { loop, take } of [made({}, {}, { dial: failing }), made({}, { resume: { attempt: failing } })]) {
      loop.start();
      expect(take()).toEqual(["failed mine", "waiting", "lost 1006"]);
    }
  });
});

describe("a wait", () => {
  test("ends when the attempt is due, and grows with the failures until a connection is stable", async () => {
    const { loop, clock } = made({ firstDelay: 1000, factor: 2, maxDelay: 3000, stableAfter: 500 });
    loop.start();
    const waits: number[] = [];
    for (let i = 0; i < 3; i++) {
      loop.ended(nothingCame);
      waits.push(loop.retryAt - clock.date());
      await clock.turn(waits.at(-1)!);
      expect([loop.state, loop.retryAt]).toEqual(["connecting", 0]);
    }
    expect(waits).toEqual([1000, 1500, 1500]);
    loop.opened();
    await clock.turn(499);
    expect(loop.failures).toBe(3);
    await clock.turn(1);
    expect(loop.failures).toBe(0);
    loop.ended(lost);
    expect(loop.retryAt - clock.date()).toBe(500);
  });

  test("ends by a wake, at random within a second by `online`, and not below a hint or within a second", async () => {
    const { loop, clock, wake } = made({ firstDelay: 100_000, maxDelay: 100_000 });
    loop.start();
    await clock.turn(5000);
    loop.ended(nothingCame);
    wake();
    expect(loop.retryAt - clock.date()).toBe(0);
    await clock.turn(0);
    loop.ended(nothingCame);
    wake();
    expect(loop.retryAt - clock.date()).toBe(1000);
    await clock.turn(1000);
    await clock.turn(5000);
    loop.ended(nothingCame);
    wake(true);
    expect(loop.retryAt - clock.date()).toBe(500);
    await clock.turn(500);
    loop.ended({ ...nothingCame, retryAfter: 20 });
    wake();
    expect(loop.retryAt - clock.date()).toBe(20_000);
  });

  test("of a machine that slept meanwhile is one from which it woke", async () => {
    const { loop, clock } = made({ firstDelay: 10_000 });
    loop.start();
    loop.ended(nothingCame);
    clock.sleep(60_000);
    await clock.turn(10_000);
    loop.opened();
    loop.ended(lost);
    expect(loop.retryAt - clock.date()).toBe(500);
  });

  test("a wake tells the host while the connection is open, and nobody else", () => {
    const { loop, take, wake } = made();
    loop.start();
    wake();
    loop.opened();
    wake();
    expect(take()).toEqual(["open", "woken"]);
  });
});

describe("the end", () => {
  test("comes where the server judged, after maxAttempts, and when the program leaves; then nothing is watched", () => {
    const judged = made();
    judged.loop.start();
    judged.loop.ended({ ...nothingCame, code: 4403 });
    expect(judged.take()).toEqual(["closed", "lost 4403", "gave up 4403"]);
    const worn = made({ maxAttempts: 1 });
    worn.loop.start();
    worn.loop.ended(nothingCame);
    expect(worn.take()).toEqual(["closed", "lost 1006", "gave up 1006"]);
    const left = made();
    left.loop.start();
    left.loop.opened();
    left.loop.leave();
    left.loop.ended({ ...lost, code: 1000 });
    expect(left.take()).toEqual(["open", "closing", "closed", "lost 1000", "gave up 1000"]);
    for (const { watching, clock, loop } of [judged, worn, left]) {
      expect([watching(), clock.timers, loop.retryAt]).toEqual([0, 0, 0]);
      loop.ended(lost);
      loop.close();
      expect(loop.state).toBe("closed");
    }
  });

  test("by close gives the attempt up, and nothing is told but the state", () => {
    const { loop, attempts, take } = made();
    loop.start();
    loop.close();
    expect([take(), attempts[0]!.signal.aborted]).toEqual([["closed"], true]);
    const before = made();
    before.loop.close();
    before.loop.start();
    expect(before.attempts).toEqual([]);
  });
});

describe("shouldReconnect", () => {
  const asked = (answer: () => boolean | Promise<boolean>) => made({ firstDelay: 1000, shouldReconnect: answer });

  test("brings back where the table says never, and ends where it says come back", async () => {
    const back = asked(() => true);
    back.loop.start();
    back.loop.ended({ ...nothingCame, code: 4403 });
    await back.clock.turn(10_000);
    expect(back.attempts).toHaveLength(2);
    const over = asked(async () => false);
    over.loop.start();
    over.loop.ended(nothingCame);
    await over.clock.turn(0);
    expect(over.take()).toEqual(["waiting", "lost 1006", "closed", "gave up 1006"]);
  });

  test("that answers late holds the attempt up, and its answer to an older end counts no more", async () => {
    const answers: ((goesOn: boolean) => void)[] = [];
    const { loop, clock, attempts } = asked(() => new Promise((resolve) => answers.push(resolve)));
    loop.start();
    loop.ended(nothingCame);
    await clock.turn(10_000);
    expect([loop.state, attempts.length]).toEqual(["waiting", 1]);
    answers[0]!(true);
    await clock.turn(0);
    expect(attempts).toHaveLength(2);
    loop.ended(nothingCame);
    loop.reconnect(lost);
    answers[1]!(false);
    await clock.turn(0);
    expect([loop.state, attempts.length]).toEqual(["connecting", 3]);
  });

  test("that throws is complained of, and the table decides", async () => {
    const { loop, clock, take } = asked(() => Promise.reject(new Error("mine")));
    loop.start();
    loop.ended({ ...nothingCame, code: 4403 });
    await clock.turn(0);
    expect(take()).toEqual(["waiting", "lost 4403", "complained mine", "closed", "gave up 4403"]);
  });
});

describe("reconnect", () => {
  test("tries at once, from each state but the last two, and forgets failures and hints", async () => {
    const { loop, clock, attempts, take } = made();
    loop.reconnect(lost);
    expect(attempts).toEqual([]);
    loop.start();
    loop.ended({ ...nothingCame, retryAfter: 600 });
    take();
    loop.reconnect(nothingCame);
    expect([take(), loop.failures, attempts.at(-1)!.last]).toEqual([["connecting"], 0, undefined]);
    loop.reconnect(nothingCame);
    expect(take()).toEqual(["waiting", "connecting"]);
    expect(attempts[1]!.signal.aborted).toBe(true);
    loop.opened();
    loop.reconnect({ ...lost, bufferedAmount: 5 });
    expect(take()).toEqual(["open", "waiting", "lost 1006", "connecting"]);
    await clock.turn(0);
    expect(attempts).toHaveLength(4);
  });

  test("does nothing more where a listener of the loss has closed", () => {
    const { loop, attempts } = made({}, {}, { lost: () => void loop.close() });
    loop.start();
    loop.opened();
    loop.reconnect(lost);
    expect([loop.state, attempts.length]).toEqual(["closed", 1]);
  });
});
