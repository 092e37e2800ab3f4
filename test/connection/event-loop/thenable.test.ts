import { describe, expect, test } from "vitest";
import { isThenable } from "../../../src/connection/event-loop/thenable.ts";

describe("isThenable", () => {
  // biome-ignore lint/suspicious/noThenProperty: it is what is tested
  const withThen = (then: unknown) => Object.fromEntries([["then", then]]);

  test("promises are, of whatever make, and nothing else is", () => {
    for (const awaited of [Promise.resolve(), withThen(() => {})]) expect(isThenable(awaited)).toBe(true);
    for (const other of [undefined, null, true, "then", {}, withThen(1)]) expect(isThenable(other)).toBe(false);
  });
});
