/** Tests that leave something behind, and one that does not: run by `leaking.ts`, to show that `leavesNothing` tells. */
import { describe, test } from "vitest";
import { leavesNothing } from "./leaves-nothing.ts";

const leaks: Readonly<Record<string, () => void>> = {
  nothing: () => void setTimeout(() => {}, 20),
  timer: () => void setTimeout(() => {}, 60_000),
  stderr: () => console.error("A complaint"),
  uncaught: () => void Promise.reject(new Error("Nobody listens")),
};

for (const [what, leak] of Object.entries(leaks)) {
  describe(what, () => {
    leavesNothing();
    test("leaks", leak);
    test("does not", () => {});
  });
}
