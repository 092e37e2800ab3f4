/**
 * Asks peers that are silent, and gives up those that stay so; also gives up messages that do not go on (faults A11, D02).
 *
 * Liveness is judged by bytes that arrive and by nothing else, and never while we do not read ourselves. Bytes are known
 * to the second only, so a message is given up when its time is over whenever in that second they came.
 */

import type { Endpoint } from "../protocol/endpoint/endpoint.ts";
import { currentTick, tickLength, unwatch, type Watched, watchAfter } from "./event-loop/timer-wheel.ts";
import type { KeepaliveOptions } from "./options/keepalive-options.ts";
import type { ConnectionLimits } from "./options/limits.ts";

/** How often a Pong says that we live while we do not read, in milliseconds. */
const unsolicitedPongInterval = 20_000;
/** How often a connection is looked at, in milliseconds, where nothing asks for more. */
const lookInterval = 15_000;
const neverPinged = -1;
/** Beyond this many bytes of an unfinished message … */
const slowFrom = 64 * 1024;
/** … the peer owes 1 KiB in 10 s of the rest (fault A11) … */
const slowestRate = 1024 / 10_000;
/** … on average over this many milliseconds. */
const rateWindow = 60_000;

/** What keepalive sees of its connection, and may do to it. */
export interface KeptAlive {
  readonly endpoint: Endpoint;
  readonly limits: ConnectionLimits;
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
  #lastReceived: number = currentTick();
  #pingedAt = neverPinged;
  /** When we were last seen not to read. */
  #paused = 0;
  /** How far an unfinished message had come when it last went on; undefined while none is. */
  #progress: Mark | undefined;
  /** Where the window began over which its rate is judged; undefined while it is short. */
  #rate: Mark | undefined;

  constructor(kept: KeptAlive) {
    this.#kept = kept;
    watchAfter(this, Math.min(this.#interval, this.#pace) / tickLength);
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
    this.#lastReceived = currentTick();
    this.#pingedAt = neverPinged;
  }

  /** A message is complete: how far the next one comes says nothing about it. */
  messageEnded(): void {
    if (this.#progress !== undefined) this.#progress = this.#rate = undefined;
  }

  /** Milliseconds since bytes arrived, to the second. */
  get idle(): number {
    return (currentTick() - this.#lastReceived) * tickLength;
  }

  /** The connection is over. */
  stop(): void {
    unwatch(this);
  }

  /** The timer wheel's call. */
  watch(): number {
    return Math.min(this.#look(), this.#untilSlow()) / tickLength;
  }

  /** Does what is due, and returns after how many milliseconds to look again. */
  #look(): number {
    const { idle } = this;
    const { endpoint } = this.#kept;
    if (!this.#kept.isReading()) {
      this.#pingedAt = neverPinged;
      this.#progress = this.#rate = undefined;
      this.#paused = currentTick();
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
      this.#pingedAt = currentTick();
      this.#kept.probe();
      return Math.min(this.#timeout, this.#interval, this.#pace);
    }
    const waited = (currentTick() - this.#pingedAt) * tickLength;
    if (waited < this.#timeout) return Math.min(this.#timeout - waited, this.#pace);
    this.#kept.giveUp(`the peer was silent for ${idle} ms and did not answer a Ping`);
    return 0;
  }

  /** Whether an unfinished message stands still, or its rest comes more slowly than a peer owes. */
  #isMessageSlow(): boolean {
    const { endpoint } = this.#kept;
    if (!endpoint.insideMessage) {
      this.#progress = this.#rate = undefined;
      return false;
    }
    const { messageProgress: bytes } = endpoint;
    if (this.#progress?.bytes !== bytes) {
      this.#progress = { bytes, tick: Math.max(this.#lastReceived, this.#paused) };
    }
    return this.#untilSlow() <= 0 || this.#isRateLow(bytes);
  }

  /** Milliseconds until an unfinished message will have stood still for too long; its bytes came within the mark's tick. */
  #untilSlow(): number {
    if (this.#progress === undefined) return Number.POSITIVE_INFINITY;
    return this.#kept.limits.messageIdleTimeout + tickLength - age(this.#progress);
  }

  #isRateLow(bytes: number): boolean {
    const begun = this.#rate;
    if (begun && bytes >= begun.bytes && age(begun) < rateWindow) return false;
    this.#rate = bytes > slowFrom ? { bytes, tick: currentTick() } : undefined;
    return begun !== undefined && bytes >= begun.bytes && bytes - begun.bytes < slowestRate * age(begun);
  }
}

/** Bytes of a message, and when they had come. */
interface Mark {
  readonly bytes: number;
  readonly tick: number;
}

/** Milliseconds since a mark was made. */
function age({ tick }: Mark): number {
  return (currentTick() - tick) * tickLength;
}
