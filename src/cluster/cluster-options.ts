/**
 * The options of `createCluster`, and their defaults.
 */

import { checkNumber, type NumberKind, type NumberRule } from "../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../protocol/check-options.ts";
import type { Broker } from "./broker/broker.ts";
import { memoryBroker } from "./broker/memory-broker.ts";
import { type ResolvedRule, resolveRules, type TopicRules } from "./node/topic-rules.ts";

/** A record for the option `log`. */
export interface ClusterRecord {
  readonly level: "info" | "warn" | "error";
  /** A sentence. */
  readonly message: string;
  /** Set where something was thrown. */
  readonly error?: Error;
}

/** The options of `createCluster`; times in milliseconds, sizes in bytes. */
export interface ClusterOptions {
  /** What carries and keeps messages; it belongs to this cluster alone. Default `memoryBroker()`: this process only. */
  readonly broker?: Broker;
  /** The rules of topics, equal on all nodes. Default none: all topics reach all nodes, at most once. */
  readonly topics?: TopicRules;
  /** How long a publication may wait for the broker; then `unavailable` if it was never sent, else `unknown`. Default 10 s. */
  readonly publishTimeout?: number;
  /** How many publications may wait; then `overloaded`. Default 10,000. */
  readonly maxPending?: number;
  /** How many bytes of them may wait; then `overloaded`. Default 16 MiB. */
  readonly maxPendingSize?: number;
  /** The longest message; beyond it `too-large`. Default 1 MiB. */
  readonly maxPayload?: number;
  /** How often silent topics are compared with the broker, 20 % more or less. Default 30 s. */
  readonly checkInterval?: number;
  /** How long a topic stays subscribed to at the broker without a subscriber here. Default 5 s. */
  readonly unsubscribeDelay?: number;
  /** How much of a topic's newest messages is kept here for clients that come back. Default 256 KiB. */
  readonly recentSize?: number;
  /** How much of that all topics keep together; beyond it those that were silent for longest keep nothing. Default 64 MiB. */
  readonly maxRecentSize?: number;
  /** The most messages that are sent again to one client that comes back; beyond it a gap. Default 1000. */
  readonly maxReplay?: number;
  /** How many bytes of them are sent; beyond it a gap. Default 4 MiB. */
  readonly maxReplaySize?: number;
  /**
   * What clients that speak the resume protocol are given proof with of where they were; the same on all nodes, at least 32
   * characters. Default: one that the first node makes and the broker keeps; where the broker keeps none, each process its own.
   */
  readonly secret?: string;
  /** How long a client that comes back waits for the broker; then a gap. Default 5 s. */
  readonly resumeTimeout?: number;
  /**
   * How long a node that died still counts as there, with its members; it is renewed at a third of that, and must be the same
   * on all nodes. Default 30 s.
   */
  readonly nodeLease?: number;
  /** The longest data of a member, in bytes of JSON; `subscribe` throws beyond. Default 1 KiB. */
  readonly maxPresenceData?: number;
  /** Where sentences about the broker and gaps go. Default: warnings and errors to stderr. */
  readonly log?: (record: ClusterRecord) => void;
}

type ClusterNumbers = {
  readonly [Name in keyof ClusterOptions as ClusterOptions[Name] extends number | undefined ? Name : never]-?: number;
};

/** The options with every default filled in. */
export interface ResolvedCluster extends ClusterNumbers {
  readonly broker: Broker;
  /** Whether any topic has members. */
  readonly hasPresence: boolean;
  ruleOf(topic: string): ResolvedRule;
  readonly secret: string | undefined;
  log(record: ClusterRecord): void;
}

const table: OptionTable<ClusterOptions> = {
  broker: "object",
  topics: "object",
  publishTimeout: "number",
  maxPending: "number",
  maxPendingSize: "number",
  maxPayload: "number",
  checkInterval: "number",
  unsubscribeDelay: "number",
  recentSize: "number",
  maxRecentSize: "number",
  maxReplay: "number",
  maxReplaySize: "number",
  secret: "string",
  resumeTimeout: "number",
  nodeLease: "number",
  maxPresenceData: "number",
  log: "function",
};

const numbers: Readonly<Record<keyof ClusterNumbers, readonly [value: number, kind: NumberKind | NumberRule]>> = {
  publishTimeout: [10_000, "finiteTime"],
  maxPending: [10_000, { least: 1, whole: true, endless: true }],
  maxPendingSize: [16 * 1024 * 1024, "mark"],
  maxPayload: [1024 * 1024, "size"],
  checkInterval: [30_000, { least: 100, most: 24 * 60 * 60 * 1000 }],
  unsubscribeDelay: [5000, "finiteTime"],
  recentSize: [256 * 1024, "size"],
  maxRecentSize: [64 * 1024 * 1024, "size"],
  maxReplay: [1000, "count"],
  maxReplaySize: [4 * 1024 * 1024, "size"],
  resumeTimeout: [5000, "finiteTime"],
  nodeLease: [30_000, { least: 100, most: 60 * 60 * 1000 }],
  maxPresenceData: [1024, { least: 2, most: 64 * 1024 }],
};

/** What every broker has. */
const methods = ["connect", "publish", "subscribe", "unsubscribe", "close"] as const;

/** Fills in the defaults. Throws a TypeError or a RangeError for options that cannot be. */
export function resolveCluster(options: ClusterOptions): ResolvedCluster {
  checkOptions("create a cluster", options, table);
  const resolved = Object.entries(numbers).map(([name, [otherwise, kind]]) => {
    const given = options[name as keyof ClusterNumbers] ?? otherwise;
    return [name, checkNumber("create a cluster", name, given, kind)] as const;
  });
  const { broker = memoryBroker(), topics = {}, secret, log = toStderr } = options;
  const lacks = methods.find((name) => typeof broker[name] !== "function");
  if (lacks)
    throw new TypeError(`Cannot create a cluster: the option "broker" has no method ${lacks}; it is no broker`);
  const ruleOf = resolveRules(topics);
  const keepsHistory = Object.values(topics).some(({ history }) => history);
  if (keepsHistory && !(broker.history && broker.positions && broker.endEpoch)) {
    throw new TypeError("Cannot create a cluster: a topic has a history, and this broker keeps none");
  }
  const hasPresence = Object.values(topics).some(({ presence }) => presence);
  if (hasPresence && !broker.presence) {
    throw new TypeError("Cannot create a cluster: a topic has presence, and this broker keeps none");
  }
  if (secret !== undefined && secret.length < 32) {
    throw new RangeError('Cannot create a cluster: the option "secret" has at least 32 characters');
  }
  const sized = Object.fromEntries(resolved) as unknown as ClusterNumbers;
  return { ...sized, broker, hasPresence, ruleOf, secret, log };
}

function toStderr({ level, message, error }: ClusterRecord): void {
  if (level !== "info") console.error(message, ...(error ? [error] : []));
}
