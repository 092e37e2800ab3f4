/** Of all the tests only the mutated file's own, so that a change is caught by the tests of its own file alone. */
import { defineConfig } from "vitest/config";

const source = process.env.MUTATION_SOURCE ?? "";

export default defineConfig({
  test: {
    include: ["mutation/loads.test.ts", source.replace("src/", "test/").replace(".ts", ".test.ts")],
    testTimeout: 20_000,
    // Which tags there are is said in a file that Stryker does not copy.
    strictTags: false,
  },
});
