/**
 * The entry `openline/cluster`: topics across processes and machines.
 */

export type { Broker, BrokerEvents, HistoryOf, HistoryRule, Outgoing, PublishOptions } from "./broker/broker.ts";
export { ClusterError, type ClusterErrorCode } from "./broker/cluster-error.ts";
export type { Entry, LogPage, LogPosition } from "./broker/entry.ts";
export { type MemoryBrokerOptions, memoryBroker } from "./broker/memory-broker.ts";
export type {
  Leases,
  MemberChange,
  PresencePage,
  PresenceStep,
  PresenceStore,
  StoredMember,
} from "./broker/presence-store.ts";
export {
  type Cluster,
  type ClusterHistory,
  type ClusterMetrics,
  type ClusterPublishOptions,
  type ClusterSubscribeOptions,
  createCluster,
  type HistoryOptions,
  type PresenceChangesOptions,
} from "./cluster.ts";
export type { ClusterState, NodeCounters } from "./cluster-node.ts";
export type { ClusterOptions, ClusterRecord } from "./cluster-options.ts";
export type { ClusterMessage } from "./handler-subscription.ts";
export type { TopicCounters } from "./node/cluster-topic.ts";
export type { Encodable, TopicRule, TopicRules } from "./node/topic-rules.ts";
export type { PresenceChange } from "./presence/presence-changes.ts";
export type { Member, Presence } from "./presence/presence-node.ts";
