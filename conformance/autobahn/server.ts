/**
 * The echo server that Autobahn|Testsuite's fuzzing client is pointed at: default limits, compression switched on.
 *
 * `server.ts [PORT]` listens on the loopback interface, on any free port when none is given, and prints its URL.
 */
import { serve } from "openline";

const server = await serve({
  port: Number(process.argv[2] ?? 0),
  host: "127.0.0.1",
  compression: true,
  routes: {
    "/": {
      message: (connection, data) => {
        connection.send(data);
      },
    },
  },
});
console.log(`ws://127.0.0.1:${server.port}/`);
