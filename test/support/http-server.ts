/** An HTTP server of a test's own on a free port, gone with everything on it when the test is over. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach } from "vitest";

const running: (() => void)[] = [];

afterEach(() => {
  for (const stop of running.splice(0)) stop();
});

/** Listens, with an `upgrade` listener if one is given. */
export async function httpServer(
  onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void,
): Promise<{ http: Server; port: number; sockets: Set<Socket> }> {
  const http = createServer();
  if (onUpgrade) http.on("upgrade", onUpgrade);
  const sockets = new Set<Socket>();
  http.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  running.push(() => {
    http.close();
    for (const socket of sockets) socket.destroy();
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return { http, port: (http.address() as AddressInfo).port, sockets };
}
