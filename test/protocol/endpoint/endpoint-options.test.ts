/** What an endpoint is told, and what it takes for granted. */
import { constants } from "node:buffer";
import { expect, test } from "vitest";
import { EndpointSettings } from "../../../src/protocol/endpoint/endpoint-options.ts";
import type { Role } from "../../../src/protocol/frames/frame.ts";
import { createMaskingKey } from "../../../src/protocol/frames/mask.ts";

const roles: readonly Role[] = ["client", "server"];

test.each(roles)("a %s that is told its role only has these defaults", (role) => {
  expect({ ...new EndpointSettings({ role }) }).toEqual({
    role,
    maxMessageSize: 16 * 1024 * 1024,
    maxEmptyFragments: 1024,
    compression: false,
    accepts: "any",
    textAsBytes: false,
    lendsBytes: false,
    longestWhole: 0,
    maxProcessAllotment: 16 * 1024 * 1024,
    validatesText: true,
    answersPings: true,
    explainsFailures: true,
    maskingKey: createMaskingKey,
  });
});

test.each(roles)("a %s has what it is told, but no message is longer than a string can be", (role) => {
  const options = {
    ...{ role, maxMessageSize: 5, maxEmptyFragments: 0, accepts: "text" as const },
    ...{ compression: true, textAsBytes: true, lendsBytes: true, longestWhole: 7 },
    ...{ validatesText: false, answersPings: false, explainsFailures: false, maskingKey: () => 1 },
    maxProcessAllotment: 9,
  };
  expect({ ...new EndpointSettings(options) }).toEqual(options);
  const endless = new EndpointSettings({ role, maxMessageSize: Number.POSITIVE_INFINITY });
  expect(endless.maxMessageSize).toBe(constants.MAX_STRING_LENGTH);
});

test.each([Number.NaN, -1, "5"])("a limit of %j is refused", (value) => {
  for (const name of ["maxMessageSize", "maxEmptyFragments", "maxProcessAllotment"]) {
    expect(() => new EndpointSettings({ role: "server", [name]: value as number })).toThrow(
      new RegExp(`^Cannot make an endpoint: ${name} must be a `),
    );
  }
});
