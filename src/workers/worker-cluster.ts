/**
 * The cluster of a worker: topics reach the subscribers of all workers of `serveOnCores`.
 */

import { Cluster, type ClusterMetrics } from "../cluster/cluster.ts";
import { type ClusterRecord, resolveCluster } from "../cluster/cluster-options.ts";
import type { TopicRules } from "../cluster/node/topic-rules.ts";
import { checkNumber } from "../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../protocol/check-options.ts";
import type { HostedServer, Listener } from "../server/serve-options.ts";
import { processSeat } from "./seat/process-seat.ts";
import { Seat } from "./seat/seat.ts";
import { threadSeat } from "./seat/thread-seat.ts";
import { WorkerBroker } from "./worker-broker.ts";

/** The options of `workerCluster`; sizes in bytes. */
export interface WorkerClusterOptions {
  /** The rules of topics, equal in all workers; none may have a history. Default none: all topics reach all workers. */
  readonly topics?: TopicRules;
  /** The longest message; beyond it `too-large`. Default 1 MiB. */
  readonly maxPayload?: number;
  /** The most that may wait for one other worker; what comes then is dropped for it, and counted. Default 16 MiB. */
  readonly maxBacklogSize?: number;
  /** Where sentences about dropped messages go. Default: warnings and errors to stderr. */
  readonly log?: (record: ClusterRecord) => void;
}

/** The numbers of the cluster in one worker. */
export interface WorkerClusterMetrics extends ClusterMetrics {
  /** The count of messages that were passed on, once for each worker that they went to. */
  readonly relayed: number;
  /** The count of messages that were not passed on to a worker, because more than `maxBacklogSize` waited for it. */
  readonly relayDropped: number;
}

const table: OptionTable<WorkerClusterOptions> = {
  topics: "object",
  maxPayload: "number",
  maxBacklogSize: "number",
  log: "function",
};

/** The seat of this worker and its cluster: there is one of them. */
let seated: WorkerCluster | undefined;

/**
 * Makes the cluster for the option `cluster` of `serve` in a module that `serveOnCores` starts; a module that runs by
 * itself serves as one process without others.
 *
 * Throws a TypeError or a RangeError for options that cannot be, such as a rule with a history, and for a second call in
 * one worker before the first cluster is closed: servers of one worker share it.
 */
export function workerCluster(options: WorkerClusterOptions = {}): WorkerCluster {
  checkOptions("make a worker cluster", options, table);
  const { topics = {}, maxBacklogSize = 16 * 1024 * 1024, ...rest } = options;
  const mark = { least: 1, most: 2 ** 31 };
  checkNumber("make a worker cluster", "maxBacklogSize", maxBacklogSize, mark);
  const withHistory = Object.entries(topics).find(([, rule]) => rule?.history);
  if (withHistory) {
    throw new TypeError(
      `Cannot make a worker cluster: the rule of ${JSON.stringify(withHistory[0])} has a history, which no worker keeps; ` +
        "createCluster of openline/cluster does, with redisBroker or natsBroker",
    );
  }
  const form = processSeat() ?? threadSeat();
  if (form && seated && seated.state !== "closed") {
    throw new TypeError("Cannot make a worker cluster: this worker has one, which all of its servers share");
  }
  const seat = form && new Seat(form);
  const broker = new WorkerBroker(seat, maxBacklogSize);
  const cluster = new WorkerCluster({ topics, ...rest }, broker, seat);
  if (seat) seated = cluster;
  return cluster;
}

/** A cluster, as `workerCluster` returns it and the option `cluster` of `serve` takes it. */
export class WorkerCluster extends Cluster {
  readonly #broker: WorkerBroker;
  readonly #seat: Seat | undefined;

  /** @internal Applications call `workerCluster`. */
  constructor(options: WorkerClusterOptions, broker: WorkerBroker, seat: Seat | undefined) {
    // What waits for another worker is bounded by its link, which counts what it drops.
    super(resolveCluster({ ...options, broker, maxPending: Number.POSITIVE_INFINITY, maxPendingSize: 2 ** 31 }));
    this.#broker = broker;
    this.#seat = seat;
    seat?.countBy(() => ({ relayed: broker.relayed, relayDropped: broker.relayDropped }));
  }

  /** The numbers of this worker's cluster, as they are now. */
  override metrics(): WorkerClusterMetrics {
    const { relayed, relayDropped } = this.#broker;
    return { ...super.metrics(), relayed, relayDropped };
  }

  /** What a server does that has this cluster as an option: it listens as the primary says. */
  async host(server: HostedServer, listener: Listener): Promise<void> {
    if (this.#seat) await this.#seat.host(server, listener);
    else await listener.listen({});
  }
}
