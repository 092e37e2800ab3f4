/** A node whose clients are members of a topic over Redis or NATS, in a process of its own, which tells its port and may be killed. */
import { connect } from "@nats-io/transport-node";
import { createCluster } from "../../src/cluster/cluster.ts";
import { natsBroker } from "../../src/cluster/nats/nats-broker.ts";
import { redisBroker } from "../../src/cluster/redis/redis-broker.ts";
import { serve } from "../../src/index.ts";
import { redisClients } from "./redis-clients.ts";

const [name = "", port = "", nodeLease = ""] = process.argv.slice(2);
const brokers = {
  redis: () => redisBroker(redisClients.redis(Number(port))),
  nats: () => natsBroker(connect, { port: Number(port) }),
};

const cluster = createCluster({
  broker: brokers[name as keyof typeof brokers](),
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
