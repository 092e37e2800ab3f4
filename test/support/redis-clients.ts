/** The clients that a Redis broker is made of, each connected to nothing by itself. */
import { Redis as Ioredis } from "ioredis";
import { Redis as Iovalkey } from "iovalkey";
import { createClient } from "redis";
import type { RedisClient } from "../../src/cluster/redis/clients.ts";

/** By the name of the package: a template for a server on this port. */
export const redisClients: Readonly<
  Record<"redis" | "ioredis" | "iovalkey", (port: number, password?: string) => RedisClient>
> = {
  redis: (port, password) =>
    createClient({
      url: `redis://127.0.0.1:${port}`,
      ...(password !== undefined && { password }),
      socket: { reconnectStrategy: 20 },
    }),
  ioredis: (port, password) =>
    new Ioredis({ port, lazyConnect: true, retryStrategy: () => 20, ...(password !== undefined && { password }) }),
  iovalkey: (port, password) =>
    new Iovalkey({ port, lazyConnect: true, retryStrategy: () => 20, ...(password !== undefined && { password }) }),
};
