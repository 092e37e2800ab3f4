/**
 * A process as a worker: it talks with its primary by the channel of `node:cluster`.
 */

import cluster from "node:cluster";
import type { Channel } from "../wire/control.ts";
import { Peers } from "./peers.ts";
import type { SeatForm } from "./seat.ts";

/** Says in the environment that a process is a worker of `serveOnCores`. */
export const workerVariable = "OPENLINE_WORKER";

/** Names, in a message to the primary, what a process ends by. */
export const thrownName = "openline/workers/thrown";

// From the import on: an entry may throw before it makes its cluster.
if (isWorkerProcess()) {
  process.on("uncaughtExceptionMonitor", (thrown: unknown) => {
    const { message = String(thrown) } = Object(thrown) as Partial<Error>;
    process.send?.({ [thrownName]: message });
  });
}

/** The seat of this process; undefined where it is no worker of `serveOnCores`. */
export function processSeat(): SeatForm | undefined {
  if (!isWorkerProcess()) return undefined;
  let peers: Peers | undefined;
  return {
    channel,
    signals: ["SIGTERM", "SIGINT"],
    peer: () => {},
    join: async (control, linked) => {
      peers = new Peers(linked);
      const { peers: others, drain } = await control.ask("join", await peers.listen());
      for (const address of others) peers.dial(address);
      return drain;
    },
    part: () => peers?.close(),
  };
}

/** Whether this process is a worker of `serveOnCores`; what it starts itself is none. */
export function isWorkerProcess(): boolean {
  return cluster.isWorker && process.env[workerVariable] === String(process.ppid);
}

const channel: Channel = {
  // With the primary gone this process ends; there is nobody left to tell.
  post: (message) => void process.send!(message, undefined, undefined, () => {}),
  listen: (heard, lost) => {
    process.on("message", heard);
    process.once("disconnect", lost);
  },
  // Node itself keeps a worker of `node:cluster` alive.
  hold: () => {},
};
