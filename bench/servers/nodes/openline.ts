/**
 * One node of openline over Redis, with its defaults. BENCH_REDIS is the port of Redis; BENCH_HISTORY=1 gives topics a history.
 *
 * What a client sends beginning with `k` is published to `all`; JSON is the names of topics to subscribe to, each with the
 * position to resume at or none, answered by the positions; `publish N` publishes to N topics.
 */
import { createClient } from "redis";
import { listening } from "../job.ts";
import { topicName } from "./topic-name.ts";

const dist = process.env.OPENLINE_DIST ?? "openline";
const folder = (entry: string): string => (dist === "openline" ? `openline/${entry}` : `${dist}/${entry}/index.js`);
const { serve } = (await import(dist === "openline" ? dist : `${dist}/index.js`)) as typeof import("openline");
const { createCluster } = (await import(folder("cluster"))) as typeof import("openline/cluster");
const { redisBroker } = (await import(folder("cluster/redis"))) as typeof import("openline/cluster/redis");

const client = createClient({ url: `redis://127.0.0.1:${process.env.BENCH_REDIS}` });
const rule = { history: { size: 100 } };
const cluster = createCluster({
  broker: redisBroker(client),
  topics: process.env.BENCH_HISTORY === "1" ? { "*": rule } : { "topic-*": rule },
});
await cluster.ready;
const server = await serve({
  host: "127.0.0.1",
  cluster,
  routes: {
    "/": {
      message: async (connection, data) => {
        const text = String(data);
        if (text.startsWith("k")) return void connection.publish("all", text);
        if (text.startsWith("publish ")) {
          const topics = Array.from({ length: Number(text.split(" ")[1]) }, (_, index) => topicName(index));
          await Promise.all(topics.map((topic) => server.publish(topic, `k${topic}`).stored));
          return void connection.send("published");
        }
        const wanted = JSON.parse(text) as readonly (readonly [topic: string, since?: string | null])[];
        const subscriptions = wanted.map(([topic, since]) => connection.subscribe(topic, since ? { since } : {}));
        const ready = await Promise.all(subscriptions.map((subscription) => subscription.ready));
        connection.send(JSON.stringify(ready.map(({ position = "", recovered }) => [position, recovered])));
      },
    },
  },
});
listening(server.port);
