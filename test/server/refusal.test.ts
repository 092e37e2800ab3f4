import { describe, expect, test } from "vitest";
import { endOf, nothingCame } from "../../src/reconnecting/policy/attempt.ts";
import { resolveReconnect } from "../../src/reconnecting/policy/backoff.ts";
import { statusRules, waitAfter } from "../../src/reconnecting/policy/close-policy.ts";
import { type RefuseOptions, refuse } from "../../src/server/refusal.ts";

const told = (options?: RefuseOptions) => {
  const { refusal, close } = refuse(options);
  return [refusal.status, close?.code];
};

describe("the status and the code of refuse", () => {
  test("are 403 and 4403 where nothing is said", () => {
    expect(told()).toEqual([403, 4403]);
    expect(told({})).toEqual([403, 4403]);
  });

  test.each([
    [400, 4400],
    [401, 4401],
    [404, 4404],
    [429, 4429],
    [499, 4499],
    [500, 1011],
    [502, 1014],
    [503, 1013],
    [504, 1011],
    [599, 1011],
  ])("with the status %d the code is %d", (status, code) => {
    expect(told({ status })).toEqual([status, code]);
  });

  test.each([
    [4400, 400],
    [4401, 401],
    [4499, 499],
    [3000, 401],
    [3003, 403],
    [3008, 408],
    [1008, 403],
    [1011, 500],
    [1012, 503],
    [1013, 503],
    [1014, 502],
    [1000, 403],
    [4000, 403],
    [4399, 403],
    [4500, 403],
    [4999, 403],
  ])("with the code %d the status is %d", (code, status) => {
    expect(told({ code })).toEqual([status, code]);
  });

  test("are both as they are given", () => {
    expect(told({ status: 418, code: 4001 })).toEqual([418, 4001]);
  });

  test("mean the same to a client that comes back, whichever of the two it is told", () => {
    const settings = resolveReconnect();
    const circumstances = { failures: 1, now: 0, random: 0.5, wokeAt: -60_000, last: undefined, provides: true };
    for (let status = 400; status < 600; status++) {
      const { refusal, close } = refuse({ status });
      const decide = (end: object) =>
        waitAfter({ ...nothingCame, ...end }, { ...circumstances, everOpened: true, settings, statusRules });
      const asProgram = decide({ status: refusal.status });
      const asPage = decide({ code: close!.code });
      // 44xx is never, where an HTTP status may be of something between: those of a proxy come and go.
      const judges = status < 500 && ![401, 403, 407, 408, 410, 425, 429].includes(status);
      if (status === 503)
        expect([asProgram, asPage]).toEqual([
          [1600, 0],
          [45_000, 30_000],
        ]);
      else expect(asPage, String(status)).toEqual(judges ? undefined : asProgram);
    }
  });
});

describe("the words of refuse", () => {
  test("are the body and the reason, and say when to come back", () => {
    const { reason, refusal, close } = refuse({ status: 429, reason: "Too many", retryAfter: 12 });
    expect(reason).toBe("application");
    expect(refusal).toEqual({
      status: 429,
      headers: [
        ["Content-Type", "text/plain; charset=utf-8"],
        ["Retry-After", "12"],
      ],
      body: "Too many\n",
    });
    expect(close).toEqual({ code: 4429, reason: "Too many; retry-after=12" });
    expect(endOf({ ...close!, wasClean: true }, {}).retryAfter).toBe(12);
  });

  test("are a sentence of ours in the body where there is no reason, and nothing in the Close", () => {
    const { refusal, close } = refuse();
    expect(refusal.body).toBe("Cannot open the connection: the server refused it\n");
    expect(refusal.headers).toEqual([["Content-Type", "text/plain; charset=utf-8"]]);
    expect(close!.reason).toBe("");
    expect(refuse({ retryAfter: 0 }).close!.reason).toBe("retry-after=0");
  });

  test("leave the hint out of a Close that has no room for it, and never cut the reason", () => {
    const room = 123 - "; retry-after=5".length;
    for (const [reason, hinted] of [
      ["x".repeat(room), true],
      ["x".repeat(room + 1), false],
      ["ü".repeat(room / 2), true],
      ["ü".repeat(room / 2 + 1), false],
      ["x".repeat(123), false],
    ] as const) {
      const { close, refusal } = refuse({ reason, retryAfter: 5 });
      expect(close!.reason).toBe(hinted ? `${reason}; retry-after=5` : reason);
      expect(refusal.headers).toContainEqual(["Retry-After", "5"]);
    }
  });
});

describe("what cannot be is an error that says so", () => {
  test.each<[object, string]>([
    [{ status: 200 }, "status must be a whole number from 400 to 599, not 200"],
    [{ status: 302 }, "status must be a whole number from 400 to 599, not 302"],
    [{ status: 600 }, "status must be a whole number from 400 to 599, not 600"],
    [{ status: 403.5 }, "status must be a whole number from 400 to 599, not 403.5"],
    [{ status: Number.NaN }, "status must be a whole number from 400 to 599, not NaN"],
    [{ code: 1005 }, "1005 is not a code that a Close frame may carry"],
    [{ code: 1005, retryAfter: 5 }, "1005 is not a code that a Close frame may carry"],
    [{ code: 1006 }, "1006 is not a code that a Close frame may carry"],
    [{ code: 999 }, "999 is not a code that a Close frame may carry"],
    [{ code: 2999 }, "2999 is not a code that a Close frame may carry"],
    [{ code: 5000 }, "5000 is not a code that a Close frame may carry"],
    [{ code: 4000.5 }, "4000.5 is not a code that a Close frame may carry"],
    [{ code: Number.NaN }, "NaN is not a code that a Close frame may carry"],
    [{ reason: "ü".repeat(62) }, "the reason is 124 bytes of UTF-8, at most 123 are allowed"],
    [{ retryAfter: -1 }, "retryAfter must be a whole number from 0 to 2147483647, not -1"],
    [{ retryAfter: 1.5 }, "retryAfter must be a whole number from 0 to 2147483647, not 1.5"],
    [{ retryAfter: Number.POSITIVE_INFINITY }, "retryAfter must be a whole number from 0 to 2147483647, not Infinity"],
  ])("%o", (options, message) => {
    expect(() => refuse(options)).toThrow(new RangeError(`Cannot refuse: ${message}`));
  });

  test.each<[unknown, string]>([
    [{ status: "401" }, 'the option "status" must be a number, not "401"'],
    [{ code: "4401" }, 'the option "code" must be a number, not "4401"'],
    [{ reason: 5 }, 'the option "reason" must be a string, not 5'],
    [{ message: "no" }, 'there is no option "message"'],
    [401, "the options must be an object, not 401"],
    [null, "the options must be an object, not null"],
  ])("%o", (options, message) => {
    expect(() => refuse(options as object)).toThrow(new TypeError(`Cannot refuse: ${message}`));
  });
});
