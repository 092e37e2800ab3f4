/** Notices a change that keeps the file from loading: Stryker counts failed tests, and in a file that fails to load none runs. */
import { test } from "vitest";

test("the file loads", async () => {
  await import(/* @vite-ignore */ `../${process.env.MUTATION_SOURCE}`);
});
