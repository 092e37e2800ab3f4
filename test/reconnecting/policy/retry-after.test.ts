import { expect, test } from "vitest";
import { retryAfterInField, retryAfterInReason } from "../../../src/reconnecting/policy/retry-after.ts";

test.each([
  ["retry-after=5", 5],
  ["The server is draining; retry-after=5", 5],
  ["busy;retry-after=0", 0],
  ["come back\tretry-after=12", 12],
  ["retry-after=00007", 7],
  ["retry-after=600", 600],
  ["retry-after=601", 600],
  ["retry-after=99999", 600],
  ["retry-after=1 retry-after=2", 2],
])("a hint at the end of the reason %j is %d s", (reason, seconds) => {
  expect(retryAfterInReason(reason)).toEqual({ retryAfter: seconds });
});

test.each([
  "",
  "retry-after=",
  "retry-after=5 ",
  "retry-after=5.",
  "retry-after=5; bye",
  "retry-after=-5",
  "retry-after=1.5",
  "retry-after=123456",
  "Retry-After=5",
  "retry-after: 5",
  "no-retry-after=5",
  "retry-after=5\n",
  "retry-after=٥",
])("there is no hint in the reason %j", (reason) => {
  expect(retryAfterInReason(reason)).toBeUndefined();
});

const now = Date.UTC(2030, 0, 1, 12, 0, 0);

test.each([
  ["0", 0],
  ["120", 120],
  ["99999999999", 600],
  ["Tue, 01 Jan 2030 12:00:30 GMT", 30],
  ["Tue, 01 Jan 2030 11:00:00 GMT", 0],
  ["Tue, 01 Jan 2030 23:00:00 GMT", 600],
  ["Tuesday, 01-Jan-30 12:00:05 GMT", 5],
])("the field Retry-After: %s is %d s", (value, seconds) => {
  expect(retryAfterInField(value, now)).toBe(seconds);
});

test.each(["", "soon", "-1", "1.5", "5s", "5, 6", "2030", "Tue", "Jan 1"])(
  "the field Retry-After: %s says nothing",
  (value) => {
    expect(retryAfterInField(value, now)).toBe(/^\d+$/.test(value) ? 600 : undefined);
  },
);
