/**
 * What the gate `newest` runs: the tests of what rests on Node most, the opening handshake and the ends of connections.
 *
 * `protocol/` and all else that is computed is left to the tests on the oldest Node. Every worker checks which Node it is.
 */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import onOldest from "../vitest.config.ts";

export default defineConfig({
  test: {
    ...onOldest.test,
    include: ["test/{server,client,topics,connection}/**/*.test.ts", "test/faults/{c,d,injection}*.test.ts"],
    exclude: [
      // A minute and a half, for what test/faults/injection-client.test.ts does in ten seconds.
      "test/client/connect-faults.test.ts",
      // A quarter of a minute of computing; that Node's zlib does what we ask of it is in test/connection/zlib-*.test.ts.
      "test/connection/compression/message-deflate.test.ts",
    ],
    setupFiles: ["scripts/newest-check.ts"],
    // The tests that are left wait more than they compute.
    maxWorkers: Math.max(3, availableParallelism()),
  },
});
