/**
 * How long each step of the end may take: one timer, since one step is waited for at a time.
 */

import type { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import type { Clock } from "../../transport/clock.ts";
import type { Transport } from "../../transport/transport.ts";
import { type ConnectionLimits, longestAnswerDelay } from "../options/limits.ts";

/** The connection that ends, as its deadlines see it. */
export interface CloseDeadlineOwner {
  readonly endpoint: Endpoint;
  readonly limits: ConnectionLimits;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly sending: {
    /** Bytes that wait for the transport and for nothing else. */
    readonly leavingAmount: number;
    /** Whether a send is under way that our Close has to wait for. */
    readonly isBusy: boolean;
  };
}

/** The deadlines of one connection. */
export class CloseDeadline {
  readonly #owner: CloseDeadlineOwner;
  /** Gives the connection up, for a reason in words. */
  readonly #cutOff: (why: string) => void;
  /** Cancels the timer of the step that is waited for; undefined while none is. */
  #cancelTimer: (() => void) | undefined;
  #isOver = false;
  /** Bytes that had not left when the timer last looked. */
  #behind = Number.POSITIVE_INFINITY;
  /** When something that stands before our Close was last seen to move. */
  #movedAt = 0;

  constructor(owner: CloseDeadlineOwner, cutOff: (why: string) => void) {
    this.#owner = owner;
    this.#cutOff = cutOff;
  }

  /** Something that stands before our Close has moved on. */
  moved(): void {
    this.#movedAt = this.#owner.clock.now();
  }

  /** Lets the peer's Close, or its end, wait for the application, but not for ever: then `answer` is called. */
  limitAnswer(answer: () => void): void {
    if (!this.#isOver) this.#cancelTimer ??= this.#owner.clock.after(longestAnswerDelay, answer);
  }

  /** Gives the peer `after` milliseconds from now for what it owes, then cuts it off. */
  limitPeer(after: number): void {
    this.#cancelTimer?.();
    if (this.#isOver) return;
    this.#cancelTimer = this.#owner.clock.after(after, () => {
      const { sending, endpoint, limits, transport, clock } = this.#owner;
      const goesOn = !endpoint.violation && !transport.destroyed;
      const leaves = goesOn && sending.leavingAmount > 0;
      if (leaves && this.#isLeaving()) return this.limitPeer(after);
      const sends = goesOn && sending.isBusy;
      if (sends && clock.now() - this.#movedAt < after) return this.limitPeer(after);
      const why = leaves
        ? `no byte left for ${limits.writeTimeout} ms`
        : `${sends ? "what was sent before it stood still for" : "the peer took more than"} ${after} ms`;
      this.#cutOff(`The closing handshake was cut off: ${why}`);
    });
  }

  /**
   * Calls `late` after `longest` milliseconds, counted again at each call. A reader that has asked for nothing
   * meanwhile is taken to have left; one that still works keeps the process alive by what it works on.
   */
  limitReader(longest: number, late: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#owner.clock.after(longest, late, true);
  }

  /** No step is waited for any more. */
  clear(): void {
    this.#cancelTimer?.();
  }

  /** The transport is gone: the peer owes nothing any more. */
  transportClosed(): void {
    this.#isOver = true;
    this.#cancelTimer?.();
  }

  /**
   * Whether what stands before our Close still leaves, or has stood for less than the write timeout.
   *
   * What the peer sends before it knows of our Close is read as ever (RFC 6455 section 5.5.1), but it is no reason to
   * wait: a peer that does not read would never be let go as long as it sends. What we add does not count as movement
   * either.
   */
  #isLeaving(): boolean {
    const now = this.#owner.clock.now();
    const behind = this.#owner.sending.leavingAmount + this.#owner.transport.backlog;
    if (behind < this.#behind) this.moved();
    this.#behind = behind;
    return now - this.#movedAt < this.#owner.limits.writeTimeout;
  }
}
