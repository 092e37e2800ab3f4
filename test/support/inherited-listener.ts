/**
 * A server on a listening socket that its parent made, as systemd's socket activation does it: file descriptor 4. Its argument
 * says whether handles are taken.
 *
 * It tells its port, and of each connection on what it is.
 */
import { coreOf } from "../../src/connection/connection.ts";
import { serve } from "../../src/index.ts";

const server = await serve({
  listenOptions: { fd: 4 },
  bareHandles: process.argv[2] === "true",
  routes: {
    "/": {
      open: (connection) => void connection.send(coreOf(connection).transport.constructor.name),
      message: (connection, data) => void connection.send(data),
    },
  },
});
process.send!(server.port);
process.on("message", async () => {
  await server.close();
  process.disconnect();
});
