/**
 * What the command and the programs of a cluster's soak tell each other.
 */
import type { ClusterMetrics } from "openline/cluster";
import type { FaultKind } from "./faults.ts";
import type { JudgeCounts, Loss } from "./judge.ts";

/** The brokers that can be soaked. */
export type BrokerName = "redis" | "nats";

/** What a node shall be. */
export interface NodePlan {
  /** Where it serves. */
  readonly port: number;
  readonly broker: BrokerName;
  /** Where it reaches the broker, and by which of the clients of Redis: the number of the node. */
  readonly brokerAddress: string;
  readonly brokerPort: number;
  readonly client: number;
  /** In milliseconds; see the broker's option. Silent topics are compared three times as rarely. */
  readonly probeInterval: number;
}

/** To a node: begin, tell your counts, or stop. */
export type NodeOrder = { readonly order: "start"; readonly plan: NodePlan } | { readonly order: "count" | "stop" };

/** What a node tells. */
export interface NodeCounts {
  /** Its resident memory, in bytes. */
  readonly rss: number;
  readonly cluster: ClusterMetrics | undefined;
}

/** What the load process shall do. */
export interface LoadPlan {
  /** Where the nodes serve. */
  readonly ports: readonly number[];
  readonly clients: number;
  readonly publishers: number;
  readonly topics: number;
  /** Messages that are published a second. */
  readonly rate: number;
  /** Clients that leave a second, and come back. */
  readonly churn: number;
}

/**
 * To the load process: begin; tell your counts; from now on count who hears what is published from now on; this goes wrong
 * now; the broker lost what it had; or end, and judge.
 */
export type LoadOrder =
  | { readonly order: "start"; readonly plan: LoadPlan }
  | { readonly order: "count" | "mark" | "finish" }
  | { readonly order: "fault"; readonly kind: FaultKind }
  | { readonly order: "loss"; readonly loss: Loss };

/** What the load process has counted. */
export interface LoadCounts extends JudgeCounts {
  /** Clients that are connected. */
  readonly open: number;
  /** Clients that are connected and have heard something that was published since the last mark. */
  readonly level: number;
  /** Messages whose publishers wait for an answer. */
  readonly waiting: number;
  /** How often a client connected. */
  readonly connected: number;
}
