/**
 * Servers without our defences, as controls, each in a process of its own since most of them end it. They send their port,
 * and `"upgrade"` for each request that came.
 *
 * `unguarded` awaits before it answers an upgrade, and listens to no error of the socket meanwhile. `throwing` is `ws`
 * 8.17.0 with a message listener that throws.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { oldWs } from "./old-ws.ts";

const kind = process.argv[2];
const http = createServer();

if (kind === "unguarded") {
  http.on("upgrade", async (_, socket) => {
    process.send!("upgrade");
    await delay(60_000);
    socket.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
  });
} else if (kind === "throwing") {
  const server = new oldWs.WebSocketServer({ server: http });
  server.on("connection", (socket) => {
    socket.on("message", () => {
      throw new Error("The application failed");
    });
  });
} else {
  throw new Error(`Cannot serve: there is no server ${kind}`);
}

http.listen(0, "127.0.0.1");
await once(http, "listening");
process.send!({ port: (http.address() as AddressInfo).port });
