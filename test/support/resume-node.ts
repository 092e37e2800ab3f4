/** A node of a cluster over Redis in a process of its own, whose clients are subscribed to what their URL says. */
import { Redis } from "ioredis";
import { createCluster } from "../../src/cluster/index.ts";
import { redisBroker } from "../../src/cluster/redis/index.ts";
import { serve } from "../../src/index.ts";

const cluster = createCluster({
  broker: redisBroker(new Redis({ port: Number(process.argv[2]), lazyConnect: true, retryStrategy: () => 20 })),
  topics: { "log/*": { history: { size: 5000 } } },
});
const server = await serve({
  host: "127.0.0.1",
  port: 0,
  cluster,
  routes: {
    "/*": {
      open: (connection) => {
        for (const topic of connection.params["*"].split(",")) connection.subscribe(topic);
      },
      message: (connection, data) => void connection.publish("log/said", data),
    },
  },
});
await cluster.ready;
// Whatever goes wrong in a test, its processes end with it.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(1), 500).unref();
process.send!(server.port);
