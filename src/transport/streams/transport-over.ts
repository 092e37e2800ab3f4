/** Which transport a stream of Node is. */

import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Transport } from "../transport.ts";
import { AnyDuplex } from "./any-duplex.ts";
import { NetSocket } from "./net-socket.ts";
import { isOrdinary } from "./shared-reads.ts";
import { StreamSocket } from "./stream-socket.ts";

/** Makes the transport; `own` when nothing else reads the stream or writes to it. */
export function transportOver(stream: Duplex, own: boolean): Transport {
  if (!(stream instanceof Socket)) return new AnyDuplex(stream);
  return own && isOrdinary(stream) ? new NetSocket(stream) : new StreamSocket(stream);
}
