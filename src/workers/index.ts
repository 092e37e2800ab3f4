/**
 * The entry `openline/workers`: all cores of one machine, without a broker.
 */

export type { WorkersMetrics } from "./primary/metrics.ts";
export { type ServeOnCoresOptions, serveOnCores, type Workers } from "./serve-on-cores.ts";
export {
  type WorkerCluster,
  type WorkerClusterMetrics,
  type WorkerClusterOptions,
  workerCluster,
} from "./worker-cluster.ts";
