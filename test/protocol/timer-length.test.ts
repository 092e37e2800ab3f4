import { expect, test } from "vitest";
import { longestTimer, timerLength } from "../../src/protocol/timer-length.ts";

test("a timer waits as long as it can for what is longer, which else it would not wait for at all", () => {
  expect([0, 5.5, 2 ** 31, Number.POSITIVE_INFINITY].map(timerLength)).toEqual([0, 5.5, longestTimer, longestTimer]);
  expect(longestTimer).toBe(2_147_483_647);
});
