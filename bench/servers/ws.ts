/**
 * ws, or with BENCH_FACADE=1 `openline/ws` in its place, as its documentation advises for speed: with its addon (BENCH_WITHOUT_ADDON=1 leaves it out), no compression but
 * where the job is about it, UTF-8 validated as by default.
 */
import { createServer } from "node:https";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import type { RawData, WebSocket } from "ws";
import { compresses, job, listening, publications, publishes, tls, topicsOf } from "./job.ts";

if (process.env.BENCH_WITHOUT_ADDON === "1") process.env.WS_NO_BUFFER_UTIL = "1";
else createRequire(import.meta.url)("bufferutil");
const { OPENLINE_DIST: dist, BENCH_FACADE: facade } = process.env;
const name = facade !== "1" ? "ws" : dist ? `${dist}/ws/index.js` : "openline/ws";
const { WebSocketServer } = (await import(name)) as typeof import("ws");

const address = { host: "127.0.0.1", port: 0 };
const server = new WebSocketServer({
  ...(tls ? { server: createServer(tls).listen(address) } : address),
  clientTracking: publishes,
  perMessageDeflate: compresses && {
    threshold: 0,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
  },
});
server.on("connection", (socket) => {
  if (job === "echo") socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  else if (job === "sink") socket.on("message", () => socket.send("ok"));
  else if (job === "topics") subscribe(socket);
  else if (publishes) {
    socket.on("message", (data, isBinary) => (isBinary ? sendAside(socket, data) : publications.forEach(broadcast)));
  } else socket.on("message", (data) => socket.send(data.toString()));
});
server.on("listening", () => listening((server.address() as AddressInfo).port));

/** The loop of its README. */
function broadcast(text: string): void {
  server.clients.forEach((client: WebSocket) => {
    if (client.readyState === 1) client.send(text);
  });
}

/** A connection that sends what is binary gets that back, and nothing else. */
function sendAside(socket: WebSocket, data: RawData): void {
  server.clients.delete(socket);
  socket.send(data, { binary: true });
}

/** Each topic as most programs with ws have it. */
const topics = new Map<string, Set<WebSocket>>();
let subscribed = 0;

function subscribe(socket: WebSocket): void {
  for (const topic of topicsOf(subscribed++)) {
    const subscribers = topics.get(topic) ?? new Set();
    topics.set(topic, subscribers.add(socket));
  }
  socket.on("message", () => {
    let index = 0;
    for (const subscribers of topics.values()) {
      const text = publications[index++ % publications.length]!;
      for (const subscriber of subscribers) if (subscriber.readyState === 1) subscriber.send(text);
    }
  });
}
