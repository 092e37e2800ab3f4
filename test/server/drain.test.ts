import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { resolveDrain } from "../../src/server/drain.ts";
import { serving } from "../support/serving.ts";

describe("the options of drain", () => {
  test("have their documented defaults", () => {
    expect(resolveDrain({})).toEqual({ over: 5000, code: 1012, retryAfter: 5, deadline: 35_000, stopListening: false });
    expect(resolveDrain({ over: 1, code: 4000, retryAfter: 0, stopListening: true })).toEqual({
      over: 1,
      code: 4000,
      retryAfter: 0,
      deadline: 30_001,
      stopListening: true,
    });
  });

  test("a deadline that no timer can wait for is as late as one can", () => {
    for (const deadline of [Number.POSITIVE_INFINITY, 30 * 24 * 3600 * 1000]) {
      expect(resolveDrain({ deadline }).deadline).toBe(2_147_483_647);
    }
    expect(resolveDrain({ over: 2 ** 31 - 1 }).deadline).toBe(2_147_483_647);
  });

  test.each<[object, string]>([
    [{ over: -1 }, "over must be a number from 0 to 2147483647, not -1"],
    [{ over: Number.POSITIVE_INFINITY }, "over must be a number from 0 to 2147483647, not Infinity"],
    [{ over: Number.NaN }, "over must be a number from 0 to 2147483647, not NaN"],
    [{ deadline: Number.NaN }, "deadline must be a number from 0 on, not NaN"],
    [{ retryAfter: Number.POSITIVE_INFINITY }, "retryAfter must be a whole number from 0 to 2147483647, not Infinity"],
    [{ retryAfter: 1.5 }, "retryAfter must be a whole number from 0 to 2147483647, not 1.5"],
    [{ code: 1006 }, "1006 is not a code that a Close frame may carry"],
  ])("%o is refused", (options, message) => {
    expect(() => resolveDrain(options)).toThrow(new RangeError(`Cannot drain: ${message}`));
  });

  test.each([Number.POSITIVE_INFINITY, 30 * 24 * 3600 * 1000])(
    "with a deadline of %d ms nobody is cut off [D06]",
    async (deadline) => {
      const server = await serving({ routes: { "/": {} } });
      const clients = await Promise.all([1, 2, 3].map(() => connect(`ws://127.0.0.1:${server.port}/`)));
      await server.drain({ over: 60, deadline });
      const reports = await Promise.all(clients.map(({ closed }) => closed));
      expect(reports.map(({ code, wasClean }) => [code, wasClean])).toEqual(Array(3).fill([1012, true]));
    },
  );
});
