/**
 * What the gate `newest` runs: the tests of what rests on Node most, the opening handshake and the ends of connections.
 *
 * `protocol/` and all else that is computed is left to the tests on the oldest Node. Every worker checks which Node it is.
 */
import { defineConfig } from "vitest/config";
import onOldest from "../vitest.config.ts";

const { projects: _, ...test } = onOldest.test ?? {};

export default defineConfig({
  test: {
    ...test,
    include: [
      "test/{server,client,topics,connection,transport,workers}/**/*.test.ts",
      "test/faults/{c,d,injection}*.test.ts",
      "test/integrations/instances.test.ts",
    ],
    // All of it is computed; that Node's zlib does what it is asked is in the other tests of compression.
    exclude: ["test/connection/compression/message-deflate.test.ts"],
  },
});
