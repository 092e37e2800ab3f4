/**
 * One node of socket.io: BENCH_ADAPTER is `memory`, or `redis` or `redis-streams` over the Redis at the port BENCH_REDIS; with
 * the last clients recover what they missed, and the stream is as long as that needs. BENCH_FACADE=1 puts `openline/ws` in the
 * place of its engine's `ws`.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { listening } from "../job.ts";
import { topicName } from "./topic-name.ts";

const { BENCH_ADAPTER: kind, BENCH_FACADE: facade, OPENLINE_DIST: dist } = process.env;
const http = createServer();
const adapter = kind === "memory" ? undefined : await overRedis();
const engine = facade === "1" ? ((await import(dist ? `${dist}/ws/index.js` : "openline/ws")) as object) : undefined;
const io = new Server(http, {
  ...(adapter && { adapter }),
  ...(engine && { wsEngine: (engine as { readonly WebSocketServer: object }).WebSocketServer }),
  serveClient: false,
  transports: ["websocket"],
  ...(kind === "redis-streams" && { connectionStateRecovery: {} }),
});
io.on("connection", (socket) => {
  socket.on("publish", (text: string) => void io.to("all").emit("m", text));
  socket.on("echo", (text: string) => void socket.emit("m", text));
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

async function overRedis(): Promise<ReturnType<typeof createAdapter>> {
  const client = createClient({ url: `redis://127.0.0.1:${process.env.BENCH_REDIS}` });
  await client.connect();
  if (kind === "redis-streams") {
    return createStreamsAdapter(client, { maxLen: 100_000 }) as unknown as ReturnType<typeof createAdapter>;
  }
  const subscriber = client.duplicate();
  await subscriber.connect();
  return createAdapter(client, subscriber);
}
