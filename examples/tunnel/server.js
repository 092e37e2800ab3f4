// @ts-check
/** The far end of the tunnel: each WebSocket connection becomes a TCP connection to one target, which the server names. */
import { connect } from "node:net";
import { pipeline } from "node:stream";
import { CloseCode, serve } from "openline";

const [, host = "127.0.0.1", port] = /^(?:(.+):)?(\d+)$/.exec(process.argv[2] ?? "") ?? [];
if (process.argv[2] !== undefined && !(Number(port) <= 65_535)) {
  console.error(`Cannot lead to "${process.argv[2]}". Name a host and a port: npm start -- localhost:5432`);
  process.exit(1);
}

const server = await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  hosts: ["localhost", "127.0.0.1"],
  // Where no target is named, the tunnel leads to what this very server says.
  request: (_, response) => response.end("Hello from the far end of the tunnel\n"),
  routes: {
    "/tunnel": {
      accepts: "binary",
      open: (connection) => {
        const target = connect(Number(port ?? server.port), host);
        target.on("error", () => connection.close(CloseCode.BadGateway, "The target cannot be reached"));
        target.on("connect", () => {
          const tunnel = connection.toDuplex();
          // Where one of the two ends or fails, so does the other.
          pipeline(tunnel, target, () => {});
          pipeline(target, tunnel, () => {});
        });
      },
    },
  },
});

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
console.log(
  `Tunnels from ws://localhost:${server.port}/tunnel to ${host}:${port ?? server.port}. Ctrl-C ends the server.`,
);
