/**
 * The entry `openline/cluster/redis`: Redis and Valkey as a broker.
 */

export type { IoredisClient, NodeRedisClient, RedisClient } from "./clients.ts";
export { type RedisBrokerOptions, redisBroker } from "./redis-broker.ts";
