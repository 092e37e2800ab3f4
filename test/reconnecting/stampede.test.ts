/**
 * What a server meets when all of its clients have lost it in one moment, with the policy as it is and with its control.
 *
 * The server makes 2,000 handshakes a second, as two cores do, holds 511 that wait (what Node lets the system hold), and
 * refuses the rest.
 */
import { describe, expect, test } from "vitest";
import { endOf, nothingCame } from "../../src/reconnecting/policy/attempt.ts";
import { type ReconnectOptions, resolveReconnect } from "../../src/reconnecting/policy/backoff.ts";
import { waitAfter } from "../../src/reconnecting/policy/close-policy.ts";
import { type Policy, type Returned, type Stampede, simulate } from "./simulation.ts";

const seeds = [1, 2, 3];

function withJitter(options: ReconnectOptions = {}): Policy {
  const settings = resolveReconnect(options);
  return (failures, random) => {
    const end = endOf(nothingCame, { opened: failures === 0, bufferedAmount: 0 });
    const usual = { now: 0, wokeAt: Number.NEGATIVE_INFINITY, last: undefined, provides: true, everOpened: true };
    return waitAfter(end, { ...usual, failures, random, settings })![0];
  };
}

/** As phoenix.js does it, with the waits of its list. */
const withoutJitter: Policy = (failures) => [10, 50, 100, 150, 200, 250, 500, 1000, 2000][failures] ?? 5000;

function stampede(policy: Policy, rest: Partial<Stampede>): Returned[] {
  return seeds.map((seed) =>
    simulate({
      ...{ clients: 10_000, policy, away: 0, handshakesPerSecond: 2000, backlog: 511, handshakeTimeout: 10_000 },
      ...{ seed, until: 120_000 },
      ...rest,
    }),
  );
}

describe("10,000 clients", () => {
  test("are back after a blip, 99 % of them within 10 s, and no handshake that was begun fails [D06]", () => {
    for (const { most, mean, peak, failedAfterBegin } of stampede(withJitter(), {})) {
      expect(most).toBeLessThan(10_000);
      expect(mean).toBeLessThan(3000);
      expect(peak).toBeLessThan(7000);
      expect(failedAfterBegin).toBe(0);
    }
  });

  test("are back after 5 s, 99 % of them within 20 s and all within 40 s [D06]", () => {
    for (const { most, all, failedAfterBegin } of stampede(withJitter(), { away: 5000 })) {
      expect(most).toBeLessThan(20_000);
      expect(all).toBeLessThan(40_000);
      expect(failedAfterBegin).toBe(0);
    }
  });

  test("are back after a minute of at most 10 attempts each, spread over the longest wait [D06]", () => {
    for (const { all, peak, attemptsEach, failedAfterBegin } of stampede(withJitter(), {
      away: 60_000,
      until: 180_000,
    })) {
      expect(all).toBeLessThan(31_000);
      expect(peak).toBeLessThan(1000);
      expect(attemptsEach).toBeLessThan(10);
      expect(failedAfterBegin).toBe(0);
    }
  });

  test("control: without jitter they come all at once, again and again, and take more than a minute [D06] [phoenix#4045]", () => {
    for (const { most, peak } of stampede(withoutJitter, {})) {
      expect(most).toBeGreaterThan(60_000);
      expect(peak).toBeGreaterThan(10_000);
    }
  });

  test("control: a wait of one second fits no server of this size, and takes longer than the default", () => {
    const usual = stampede(withJitter(), {});
    for (const [index, { most }] of stampede(withJitter({ firstDelay: 1000, factor: 2 }), {}).entries()) {
      expect(most).toBeGreaterThan(usual[index]!.most);
    }
  });
});

test("one client after a blip waits a second on average", () => {
  const policy = withJitter();
  const [{ mean }] = [0].map((seed) =>
    simulate({
      ...{ clients: 1000, policy, away: 0, handshakesPerSecond: 1e9, backlog: 1e9, handshakeTimeout: 10_000 },
      ...{ seed, until: 60_000 },
    }),
  ) as [Returned];
  expect(mean).toBeGreaterThan(900);
  expect(mean).toBeLessThan(1100);
});
