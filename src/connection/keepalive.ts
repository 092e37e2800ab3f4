/**
 * Asks peers that are silent, and gives up those that stay so (fault D02), as it does with messages that do not go on.
 *
 * Liveness is judged by bytes that arrive and by nothing else, and never while we do not read ourselves.
 */

import type { Endpoint } from "../protocol/endpoint/endpoint.ts";
import type { Clock } from "../transport/clock.ts";
import { type TimerWheel, tickLength, type Watched, wheelOf } from "./event-loop/timer-wheel.ts";
import { MessageProgress } from "./message-progress.ts";
import type { KeepaliveOptions } from "./options/keepalive-options.ts";
import type { ConnectionLimits } from "./options/limits.ts";

/** How often a Pong says that we live while we do not read, in milliseconds. */
const unsolicitedPongInterval = 20_000;
/** How often a connection is looked at, in milliseconds, where nothing asks for more. */
const lookInterval = 15_000;
const neverPinged = -1;
/** What keepalive sees of its connection, and may do to it. */
export interface KeptAlive {
  readonly endpoint: Endpoint;
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  /** Without it no Ping is sent; progress is watched all the same. */
  readonly keepalive: Required<KeepaliveOptions> | undefined;
  /** Whether the connection reads from its socket at present. */
  isReading(): boolean;
  /** Sends a Ping whose Pong nobody waits for. */
  probe(): void;
  /** Rejects the pings that have waited for longer: no Pong can be read. */
  giveUpPings(olderThan: number): void;
  sendPong(): void;
  /** The rest of a message did not come in time. */
  tooSlow(): void;
  giveUp(because: string): void;
}

/** Watches one connection. */
export class Keepalive implements Watched {
  /** The timer wheel's own. */
  slot = -1;
  readonly #kept: KeptAlive;
  readonly #wheel: TimerWheel;
  /** The tick at which bytes last arrived. */
  #lastReceived: number;
  /** The tick at which the unanswered Ping was sent. */
  #pingedAt = neverPinged;
  /** Made when we are first seen not to read, or a message to be unfinished. */
  #progress: MessageProgress | undefined;

  constructor(kept: KeptAlive) {
    this.#kept = kept;
    this.#wheel = wheelOf(kept.clock);
    this.#lastReceived = this.#wheel.tick;
    this.#wheel.watchAfter(this, Math.min(this.#interval, this.#pace) / tickLength);
  }

  get #interval(): number {
    return this.#kept.keepalive?.interval ?? Number.POSITIVE_INFINITY;
  }

  get #timeout(): number {
    return this.#kept.keepalive?.timeout ?? 0;
  }

  /** How long at most between two looks. */
  get #pace(): number {
    return Math.max(tickLength, Math.min(lookInterval, this.#kept.limits.messageIdleTimeout));
  }

  /** Bytes have arrived. */
  received(): void {
    this.#lastReceived = this.#wheel.tick;
    this.#pingedAt = neverPinged;
  }

  /** A message is complete: how far the next one comes says nothing about it. */
  messageEnded(): void {
    if (this.#progress !== undefined) this.#progress.restart();
  }

  /** Milliseconds since bytes arrived, to the second. */
  get idle(): number {
    return (this.#wheel.tick - this.#lastReceived) * tickLength;
  }

  /** The connection is over. */
  stop(): void {
    this.#wheel.unwatch(this);
  }

  /** The timer wheel's call. */
  watch(): number {
    const look = this.#look();
    const { messageIdleTimeout } = this.#kept.limits;
    const untilSlow = this.#progress?.untilSlow(this.#wheel.tick, messageIdleTimeout) ?? Number.POSITIVE_INFINITY;
    return Math.min(look, untilSlow) / tickLength;
  }

  /** Does what is due, and returns after how many milliseconds to look again. */
  #look(): number {
    const { idle } = this;
    const { endpoint } = this.#kept;
    if (!this.#kept.isReading()) {
      this.#pingedAt = neverPinged;
      this.#progress ??= new MessageProgress();
      this.#progress.paused(this.#wheel.tick);
      this.#kept.giveUpPings(unsolicitedPongInterval);
      // A peer that is read by turns hears from us anyway, and some take a Pong that they did not ask for as a fault.
      if (idle < unsolicitedPongInterval) return Math.min(unsolicitedPongInterval - idle, this.#pace);
      this.#kept.sendPong();
      return unsolicitedPongInterval;
    }
    if (this.#isMessageSlow()) {
      this.#kept.tooSlow();
      return 0;
    }
    // A Ping would stand behind what the peer is still reading: the write timeout judges that (fault D05).
    if (endpoint.stalled) {
      this.#pingedAt = neverPinged;
      return this.#pace;
    }
    if (idle < this.#interval) {
      this.#pingedAt = neverPinged;
      return Math.min(this.#interval - idle, this.#pace);
    }
    if (this.#pingedAt === neverPinged) {
      this.#pingedAt = this.#wheel.tick;
      this.#kept.probe();
      return Math.min(this.#timeout, this.#interval, this.#pace);
    }
    const waited = (this.#wheel.tick - this.#pingedAt) * tickLength;
    if (waited < this.#timeout) return Math.min(this.#timeout - waited, this.#pace);
    this.#kept.giveUp(`the peer was silent for ${idle} ms and did not answer a Ping`);
    return 0;
  }

  #isMessageSlow(): boolean {
    const { endpoint, limits } = this.#kept;
    if (this.#progress === undefined) {
      if (!endpoint.insideMessage) return false;
      this.#progress = new MessageProgress();
    }
    const longest = limits.messageIdleTimeout;
    return this.#progress.isSlow(endpoint, { tick: this.#wheel.tick, lastReceived: this.#lastReceived, longest });
  }
}
