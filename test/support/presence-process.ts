/** A node whose clients are members of a topic over Redis, in a process of its own, which tells its port and may be killed. */
import { createCluster } from "../../src/cluster/cluster.ts";
import { redisBroker } from "../../src/cluster/redis/redis-broker.ts";
import { serve } from "../../src/index.ts";
import { redisClients } from "./redis-clients.ts";

const [redisPort = "", nodeLease = ""] = process.argv.slice(2);

const cluster = createCluster({
  broker: redisBroker(redisClients.redis(Number(redisPort))),
  topics: { "room/*": { presence: true } },
  nodeLease: Number(nodeLease),
});
const server = await serve({
  port: 0,
  host: "127.0.0.1",
  cluster,
  routes: {
    "/:name": {
      open: (connection) => connection.subscribe("room/1", { presence: connection.params.name }),
    },
  },
});
process.send!(server.port);
