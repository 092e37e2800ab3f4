/**
 * The entry `openline/cluster/nats`: NATS with JetStream as a broker.
 */

export { type NatsBrokerOptions, natsBroker } from "./nats-broker.ts";
export type { NatsClient } from "./nats-link.ts";
