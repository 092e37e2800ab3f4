/**
 * How the tests run: each file in a process of its own, so that sockets, timers and globals never leak into another.
 *
 * Only files that open nothing and change nothing outside of themselves share a process, which saves them a third of a
 * second each.
 */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const others = "test/!(protocol|reconnecting|bench)/**/*.test.ts";
const pure = "test/{protocol,reconnecting,bench}/**/*.test.ts";
/** Those of the pure folders that replace modules or globals, or start processes. */
const alone = [
  "test/bench/storm/storm.test.ts",
  "test/protocol/deflate/short-messages.test.ts",
  "test/protocol/endpoint/receiving.test.ts",
  "test/protocol/frames/mask-wasm.test.ts",
  "test/protocol/messages/free-memory.test.ts",
  "test/reconnecting/lazy-event-target.test.ts",
];

export default defineConfig({
  test: {
    pool: "forks",
    globalSetup: ["scripts/compile-programs.ts"],
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
      { name: "rare", description: "Waits for minutes: only `npm run ok -- --all` runs it." },
    ],
    projects: [
      { extends: true, test: { name: "own process", include: [others, ...alone] } },
      { extends: true, test: { name: "pure", include: [pure], exclude: alone, isolate: false } },
    ],
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text-summary"],
      thresholds: { lines: 90 },
    },
  },
});
