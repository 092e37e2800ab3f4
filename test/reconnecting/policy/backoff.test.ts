import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffCeiling, resolveReconnect } from "../../../src/reconnecting/policy/backoff.ts";

test("the defaults: 2 s, a factor of 1.6, at most 30 s, stable after 10 s, 10 s for an attempt, without end", () => {
  expect(resolveReconnect()).toEqual({
    firstDelay: 2000,
    factor: 1.6,
    maxDelay: 30_000,
    stableAfter: 10_000,
    handshakeTimeout: 10_000,
    maxAttempts: Number.POSITIVE_INFINITY,
  });
});

test("what is given takes the place of a default, undefined does not", () => {
  const shouldReconnect = () => true;
  const given = { firstDelay: 1, factor: 1, maxDelay: 2, stableAfter: 5, handshakeTimeout: 3, maxAttempts: 4 };
  expect(resolveReconnect({ ...given, shouldReconnect })).toEqual({ ...given, shouldReconnect });
  expect(resolveReconnect({ factor: undefined } as object).factor).toBe(1.6);
});

test.each(["firstDelay", "factor", "maxDelay", "stableAfter", "handshakeTimeout", "maxAttempts"])(
  "%s is a RangeError for what is no number from 1 on",
  (name) => {
    for (const value of [0, 0.9, -1, Number.NaN, "x", {}]) {
      expect(() => resolveReconnect({ [name]: value })).toThrow(RangeError);
      expect(() => resolveReconnect({ [name]: value })).toThrow(`Cannot connect: ${name} must be at least 1`);
    }
    expect(resolveReconnect({ [name]: Number.POSITIVE_INFINITY })).toMatchObject({ [name]: Number.POSITIVE_INFINITY });
  },
);

test("the ceiling grows by the factor with each failure, up to the longest wait", () => {
  const settings = resolveReconnect({ firstDelay: 1000, factor: 2, maxDelay: 10_000 });
  expect([0, 1, 2, 3, 4, 5].map((failures) => backoffCeiling(failures, settings))).toEqual([
    1000, 2000, 4000, 8000, 10_000, 10_000,
  ]);
});

test("the ceiling is a finite number that never falls and never passes the longest wait, whatever the options", () => {
  const time = fc.integer({ min: 1, max: 2 ** 31 - 1 });
  const factor = fc.double({ min: 1, max: 1e300, noNaN: true });
  fc.assert(
    fc.property(time, factor, time, fc.nat(5000), (firstDelay, growth, maxDelay, failures) => {
      const settings = { firstDelay, factor: growth, maxDelay };
      const ceiling = backoffCeiling(failures, settings);
      expect(ceiling).toBeGreaterThan(0);
      expect(ceiling).toBeLessThanOrEqual(maxDelay);
      expect(backoffCeiling(failures + 1, settings)).toBeGreaterThanOrEqual(ceiling);
    }),
  );
});
