/** How the tests run: each file in a process of its own, so that sockets, timers and globals never leak into another. */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    // Many tests wait for a deadline; by default, two CPUs would have one worker.
    maxWorkers: Math.max(2, availableParallelism()),
    // The end of what hangs, not a measure of time: a busy machine may take ten times as long as a quiet one.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text-summary"],
      thresholds: { lines: 90 },
    },
  },
});
