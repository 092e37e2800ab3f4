/** A Redis Cluster of three servers of Debian's, each with a third of the slots. */
import { Redis } from "ioredis";
import { eventually } from "./eventually.ts";
import { freePort } from "./program.ts";
import { RedisServer } from "./redis-server.ts";

/** See the head of this file. */
export class RedisCluster {
  readonly servers: readonly RedisServer[];

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers;
  }

  /** Starts it, and waits until all its nodes know of each other. */
  static async start(executable: string): Promise<RedisCluster> {
    const starting = [0, 1, 2].map(async () => {
      const bus = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "3000",
        "--cluster-port",
        `${await freePort()}`,
      ];
      return { server: await RedisServer.start(executable, bus), bus: bus.at(-1)! };
    });
    const nodes = await Promise.all(starting);
    const clients = nodes.map(({ server }) => new Redis({ port: server.port }));
    const bounds = [0, 5461, 10_923, 16_384];
    for (const [index, client] of clients.entries()) {
      await client.call("CLUSTER", "ADDSLOTSRANGE", `${bounds[index]}`, `${bounds[index + 1]! - 1}`);
      for (const { server, bus } of nodes) await client.call("CLUSTER", "MEET", "127.0.0.1", `${server.port}`, bus);
    }
    await eventually(async () => {
      const states = await Promise.all(clients.map(async (client) => String(await client.call("CLUSTER", "INFO"))));
      return states.every((state) => state.includes("cluster_state:ok") && state.includes("cluster_known_nodes:3"));
    });
    for (const client of clients) client.disconnect();
    return new RedisCluster(nodes.map(({ server }) => server));
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }
}
