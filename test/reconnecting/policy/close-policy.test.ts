import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type End, endOf, nothingCame } from "../../../src/reconnecting/policy/attempt.ts";
import { resolveReconnect } from "../../../src/reconnecting/policy/backoff.ts";
import { type Circumstances, ruleOf, statusRules, waitAfter } from "../../../src/reconnecting/policy/close-policy.ts";

const usual: Circumstances = {
  failures: 0,
  now: 100_000,
  random: 0.5,
  wokeAt: Number.NEGATIVE_INFINITY,
  last: undefined,
  provides: true,
  everOpened: true,
  statusRules,
  settings: resolveReconnect({ firstDelay: 1000, factor: 2 }),
};

function closed(code: number, reason = "", details: Partial<End> = {}): End {
  return endOf({ code, reason, wasClean: code !== 1006 }, { opened: true, bufferedAmount: 0, ...details });
}

function refused(status?: number, retryAfter?: number): End {
  return endOf(nothingCame, {
    opened: false,
    bufferedAmount: 0,
    ...(status !== undefined && { status }),
    ...(retryAfter !== undefined && { retryAfter }),
  });
}

const backoff = [500, 0];

describe("backoff", () => {
  const codes = [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1009, 1011, 1014, 3001, 3500, 4000, 4001, 4399, 4500, 4999];
  test.each([...codes, 4408, 4425, 4429])("after a Close with %i, 1000 too [phoenix#3161]", (code) => {
    expect(waitAfter(closed(code), usual)).toEqual(backoff);
  });

  test.each([undefined, 200, 301, 408, 425, 429, 500, 502, 503, 504])("after a refusal with status %s", (status) => {
    expect(waitAfter(refused(status), { ...usual, everOpened: false })).toEqual(backoff);
  });

  test.each([400, 404, 409, 418, 421, 426, 431])(
    "after a refusal with status %i once there was a connection",
    (status) => {
      expect(waitAfter(refused(status), usual)).toEqual(backoff);
    },
  );

  test("is random below a ceiling that grows with the failures, and has jitter from the first on [phoenix#4045]", () => {
    for (const [failures, ceiling] of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].entries()) {
      for (const random of [0, 0.25, 0.999]) {
        const wait = waitAfter(closed(1006), { ...usual, failures, random });
        expect(wait).toEqual([random * ceiling, 0]);
      }
    }
  });
});

describe("never", () => {
  const codes = [1008, 1010, 3003, 4400, 4402, 4403, 4404, 4407, 4410, 4424, 4426, 4430, 4499];
  test.each(codes)("after a Close with %i [python-websockets#1480]", (code) => {
    expect(waitAfter(closed(code), usual)).toBeUndefined();
  });

  test.each([403, 407, 410])("after a refusal with status %i", (status) => {
    expect(waitAfter(refused(status), usual)).toBeUndefined();
  });

  test.each([400, 404, 409, 426])("after a refusal with status %i before the first connection", (status) => {
    expect(waitAfter(refused(status), { ...usual, everOpened: false })).toBeUndefined();
  });
});

describe("a token that is refused", () => {
  const ends = [closed(3000), closed(4401), refused(401)];
  test("is renewed once where there is a provider, then never [partykit#409] [realtime-js#123]", () => {
    for (const end of ends) {
      expect(waitAfter(end, { ...usual, failures: 1 })).toEqual([1000, 0]);
      for (const last of ends) expect(waitAfter(end, { ...usual, failures: 1, last })).toBeUndefined();
      expect(waitAfter(end, { ...usual, provides: false })).toBeUndefined();
    }
  });

  test("is renewed again after a stable connection, and after a loss", () => {
    for (const end of ends) {
      expect(waitAfter(end, { ...usual, last: end })).toBeDefined();
      expect(waitAfter(end, { ...usual, failures: 2, last: closed(1006) })).toBeDefined();
    }
  });

  test("is nothing special in a runtime that tells no status", () => {
    const { statusRules: _, ...page } = usual;
    expect(waitAfter(refused(401), { ...page, provides: false })).toEqual(backoff);
  });
});

describe("a server's word", () => {
  test("retry-after at the end of any reason is at least that long, and spread over as long again", () => {
    for (const code of [1000, 1001, 1008, 1012, 1013, 4403]) {
      for (const random of [0, 0.5, 0.999]) {
        const wait = waitAfter(closed(code, "busy; retry-after=20"), { ...usual, random });
        expect(wait).toEqual([20_000 + random * 20_000, 20_000]);
      }
    }
  });

  test("a short one is spread over the first delay", () => {
    expect(waitAfter(closed(1012, "retry-after=0"), usual)).toEqual([500, 0]);
  });

  test.each([429, 503])("Retry-After beside the status %i counts the same", (status) => {
    expect(waitAfter(refused(status, 5), usual)).toEqual([7500, 5000]);
  });

  test("1012 without it is random below 10 s: a rolling deploy does not cost half a minute", () => {
    for (const random of [0, 0.5, 0.999]) {
      expect(waitAfter(closed(1012), { ...usual, random, failures: 9 })).toEqual([random * 10_000, 0]);
    }
  });

  test("1013 without it is from 30 to 60 s, and 30 s also after a wake", () => {
    for (const random of [0, 0.5, 0.999]) {
      const wait = waitAfter(closed(1013), { ...usual, random });
      expect(wait).toEqual([30_000 + random * 30_000, 30_000]);
    }
  });
});

describe("a loss of this machine's own", () => {
  test("within 2 s of a wake is random below 1 s", () => {
    const circumstances = { ...usual, failures: 8, random: 0.25 };
    for (const ago of [0, 5, 2000]) {
      expect(waitAfter(closed(1006), { ...circumstances, wokeAt: usual.now - ago })?.[0]).toBe(250);
    }
    expect(waitAfter(closed(1006), { ...circumstances, wokeAt: usual.now - 2001 })?.[0]).toBe(7500);
  });

  test("is none where the server closed, or where an attempt failed", () => {
    const woken = { ...usual, failures: 8, wokeAt: usual.now };
    expect(waitAfter(closed(1011), woken)?.[0]).toBe(15_000);
    expect(waitAfter(refused(), woken)?.[0]).toBe(15_000);
  });
});

test("every code and every status has a rule, and every wait is finite, not negative, and at least its least", () => {
  const code = fc.integer({ min: 0, max: 65_535 });
  const status = fc.option(fc.integer({ min: 100, max: 999 }), { nil: undefined });
  const hint = fc.option(fc.nat(600), { nil: undefined });
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(
      code,
      status,
      hint,
      random,
      fc.boolean(),
      fc.nat(1000),
      (number, answer, seconds, chance, opened, failures) => {
        const end: End = {
          ...closed(number),
          opened,
          ...(answer !== undefined && { status: answer }),
          ...(seconds !== undefined && { retryAfter: seconds }),
        };
        expect(["backoff", "restart", "later", "renew", "never", "neverAtFirst"]).toContain(ruleOf(end, statusRules));
        const wait = waitAfter(end, { ...usual, random: chance, failures });
        if (wait === undefined) {
          // Nothing is returned: an assertion's own result would count as the property's.
          expect(["never", "neverAtFirst"]).toContain(ruleOf(end, statusRules));
          return;
        }
        const [delay, atLeast] = wait;
        expect(delay).toBeGreaterThanOrEqual(atLeast);
        expect(atLeast).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(1_200_000);
      },
    ),
  );
});
