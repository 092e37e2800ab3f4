/**
 * A socket that is read and written as the stream it is, since others may use it as well.
 *
 * Its chunks are memory of their own, and what it says has left was read. Within one large write it tells nothing, but
 * the handles below it do, also those below TLS.
 */

import type { Socket } from "node:net";
import { waitingBelow } from "./direct-writes.ts";
import { isOrdinary } from "./shared-reads.ts";
import { onOwnData, StreamTransport } from "./stream-transport.ts";

/** See the head of this file. */
export class StreamSocket extends StreamTransport<Socket> {
  hearBytes(): void {
    this.stream.on("data", onOwnData);
  }

  override get backlog(): number {
    return this.stream.writableLength + waitingBelow(this.stream);
  }

  get bytesReceived(): number {
    return this.stream.bytesRead;
  }

  override get mayLeaveAtOnce(): boolean {
    return !("encrypted" in this.stream);
  }

  override get givesBack(): boolean {
    return isOrdinary(this.stream);
  }

  override get readsAtOnce(): boolean {
    return this.stream.writableLength === 0 && this.stream.writableCorked === 0;
  }
}
