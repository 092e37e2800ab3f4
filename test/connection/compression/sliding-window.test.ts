import fc from "fast-check";
import { expect, test } from "vitest";
import { SlidingWindow } from "../../../src/connection/compression/sliding-window.ts";

test("holds nothing before the first push", () => {
  expect(new SlidingWindow(4).contents()).toEqual(new Uint8Array(0));
});

test("holds the last bytes of whatever was pushed, however it was cut", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.uint8Array({ maxLength: 50 })), (size, pushes) => {
      const window = new SlidingWindow(size);
      let all: number[] = [];
      for (const bytes of pushes) {
        window.push(bytes);
        all = [...all, ...bytes];
        expect([...window.contents()]).toEqual(all.slice(-size));
      }
    }),
    { numRuns: 500 },
  );
});

test("copies what is pushed and what is taken out", () => {
  const window = new SlidingWindow(4);
  const bytes = Uint8Array.of(1, 2, 3);
  window.push(bytes);
  bytes.fill(9);
  window.contents().fill(9);
  expect(window.contents()).toEqual(Uint8Array.of(1, 2, 3));
});
