/** The rule of real parts: found where installed, skipped where CI is not set, a failure where it is. */
import { accessSync, constants, readFileSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { describeWith, type RealPart, realPart, realParts } from "./real-parts.ts";

const names = Object.keys(realParts) as RealPart[];

afterEach(() => {
  vi.unstubAllEnvs();
});

test.each(names)("%s is installed by .ci/run", (name) => {
  const script = readFileSync(new URL("../../.ci/run", import.meta.url), "utf8");
  expect(script).toMatch(new RegExp(`^parts=.*[( ]${name}[ )]`, "m"));
});

describe.each(names)("%s", (name) => {
  describeWith(name, "where it is installed", (executable) => {
    test("is an executable file", () => {
      expect(() => accessSync(executable, constants.X_OK)).not.toThrow();
    });
  });
});

describe("a part that is not installed", () => {
  test("is undefined on a developer's machine", () => {
    vi.stubEnv("PATH", "/nowhere");
    vi.stubEnv("CI", "");
    expect(realPart("chromium")).toBeUndefined();
  });

  test("throws under CI", () => {
    vi.stubEnv("PATH", "/nowhere");
    vi.stubEnv("CI", "true");
    expect(() => realPart("chromium")).toThrow("Cannot test with chromium: it is not installed, and CI skips nothing");
  });
});
