import { expect, expectTypeOf, test } from "vitest";
import { route } from "../../src/server/route.ts";

test("route returns its argument", () => {
  const options = { upgrade: () => ({ data: 1 }) };
  const given = route(options);
  expect(given).toBe(options);
  expectTypeOf(given.open).parameter(0).toHaveProperty("data").toEqualTypeOf<number>();
});

test("route returns the options behind a path, too", () => {
  const options = { upgrade: () => ({ data: 1 }) };
  expect(route("/rooms/:room", options)).toBe(options);
});
