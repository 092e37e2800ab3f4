/** Echo server on openline with its default limits and compression switched on. */
import { serve } from "openline";
import { compression } from "./compression.ts";

const server = await serve({
  port: 0,
  host: "127.0.0.1",
  compression,
  routes: {
    "/": {
      message: (connection, data) => {
        connection.send(data);
      },
    },
  },
});
console.log(`ws://127.0.0.1:${server.port}/`);
