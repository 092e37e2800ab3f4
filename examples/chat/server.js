// @ts-check
/** Rooms in which each message goes to all. A client that does not read what the others say is let go. */
import { readFileSync } from "node:fs";
import { CloseCode, serve } from "openline";

const page = readFileSync(new URL("page.html", import.meta.url));

const server = await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  hosts: ["localhost", "127.0.0.1"],
  request: (_, response) => response.setHeader("Content-Type", "text/html").end(page),
  limits: {
    maxMessageSize: 512,
    outboxHighWaterMark: 128 * 512,
    maxOutboxSize: 256 * 512, // As much as 256 of the longest messages may wait for one client …
    writeTimeout: 10_000, // … and for 10 s not a byte may leave.
  },
  routes: {
    "/chat/:room": {
      accepts: "text",
      open: (connection) => {
        connection.subscribe(`room ${connection.params.room}`);
        connection.subscribe("notices");
      },
      message: async ({ params }, data) => {
        // Holds back the next message of this connection until most of the others have room for it.
        await server.publish(`room ${params.room}`, data).delivered;
      },
      close: ({ params }, { sent, error }) => {
        if (sent?.code !== CloseCode.TryAgainLater) return;
        console.log(`Let a client go: ${error?.message}`);
        server.publish("notices", `(a client in the room ${params.room} did not read, and was let go)`);
      },
    },
  },
});

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
console.log(`Open http://localhost:${server.port} in two windows. Ctrl-C ends the server.`);
