/**
 * The messages of one topic on their way to the broker: one call is in flight, and what gathers meanwhile goes in the next.
 *
 * So each publisher's messages are stored in the order of its calls, whatever fails between. A call that fails with the
 * connection is made again as it was, and says that it is made again.
 */

import type { Outgoing } from "../broker/broker.ts";
import { ClusterError } from "../broker/cluster-error.ts";
import type { LogPosition } from "../broker/entry.ts";

/** A message that waits. */
export interface Waiting {
  readonly message: Outgoing;
  /** When it was published, in milliseconds of the caller's clock. */
  readonly since: number;
  /** It is stored; without history there is no position. */
  stored(position: LogPosition | undefined): void;
  failed(error: ClusterError): void;
}

/** A call to make. */
export interface PublishCall {
  readonly batch: readonly Outgoing[];
  /** When this same batch was first sent; undefined where it was not. */
  readonly firstSent: number | undefined;
}

/** The most messages in one call. */
export const mostInCall = 64;
/** The most bytes in one call, beyond its first message. */
export const largestCall: number = 256 * 1024;

interface Flight {
  /** Those whose publisher was told already are undefined. */
  readonly waiting: (Waiting | undefined)[];
  readonly batch: readonly Outgoing[];
  firstSent: number | undefined;
  /** Whether its answer is waited for. */
  isOut: boolean;
}

/** See the head of this file. */
export class PublishQueue {
  readonly #waiting: Waiting[] = [];
  readonly #mostInCall: number;
  #flight: Flight | undefined;

  /** `size` is that of the history: no call stores more than is kept. */
  constructor(size: number = mostInCall) {
    this.#mostInCall = Math.min(size, mostInCall);
  }

  /** Whether nothing waits and nothing is in flight. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#flight === undefined;
  }

  /** Adds a message behind the others. */
  add(waiting: Waiting): void {
    this.#waiting.push(waiting);
  }

  /** The call to make now; undefined while one is in flight, and when nothing waits. */
  next(now: number): PublishCall | undefined {
    if (this.#flight?.isOut) return undefined;
    this.#flight ??= this.#gather();
    if (this.#flight === undefined) return undefined;
    const { batch, firstSent } = this.#flight;
    this.#flight.isOut = true;
    this.#flight.firstSent ??= now;
    return { batch, firstSent };
  }

  /** The call was answered; without history with no positions. */
  answered(positions: readonly LogPosition[]): void {
    for (const [index, waiting] of this.#land().entries()) waiting?.stored(positions[index]);
  }

  /** The call failed: with the connection, so that it is made again, or by the broker's own word. */
  failed(error: ClusterError): void {
    const flight = this.#flight!;
    flight.isOut = false;
    if (error.code === "unavailable" && flight.waiting.some((waiting) => waiting !== undefined)) return;
    for (const waiting of this.#land()) waiting?.failed(error);
  }

  /** Gives up what was published before `until`. */
  expire(until: number): void {
    const flight = this.#flight;
    flight?.waiting.forEach((waiting, index) => {
      if (waiting === undefined || waiting.since >= until) return;
      flight.waiting[index] = undefined;
      waiting.failed(new ClusterError("unknown", "Cannot publish in time: whether it was stored is not known"));
    });
    if (flight?.isOut === false && flight.waiting.every((waiting) => waiting === undefined)) this.#flight = undefined;
    while (this.#waiting[0] && this.#waiting[0].since < until) {
      this.#waiting.shift()!.failed(new ClusterError("unavailable", "Cannot publish in time: the broker is away"));
    }
  }

  /** Nothing is sent any more. */
  close(): void {
    const flown = this.#flight?.waiting ?? [];
    for (const waiting of flown) waiting?.failed(new ClusterError("unknown", "The cluster was closed meanwhile"));
    for (const waiting of this.#waiting.splice(0)) {
      waiting.failed(new ClusterError("closed", "Cannot publish: the cluster is closed"));
    }
    if (this.#flight) this.#flight.waiting.fill(undefined);
  }

  #gather(): Flight | undefined {
    let count = 0;
    let size = 0;
    for (const { message } of this.#waiting) {
      size += message.payload.length;
      if (count === this.#mostInCall || (count > 0 && size > largestCall)) break;
      count++;
    }
    if (count === 0) return undefined;
    const waiting = this.#waiting.splice(0, count);
    return { waiting, batch: waiting.map(({ message }) => message), firstSent: undefined, isOut: false };
  }

  #land(): readonly (Waiting | undefined)[] {
    const { waiting } = this.#flight!;
    this.#flight = undefined;
    return waiting;
  }
}
