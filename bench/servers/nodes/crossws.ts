/** One node of crossws with its `sync` over Redis, whose port is BENCH_REDIS. What a client sends is published to `all`. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import crossws from "crossws/adapters/node";
import { redis as redisSync } from "crossws/sync";
import { createClient } from "redis";
import { listening } from "../job.ts";

const client = createClient({ url: `redis://127.0.0.1:${process.env.BENCH_REDIS}` });
await client.connect();
const adapter = crossws({
  sync: redisSync({ client, channel: "crossws" } as unknown as Parameters<typeof redisSync>[0]),
  hooks: {
    message: (peer, message) => {
      const text = message.text();
      if (text.startsWith("k")) return void peer.publish("all", text);
      for (const [topic] of JSON.parse(text) as readonly (readonly [string])[]) peer.subscribe(topic);
      peer.send("[]");
    },
  },
});
const http = createServer();
http.on("upgrade", (request, socket, head) => void adapter.handleUpgrade(request, socket, head));
await new Promise<void>((resolve) => void http.listen(0, "127.0.0.1", resolve));
listening((http.address() as AddressInfo).port);
