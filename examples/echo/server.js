// @ts-check
/** Sends each message back, and serves a page to try it with. */
import { readFileSync } from "node:fs";
import { serve } from "openline";

const page = readFileSync(new URL("page.html", import.meta.url));

const server = await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  hosts: ["localhost", "127.0.0.1"],
  request: (_, response) => response.setHeader("Content-Type", "text/html").end(page),
  routes: {
    "/echo": { message: (connection, data) => connection.send(data) },
  },
});

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
console.log(`Open http://localhost:${server.port}, or start the client beside it. Ctrl-C ends the server.`);
