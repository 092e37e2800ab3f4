/** How the tests run: each file in a process of its own, so that sockets, timers and globals never leak into another. */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    globalSetup: ["scripts/compile-programs.ts"],
    setupFiles: process.env.WANTED_NODE === undefined ? [] : ["scripts/node-check.ts"],
    // Many tests wait for a deadline or a process, so that twice as many as there are processors keep them busy.
    maxWorkers: 2 * availableParallelism(),
    // The end of what hangs, not a measure of time: a busy machine may take ten times as long as a quiet one.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    tags: [
      {
        name: "slow",
        description:
          "Repeats what another test shows, at more places, or needs a browser, a foreign peer or a network.",
      },
    ],
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text-summary"],
      thresholds: { lines: 90 },
    },
  },
});
