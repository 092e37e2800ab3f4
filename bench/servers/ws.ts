/**
 * ws as its documentation advises for speed: with its addon (BENCH_WITHOUT_ADDON=1 leaves it out), no compression but
 * where the job is about it, UTF-8 validated as by default.
 */
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import type { WebSocket } from "ws";
import { job, listening, publications } from "./job.ts";

if (process.env.BENCH_WITHOUT_ADDON === "1") process.env.WS_NO_BUFFER_UTIL = "1";
else createRequire(import.meta.url)("bufferutil");
const { WebSocketServer } = await import("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  clientTracking: job === "publish",
  perMessageDeflate: job === "deflate" && {
    threshold: 0,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
  },
});
server.on("connection", (socket) => {
  if (job === "echo") socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  else if (job === "sink") socket.on("message", () => socket.send("ok"));
  else if (job === "publish") socket.on("message", () => publications.forEach(broadcast));
  else socket.on("message", (data) => socket.send(data.toString()));
});
server.on("listening", () => listening((server.address() as AddressInfo).port));

/** The loop of its README. */
function broadcast(text: string): void {
  server.clients.forEach((client: WebSocket) => {
    if (client.readyState === 1) client.send(text);
  });
}
