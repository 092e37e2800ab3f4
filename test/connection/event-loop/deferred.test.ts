import { expect, test } from "vitest";
import { deferred } from "../../../src/connection/event-loop/deferred.ts";

test("a deferred's promise settles when it is resolved, with the first value only", async () => {
  const { promise, resolve } = deferred<number>();
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  await new Promise(setImmediate);
  expect(settled).toBe(false);
  resolve(1);
  resolve(2);
  expect(await promise).toBe(1);
});
