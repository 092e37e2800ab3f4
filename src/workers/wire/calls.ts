/**
 * What the primary and its workers ask of each other.
 */

import type { MessagePort } from "node:worker_threads";
import type { DrainOptions } from "../../server/drain.ts";
import type { ServerMetrics } from "../../server/metrics.ts";

/** Where a worker takes links of the others, and the secret that they begin with. */
export interface Address {
  readonly path: string;
  readonly secret: string;
}

/** How a server of a worker would listen. */
export interface WantedListener {
  /** Its number among the servers of its worker, which is the same in all workers. */
  readonly number: number;
  readonly port: number;
  readonly host: string | undefined;
  /** Whether it listens on a port by itself: not where it shares a server, nor on a path or a descriptor. */
  readonly isOnPort: boolean;
}

/** What is different in how it listens. */
export interface GivenListener {
  readonly port?: number;
  readonly reusePort?: true;
}

/** The numbers of one worker. */
export interface WorkerNumbers {
  readonly servers: readonly ServerMetrics[];
  /** Whether any of them lets clients in. */
  readonly accepts: boolean;
  /** The count of messages that were passed on, once for each worker that they went to. */
  readonly relayed: number;
  /** The count of messages that were not passed on to a worker, because too much waited for it. */
  readonly relayDropped: number;
}

/** What a worker asks of the primary. */
export interface PrimaryCalls {
  /** Joins the others, which say `peer` to it or are in the answer; a process says where it can be reached. */
  join(address: Address | undefined): { readonly peers: readonly Address[]; readonly drain: DrainOptions | undefined };
  /** May a server listen, and how? Rejects with the error of `listen`, such as `EADDRINUSE`. */
  listen(wanted: WantedListener): GivenListener;
  serving(listener: { readonly number: number; readonly port: number }): void;
  failed(error: { readonly message: string; readonly code: string | undefined }): void;
  /** It has left by itself; its last numbers. */
  left(numbers: WorkerNumbers): void;
}

/** What the primary asks of a worker. */
export interface WorkerCalls {
  /** A thread gets a port to another one. */
  peer(port: MessagePort): void;
  numbers(): WorkerNumbers;
  /** Sends the clients away; its last numbers. */
  drain(options: DrainOptions): WorkerNumbers;
  close(): WorkerNumbers;
  exit(): void;
}
