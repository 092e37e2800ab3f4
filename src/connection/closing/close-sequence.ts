/**
 * The end of a connection from its first sign on: who began and what broke, how long each step may take, the end of the
 * transport, and the report. While it is open a connection holds none of this, and most are open.
 */

import type { Endpoint } from "../../protocol/endpoint.ts";
import type { Clock } from "../../transport/clock.ts";
import type { Transport } from "../../transport/transport.ts";
import { type Deferred, deferred } from "../deferred.ts";
import { type ConnectionLimits, drainSize, drainTime, longestAnswerDelay } from "../limits.ts";
import { type CloseReport, reportClose } from "./close-report.ts";

/** What an ending asks of the connection that ends. */
export interface CloseSequenceOwner {
  readonly endpoint: Endpoint;
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  /** Bytes that were sent and have not left the process. */
  readonly bufferedAmount: number;
  /** Those of them that wait for the transport and for nothing else. */
  readonly leavingAmount: number;
  /** Whether a send is under way that our Close has to wait for. */
  readonly sending: boolean;
  /** Whether to read what still arrives. */
  read(on: boolean): void;
}

/** The end of one connection. */
export class CloseSequence {
  /** Who began; undefined while nobody has. */
  initiator: CloseReport["initiator"] | undefined;
  /** What broke, the first thing only. */
  error: Error | undefined;
  /** How far the end of the peer's side of the transport has come: all before it is parsed, and then handled. */
  peerEnd: "received" | "withoutClose" | "answering" | undefined;
  /** Nothing more can be sent: `close` was called, and stands in line behind what was, or the transport is destroyed. */
  leaving = false;
  /** Messages are thrown away: after our Close without a handler, and after a handler threw. */
  deaf = false;
  /** Messages that were thrown away because the peer did not read them. */
  unsentMessages = 0;

  readonly #owner: CloseSequenceOwner;
  readonly #transport: Transport;
  /** Bytes thrown away after a failure. */
  #drained = 0;
  /** Unsent bytes, noted when the transport fails or is destroyed; at its close it may have lost the count. */
  #unsent: number | undefined;
  /** Cancels the timer of the step of the closing handshake that is waited for; undefined while none is. */
  #cancelTimer: (() => void) | undefined;
  /** Bytes that had not left when the timer last looked … */
  #behind = Number.POSITIVE_INFINITY;
  /** … and when it last saw that one had. */
  #movedAt = 0;
  /** What the end of the transport waits for, once both sides are done with the connection. */
  #waitsFor: "output" | "peer" | undefined;
  #report: CloseReport | undefined;
  /** Whether the `close` handler was called. */
  told = false;
  #handled = false;
  /** What waits for the report; undefined until somebody asks. */
  #closed: Deferred<CloseReport> | undefined;
  /** What waits for the handlers; undefined until somebody asks. */
  #allHandled: Deferred<void> | undefined;
  /** Whether a reader of messages was waited for long enough. */
  #readerIsLate = false;

  constructor(owner: CloseSequenceOwner, transport: Transport) {
    this.#owner = owner;
    this.#transport = transport;
  }

  /** There once the transport is gone. */
  get report(): CloseReport | undefined {
    return this.#report;
  }

  /** Resolves with the report when the transport is gone. */
  get closed(): Promise<CloseReport> {
    this.#closed ??= deferred<CloseReport>();
    if (this.#report) this.#closed.resolve(this.#report);
    return this.#closed.promise;
  }

  /** Resolves when the `close` handler is done. */
  get handled(): Promise<void> {
    this.#allHandled ??= deferred<void>();
    if (this.#handled) this.#allHandled.resolve();
    return this.#allHandled.promise;
  }

  /** The `close` handler is done. */
  allHandled(): void {
    this.#handled = true;
    this.#allHandled?.resolve();
  }

  /**
   * Whether to wait for a reader that has messages before it, which `look` finds out again. One that has asked for nothing
   * for `longest` milliseconds is taken to have left; one that still works keeps the process alive by what it works on.
   */
  awaitsReader(longest: number, look: () => void): boolean {
    this.#cancelTimer?.();
    if (this.#readerIsLate) return false;
    const giveUp = () => {
      this.#readerIsLate = true;
      look();
    };
    this.#cancelTimer = this.#owner.clock.after(longest, giveUp, true);
    return true;
  }

  /** Something that stands before our Close has moved on. */
  moved(): void {
    this.#movedAt = this.#owner.clock.now();
  }

  /** Lets the peer's Close, or its end, wait for the application, but not for ever: then `answer` is called. */
  limitAnswer(answer: () => void): void {
    if (!this.#report) this.#cancelTimer ??= this.#owner.clock.after(longestAnswerDelay, answer);
  }

  /** Gives the peer so many milliseconds from now for what it owes, then cuts it off. */
  limitPeer(after: number): void {
    this.#cancelTimer?.();
    if (this.#report) return;
    this.#cancelTimer = this.#owner.clock.after(after, () => {
      const { leavingAmount, sending, endpoint, limits, clock } = this.#owner;
      const goesOn = !endpoint.violation && !this.#transport.destroyed;
      const leaves = goesOn && leavingAmount > 0;
      if (leaves && this.#isLeaving()) return this.limitPeer(after);
      const sends = goesOn && sending;
      if (sends && clock.now() - this.#movedAt < after) return this.limitPeer(after);
      const why = leaves
        ? `no byte left for ${limits.writeTimeout} ms`
        : `${sends ? "what was sent before it stood still for" : "the peer took more than"} ${after} ms`;
      this.error ??= new Error(`The closing handshake was cut off: ${why}`);
      this.destroy();
    });
  }

  /**
   * Whether what stands before our Close still leaves, or has stood for less than the write timeout.
   *
   * What the peer sends before it knows of our Close is read as ever (RFC 6455 section 5.5.1), but it is no reason to wait:
   * one that does not read would never be let go as long as it sends. What we add does not count as movement either.
   */
  #isLeaving(): boolean {
    const now = this.#owner.clock.now();
    const behind = this.#owner.leavingAmount + this.#transport.backlog;
    if (behind < this.#behind) this.moved();
    this.#behind = behind;
    return now - this.#movedAt < this.#owner.limits.writeTimeout;
  }

  /** All that came before the peer's end is parsed, and no Close was there. */
  endedWithoutClose(): void {
    if (this.peerEnd === "received") this.peerEnd = "withoutClose";
    this.initiator ??= "transport";
    this.error ??= new Error("The peer ended the stream without a Close frame");
  }

  /** Throws away what arrives when all is said, up to a limit. */
  drain(length: number): void {
    this.#drained += length;
    if (this.#drained > drainSize) this.destroy();
  }

  /** When both sides are done with the connection, ends the transport: the server at once, the client after it. */
  endTransport(): void {
    const { endpoint, limits } = this.#owner;
    const failed = endpoint.violation !== undefined;
    const waitsFor = this.#owner.bufferedAmount > 0 ? "output" : "peer";
    if (this.#waitsFor !== waitsFor) this.limitPeer(failed ? drainTime : limits.closeTimeout);
    this.#waitsFor = waitsFor;
    // A transport that has ended already may make an error of another end, which costs as much as a handshake.
    if (this.#transport.ended || endpoint.outputLength > 0) return;
    this.#owner.read(true);
    if (failed || endpoint.role === "server" || this.peerEnd !== undefined) this.#transport.end();
  }

  /** The transport broke. */
  transportFailed(error: Error): void {
    this.error ??= error;
    this.#unsent ??= this.#owner.bufferedAmount;
  }

  /** Ends it without a closing handshake. */
  giveUp(initiator: "local" | "transport", because: string): void {
    this.initiator ??= initiator;
    this.error ??= new Error(because);
    this.destroy();
  }

  /** Destroys the transport; what has not left is lost. */
  destroy(): void {
    this.leaving = true;
    this.#unsent ??= this.#owner.bufferedAmount;
    this.#transport.destroy();
  }

  /** The transport is gone: writes the report. */
  finish(lastReceivedAgo: number): CloseReport {
    this.#cancelTimer?.();
    const { endpoint } = this.#owner;
    if (!endpoint.closeReceived && !endpoint.violation) {
      this.error ??= new Error("The stream was closed without a Close frame from the peer");
    }
    this.#report = reportClose(endpoint, {
      initiator: this.initiator ?? "transport",
      error: this.error,
      lastReceivedAgo,
      bufferedAmount: this.#unsent ?? this.#owner.bufferedAmount,
      unsentMessages: this.unsentMessages + endpoint.waitingMessages,
    });
    this.#closed?.resolve(this.#report);
    return this.#report;
  }
}
