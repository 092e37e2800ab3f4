/** Random bytes, with Node's function and without it. */
import { expect, test } from "vitest";
import * as native from "../../../src/protocol/runtime/random.ts";
import { withoutNatives } from "../../support/without-natives.ts";

const portable = await withoutNatives(() => import("../../../src/protocol/runtime/random.ts"));

test.each([
  ["native", native],
  ["portable", portable],
])("%s: fills all of an array, each time with something else [R6455-10.3-1]", (_, { fillRandom }) => {
  const words = [new Int32Array(2048), new Int32Array(2048)];
  for (const array of words) fillRandom(array);
  expect(new Set(words.flatMap((array) => [...array])).size).toBeGreaterThan(4000);
  const bytes = new Uint8Array(65_536);
  fillRandom(bytes);
  expect(new Set(bytes.subarray(-4096)).size).toBe(256);
});
