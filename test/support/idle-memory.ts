/**
 * A server in a process of its own, ours or `ws` 8.17.0, that tells how many bytes its buffers hold: it sends its port, and
 * answers every message of its parent. It runs with `--expose-gc`.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { serve } from "../../src/index.ts";
import { oldWs } from "./old-ws.ts";

let received = 0;
const count = () => void received++;

async function start(kind: string | undefined): Promise<number> {
  if (kind === "openline") return (await serve({ host: "127.0.0.1", routes: { "/": { message: count } } })).port;
  const server = new oldWs.WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => socket.on("message", count));
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

process.on("message", async () => {
  for (let round = 0; round < 3; round++) {
    (globalThis as unknown as { gc(): void }).gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  process.send!({ buffers: process.memoryUsage().arrayBuffers, received });
});
process.send!({ port: await start(process.argv[2]) });
