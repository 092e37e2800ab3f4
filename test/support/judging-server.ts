/**
 * A server in a process of its own that judges whether its clients are alive, for tests that stop the process or take its
 * files. It sends its port, and answers `"open"` with whether it can open files and `"count"` with its connections.
 *
 * `openline` is ours; `quick to judge` too, with keepalive after a second; `unlimited` is ours without `maxConnections`; `wall clock` is `ws`
 * 8.17.0 with the usual heartbeat by the clock on the wall.
 */

import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { serve } from "../../src/index.ts";
import { oldWs } from "./old-ws.ts";

const kind = process.argv[2] ?? "";
let count = () => 0;

async function startOld(): Promise<number> {
  const server = new oldWs.WebSocketServer({ host: "127.0.0.1", port: 0 });
  const lastSeen = new Map<unknown, number>();
  server.on("connection", (socket) => {
    lastSeen.set(socket, Date.now());
    socket.on("pong", () => lastSeen.set(socket, Date.now()));
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  setInterval(() => {
    for (const socket of server.clients) {
      if (Date.now() - lastSeen.get(socket)! > 2000) socket.terminate();
      else socket.ping();
    }
  }, 500);
  count = () => server.clients.size;
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function start(): Promise<number> {
  if (kind === "wall clock") return await startOld();
  const server = await serve({
    host: "127.0.0.1",
    ...(kind === "quick to judge" && { keepalive: { interval: 1000, timeout: 1000 } }),
    ...(kind === "unlimited" && { limits: { maxConnections: Number.POSITIVE_INFINITY } }),
    routes: { "/": { message: (connection, data) => connection.send(data) } },
  });
  count = () => server.connections.size;
  return server.port;
}

/** Whether ten files can be open at once, as those of a log and of a database would. */
function canOpen(): boolean {
  const files: number[] = [];
  try {
    while (files.length < 10) files.push(openSync("/dev/null", "r"));
    return true;
  } catch {
    return false;
  } finally {
    for (const file of files) closeSync(file);
  }
}

process.on("message", (asked) => process.send!(asked === "open" ? canOpen() : count()));
process.send!({ port: await start() });
