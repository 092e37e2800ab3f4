import { describe, expect, test } from "vitest";
import {
  checkLimitsOfOne,
  clientLimits,
  connectionLimits,
  resolveLimits,
  serverLimits,
} from "../../../src/connection/options/limits.ts";

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

  test.each([-1, Number.NaN, "5", null, {}])("no limit takes the value %s", (value) => {
    for (const name of Object.keys(serverLimits)) {
      expect(() => resolveLimits(serverLimits, { [name]: value as never }), name).toThrow(RangeError);
    }
  });

  test("each limit takes its default, and what is endless where that works", () => {
    expect(resolveLimits(serverLimits, serverLimits)).toEqual(serverLimits);
    expect(resolveLimits(clientLimits, clientLimits)).toEqual(clientLimits);
    for (const name of Object.keys(serverLimits)) {
      const resolve = () => resolveLimits(serverLimits, { [name]: Number.POSITIVE_INFINITY });
      if (name === "maxHeaderSize") expect(resolve).toThrow(RangeError);
      else expect(Object.values(resolve())).not.toContain(undefined);
    }
  });

  test.each(["inboundHighWaterMark", "outboxHighWaterMark", "maxOutboxSize", "writeTimeout", "handshakeTimeout"])(
    "%s is not 0: nothing would ever come through, or nothing end",
    (name) => {
      expect(() => resolveLimits(serverLimits, { [name]: 0 })).toThrow(
        new RegExp(`^Cannot set limits: ${name} must be a (whole )?number from 1 on, not 0$`),
      );
    },
  );
});

describe("limits that one route or one call would not keep", () => {
  test.each([
    ["maxConnections", /^Cannot accept: limits\.maxConnections has no effect here; accept counts nothing/],
    ["maxPendingHandshakes", /accept counts nothing/],
    ["maxConnectionsPerAddress", /accept counts nothing/],
    ["maxTopics", /new Topics\(limits\)/],
    ["handshakeTimeout", /headersTimeout of the HTTP server/],
  ])("%s is refused with what to do", (name, message) => {
    expect(() => checkLimitsOfOne("accept", { [name]: 5 }, false)).toThrow(message);
    expect(() => checkLimitsOfOne('serve "/"', { [name]: 5 }, true)).toThrow(
      new TypeError(
        `Cannot serve "/": limits.${name} has no effect here; it is the server's: put it into the limits of serve`,
      ),
    );
  });

  test("others are taken, and so is undefined", () => {
    for (const isRoute of [false, true]) {
      const given = { maxMessageSize: 1, upgradeTimeout: 1, maxConnections: undefined as never };
      expect(() => checkLimitsOfOne("accept", given, isRoute)).not.toThrow();
      expect(() => checkLimitsOfOne("accept", undefined, isRoute)).not.toThrow();
    }
    expect(() => checkLimitsOfOne("accept", { maxHeaderSize: 1 }, false)).not.toThrow();
  });
});
