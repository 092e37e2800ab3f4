/**
 * The demo's cluster: with a URL, this process is one of several nodes over a Redis; without, it is alone, and all topics stay
 * in it.
 */
import { type Cluster, createCluster } from "openline/cluster";
import { redisBroker } from "openline/cluster/redis";

/** How long a room's talk is kept after the last word, in milliseconds, and how long a dead node's people stay. */
const KEPT = 24 * 60 * 60 * 1000;
const NODE_LEASE = 10_000;

/** Makes the cluster. Rejects with a TypeError for what is no URL of a Redis. */
export async function makeCluster(url: string | undefined): Promise<Cluster> {
  if (url === undefined) return createCluster({ topics: { "*": { local: true } } });
  if (!/^rediss?:/.test(url) || !URL.canParse(url)) throw new TypeError(`--cluster ${url} is no URL of a Redis`);
  const { createClient } = await import("redis");
  return createCluster({
    broker: redisBroker(createClient({ url }), { prefix: "openline-demo" }),
    nodeLease: NODE_LEASE,
    topics: {
      "*": { local: true },
      "talk:*": { history: { size: 200, maxAge: KEPT } },
      "people:*": { presence: true },
    },
  });
}
