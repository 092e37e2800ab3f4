import { describe, expect, test } from "vitest";
import { connectionLimits, resolveLimits, serverLimits } from "../../src/connection/limits.ts";

describe("the table of limits", () => {
  test("has the documented defaults, in bytes and milliseconds", () => {
    expect(connectionLimits).toMatchObject({
      maxMessageSize: 16_777_216,
      maxEmptyFragments: 1024,
      messageIdleTimeout: 60_000,
      inboundHighWaterMark: 65_536,
      outboxHighWaterMark: 1_048_576,
      maxOutboxSize: 16_777_216,
      writeTimeout: 45_000,
      closeTimeout: 5000,
      readBudget: 2,
    });
    expect(serverLimits).toMatchObject({
      ...connectionLimits,
      handshakeTimeout: 10_000,
      maxHeaderSize: 16_384,
      upgradeTimeout: 10_000,
      maxPendingHandshakes: 1000,
    });
  });

  test("what is given takes the default's place, undefined does not", () => {
    const limits = resolveLimits(connectionLimits, { maxMessageSize: 0, closeTimeout: undefined as never });
    expect(limits).toEqual({ ...connectionLimits, maxMessageSize: 0 });
    expect(resolveLimits(connectionLimits, undefined)).toEqual(connectionLimits);
    expect(resolveLimits(connectionLimits, { maxMessageSize: Number.POSITIVE_INFINITY }).maxMessageSize).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  test("a timeout without end is as long as a timer can wait, which else would not wait at all", () => {
    const endless = { closeTimeout: Number.POSITIVE_INFINITY, upgradeTimeout: 2 ** 40 };
    expect(resolveLimits(serverLimits, endless)).toMatchObject({
      closeTimeout: 2_147_483_647,
      upgradeTimeout: 2_147_483_647,
    });
  });

  test("a name that is no limit is refused, names of Object.prototype too", () => {
    for (const name of ["maxMesageSize", "constructor", "toString", "__proto__"]) {
      const given = Object.fromEntries([[name, 1]]);
      expect(() => resolveLimits(connectionLimits, given)).toThrow(`there is no limit "${name}"`);
    }
    expect(() => resolveLimits(connectionLimits, { maxMesageSize: 1 } as never)).toThrow(
      'Cannot set limits: there is no limit "maxMesageSize"; did you mean "maxMessageSize"?',
    );
    expect(() => resolveLimits(connectionLimits, { handshakeTimeout: 1 } as never)).toThrow(TypeError);
  });

  test.each([-1, Number.NaN, "5", null, {}])("the value %s is refused", (value) => {
    expect(() => resolveLimits(connectionLimits, { closeTimeout: value as never })).toThrow(RangeError);
  });
});
