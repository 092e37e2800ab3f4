import { expect, test } from "vitest";
import { type Attempt, endOf, nothingCame, provide } from "../../../src/reconnecting/policy/attempt.ts";

const attempt: Attempt = { number: 3, last: undefined, signal: new AbortController().signal, resume: "r" };

test("a function is asked for each attempt, any other value is given as it is", async () => {
  expect(provide("ws://a", attempt)).toBe("ws://a");
  expect(provide(undefined, attempt)).toBeUndefined();
  expect(provide(({ number, resume }: Attempt) => `${number}${resume}`, attempt)).toBe("3r");
  await expect(provide(async () => "later", attempt)).resolves.toBe("later");
});

test("an end has the hint of its reason, which outweighs that of the details", () => {
  const details = { opened: true, bufferedAmount: 7 };
  expect(endOf(nothingCame, details)).toEqual({
    code: 1006,
    reason: "",
    wasClean: false,
    opened: true,
    bufferedAmount: 7,
  });
  expect(endOf({ ...nothingCame, reason: "x; retry-after=9" }, details).retryAfter).toBe(9);
  expect(endOf({ ...nothingCame, reason: "x; retry-after=9" }, { ...details, retryAfter: 3 }).retryAfter).toBe(9);
  expect(endOf(nothingCame, { ...details, retryAfter: 3, status: 503 })).toMatchObject({ retryAfter: 3, status: 503 });
});

test("an end keeps only what is known of a Close, not the whole event", () => {
  const event = Object.assign(new Event("close"), { code: 1000, reason: "r", wasClean: true });
  expect(Object.keys(endOf(event, { opened: true, bufferedAmount: 0 }))).toEqual([
    "code",
    "reason",
    "wasClean",
    "opened",
    "bufferedAmount",
  ]);
});
