/**
 * One node of socket.io over Redis. BENCH_REDIS is the port of Redis, BENCH_ADAPTER `redis` or `redis-streams`; with the latter
 * clients recover what they missed, and the stream is as long as that needs.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { listening } from "../job.ts";
import { topicName } from "./topic-name.ts";

const url = `redis://127.0.0.1:${process.env.BENCH_REDIS}`;
const client = createClient({ url });
await client.connect();
const http = createServer();
const streams = process.env.BENCH_ADAPTER === "redis-streams";
let adapter: ReturnType<typeof createAdapter> | ReturnType<typeof createStreamsAdapter>;
if (streams) {
  adapter = createStreamsAdapter(client, { maxLen: 100_000 });
} else {
  const subscriber = client.duplicate();
  await subscriber.connect();
  adapter = createAdapter(client, subscriber);
}
const io = new Server(http, {
  adapter: adapter as ReturnType<typeof createAdapter>,
  serveClient: false,
  transports: ["websocket"],
  ...(streams && { connectionStateRecovery: {} }),
});
io.on("connection", (socket) => {
  socket.on("publish", (text: string) => void io.to("all").emit("m", text));
  socket.on("publish many", (count: number) => {
    for (let i = 0; i < count; i++) io.to(topicName(i)).emit("m", `k${topicName(i)}`);
    socket.emit("published");
  });
  socket.on("subscribe", (topics: readonly string[]) => {
    void socket.join([...topics]);
    socket.emit("subscribed");
  });
  if (socket.handshake.auth.pid !== undefined) socket.emit(socket.recovered ? "recovered" : "lost");
});
await new Promise<void>((resolve) => void http.listen(0, "127.0.0.1", resolve));
listening((http.address() as AddressInfo).port);
