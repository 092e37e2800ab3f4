/**
 * A thread as a worker: it talks with its primary by a port that it was given, and with the other workers by one for each.
 */

import { type MessagePort, workerData } from "node:worker_threads";
import { ThreadPort } from "../links/frame-port.ts";
import type { Channel } from "../wire/control.ts";
import type { SeatForm } from "./seat.ts";

/** The name of the primary's port in `workerData`. */
export const portName = "openline/workers";

/** The seat of this thread; undefined where it is no worker of `serveOnCores`. */
export function threadSeat(): SeatForm | undefined {
  const port = (Object(workerData) as { [portName]?: MessagePort })[portName];
  if (port === undefined) return undefined;
  return {
    channel: portChannel(port),
    signals: [],
    peer: (other, linked) => linked(new ThreadPort(other)),
    join: async (control) => (await control.ask("join", undefined)).drain,
    // Links to a cluster that is closed are closed as they come.
    part: () => {},
  };
}

/** Messages over a port. */
export function portChannel(port: MessagePort): Channel {
  return {
    post: (message, transfer) => port.postMessage(message, transfer),
    listen: (heard, lost) => {
      port.on("message", heard);
      port.once("close", lost);
      port.unref();
    },
    hold: (isHeld) => (isHeld ? port.ref() : port.unref()),
  };
}
