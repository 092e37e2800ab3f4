/**
 * The numbers of all workers, added up. Counts never fall: those of a worker that is gone stay in the sum.
 */

import type { ServerMetrics } from "../../server/metrics.ts";
import type { WorkerNumbers } from "../wire/calls.ts";

/** The numbers of all workers together, which `prometheusText` writes, too. */
export interface WorkersMetrics extends ServerMetrics {
  /** The number of workers that let clients in now: not one that has closed its servers, or drains. */
  readonly workers: number;
  /** The number of workers that have not answered within a second; of them it has what they told before. */
  readonly silentWorkers: number;
  /** The count of workers that died and were started again. */
  readonly restarts: number;
  /** The count of messages that went from one worker to another, once for each that they went to. */
  readonly relayed: number;
  /** The count of messages that did not go to a worker, because too much waited for it. */
  readonly relayDropped: number;
}

/** The sum of what workers tell. */
export type Sum = Omit<WorkersMetrics, "workers" | "silentWorkers" | "restarts">;

type ByKey = Readonly<Record<string | number, number>>;

/** Of no worker. */
export const zero: Sum = {
  connections: 0,
  pendingHandshakes: 0,
  opened: 0,
  closed: {},
  refused: {},
  messagesReceived: 0,
  messagesSent: 0,
  messagesUnsent: 0,
  bytesReceived: 0,
  bytesSent: 0,
  bufferedAmount: 0,
  topics: 0,
  publishBacklog: 0,
  messagesDropped: 0,
  relayed: 0,
  relayDropped: 0,
};

/** What there is none of where a worker is gone; all else is counted from the beginning on. */
const ofNow = { connections: 0, pendingHandshakes: 0, bufferedAmount: 0, topics: 0, publishBacklog: 0 } as const;

/** The sum of one worker's numbers. */
export function sumOf({ servers, relayed, relayDropped }: WorkerNumbers): Sum {
  return servers.reduce<Sum>((sum, server) => add(sum, { ...zero, ...server }), { ...zero, relayed, relayDropped });
}

/** Adds number by number. */
export function add(one: Sum, other: Sum): Sum {
  const sum = Object.entries(one).map(([name, value]) => {
    const added = other[name as keyof Sum];
    return [name, typeof value === "number" ? value + (added as number) : addByKey(value, added as ByKey)];
  });
  return Object.fromEntries(sum) as unknown as Sum;
}

/** What stays of a worker that is gone. */
export function countsOf(sum: Sum): Sum {
  return { ...sum, ...ofNow };
}

function addByKey(one: ByKey, other: ByKey): ByKey {
  const sum: Record<string, number> = { ...one };
  for (const [key, value] of Object.entries(other)) sum[key] = (sum[key] ?? 0) + value;
  return sum;
}
