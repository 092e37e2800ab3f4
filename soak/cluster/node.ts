/**
 * A node of a cluster's soak: a server whose clients listen to a topic, or publish to any, each in another way.
 */
import { connect } from "@nats-io/transport-node";
import { Redis as Ioredis } from "ioredis";
import { Redis as Iovalkey } from "iovalkey";
import { route, type Server, serve } from "openline";
import { type Broker, type Cluster, ClusterError, createCluster } from "openline/cluster";
import { natsBroker } from "openline/cluster/nats";
import { redisBroker } from "openline/cluster/redis";
import { createClient } from "redis";
import type { NodeCounts, NodeOrder, NodePlan } from "./orders.ts";

let cluster: Cluster | undefined;
let server: Server | undefined;

process.on("message", async (told: NodeOrder) => {
  if (told.order === "start") server = await start(told.plan);
  if (told.order === "stop") {
    await server?.close();
    await cluster?.close();
    process.disconnect();
  } else {
    process.send!({ rss: process.memoryUsage.rss(), cluster: cluster?.metrics() } satisfies NodeCounts);
  }
});

async function start(plan: NodePlan): Promise<Server> {
  const made = createCluster({
    broker: brokerOf(plan),
    topics: {
      "topic/*": {
        history: { size: 500 },
        encode: ({ data, position }) => `m ${position} ${data}`,
      },
    },
    checkInterval: plan.probeInterval * 3,
    log: () => {},
  });
  cluster = made;
  return await serve({
    port: plan.port,
    host: "127.0.0.1",
    cluster: made,
    routes: {
      "/topics/:topic": route("/topics/:topic", {
        upgrade: ({ url }) => ({ data: url.searchParams.get("since") }),
        open: (connection) => {
          const options = connection.data === null ? {} : { since: connection.data };
          const { ready } = connection.subscribe(`topic/${connection.params.topic}`, options);
          void ready.then(({ position, replayed, recovered = "-", reason }) => {
            if (reason !== "closed") connection.send(`s ${position} ${replayed} ${recovered}`);
          });
        },
        gap: (connection, { reason, position }) => connection.send(`g ${position} ${reason}`),
      }),
      "/publish": {
        message: (connection, data) => {
          const [number = "", topic = ""] = String(data).split(" ", 2);
          const text = String(data).slice(number.length + topic.length + 2);
          // By turns as a client, and as the process itself.
          const stored =
            Number(number) % 2 === 0
              ? made.publish(`topic/${topic}`, text)
              : connection.publish(`topic/${topic}`, text).stored;
          stored.then(
            (position) => connection.send(`${number} ${position}`),
            (error: unknown) => connection.send(`${number} !${error instanceof ClusterError ? error.code : error}`),
          );
        },
      },
    },
  });
}

/** Each node has another client of Redis. */
function brokerOf({ broker, brokerAddress: host, brokerPort: port, client, probeInterval }: NodePlan): Broker {
  if (broker === "nats") {
    return natsBroker(connect, { servers: `${host}:${port}` }, { probeInterval });
  }
  const clients = [
    () => createClient({ url: `redis://${host}:${port}` }),
    () => new Ioredis({ host, port, lazyConnect: true }),
    () => new Iovalkey({ host, port, lazyConnect: true }),
  ];
  return redisBroker(clients[client % clients.length]!(), { probeInterval });
}

process.send!({ rss: process.memoryUsage.rss(), cluster: undefined } satisfies NodeCounts);
