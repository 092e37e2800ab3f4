/**
 * The end of the transport: ended when both sides are done with the connection, drained after a failure, destroyed
 * where it has to be.
 */

import type { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import type { Transport } from "../../transport/transport.ts";
import { type ConnectionLimits, drainSize, drainTime } from "../options/limits.ts";
import type { CloseDeadline } from "./close-deadline.ts";

/** The connection whose transport ends. */
export interface TransportEndOwner {
  readonly endpoint: Endpoint;
  readonly transport: Transport;
  readonly limits: ConnectionLimits;
  /** Bytes that were sent and have not left the process. */
  readonly bufferedAmount: number;
  readonly settings: { readonly endsAtOnce?: boolean };
  /** Lets what still arrives be read. */
  readonly receiving: { read(on: boolean): void };
}

/** Ends the transport of one connection. */
export class TransportEnd {
  readonly #owner: TransportEndOwner;
  readonly #deadline: CloseDeadline;
  /** The cause of the wait; undefined until both sides are done with the connection. */
  #waitsFor: "output" | "peer" | undefined;
  /** Bytes thrown away after a failure. */
  #drained = 0;
  /** Unsent bytes, noted when the transport fails or is destroyed; at its close it may have lost the count. */
  #unsent: number | undefined;

  constructor(owner: TransportEndOwner, deadline: CloseDeadline) {
    this.#owner = owner;
    this.#deadline = deadline;
  }

  /** Bytes that were queued and never left. */
  get unsentBytes(): number {
    return this.#unsent ?? this.#owner.bufferedAmount;
  }

  /**
   * When both sides are done with the connection, ends our side: the server at once, the client after it, unless its
   * settings say otherwise.
   */
  end(peerEnded: boolean): void {
    const { endpoint, limits, receiving, settings, transport } = this.#owner;
    const failed = endpoint.violation !== undefined;
    const waitsFor = this.#owner.bufferedAmount > 0 ? "output" : "peer";
    if (this.#waitsFor !== waitsFor) this.#deadline.limitPeer(failed ? drainTime : limits.closeTimeout);
    this.#waitsFor = waitsFor;
    // A transport that has ended already may make an error of another end, which costs as much as a handshake.
    if (transport.ended || endpoint.outputLength > 0) return;
    receiving.read(true);
    if (failed || endpoint.role === "server" || peerEnded || settings.endsAtOnce) transport.end();
  }

  /** Counts bytes that are read and thrown away, and says whether more may be. */
  drains(length: number): boolean {
    this.#drained += length;
    return this.#drained <= drainSize;
  }

  /** Notes what has not left, before the transport loses count of it. */
  noteUnsent(): void {
    this.#unsent ??= this.#owner.bufferedAmount;
  }

  /** Destroys the transport; what has not left is lost. */
  destroy(): void {
    this.noteUnsent();
    this.#owner.transport.destroy();
  }
}
