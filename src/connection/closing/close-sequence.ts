/**
 * The end of a connection from its first sign to the `close` handler, of whichever side it comes.
 *
 * Our Close leaves behind all that was sent; the answer to the peer's Close, or to its end without one, follows when
 * the application has handled what came before. While it is open a connection holds none of this, and most are open.
 */

import type { Endpoint } from "../../protocol/endpoint/endpoint.ts";
import type { Violation } from "../../protocol/protocol-error.ts";
import { illegal } from "../../protocol/state-table.ts";
import type { Clock } from "../../transport/clock.ts";
import type { Transport } from "../../transport/transport.ts";
import { type Deferred, deferred } from "../event-loop/deferred.ts";
import type { ConnectionLimits } from "../options/limits.ts";
import { CloseDeadline } from "./close-deadline.ts";
import { type CloseReport, reportClose } from "./close-report.ts";
import { type ClosingState, closingStates, type PeerEnd, peerEnds } from "./closing-state.ts";
import { TransportEnd } from "./transport-end.ts";

/** The connection that ends: what it is asked and told. */
export interface CloseSequenceOwner {
  readonly endpoint: Endpoint;
  readonly transport: Transport;
  readonly limits: ConnectionLimits;
  readonly settings: { readonly endsAtOnce?: boolean };
  readonly clock: Clock;
  /** Bytes that were sent and have not left the process. */
  readonly bufferedAmount: number;
  readonly sending: ClosingSender;
  readonly receiving: ClosingReceiver;
  /** Whether messages may still be sent. */
  isOpen(): boolean;
  /** Calls the handler that hears of the peer's end before the application does. */
  callClosing(): void;
  /** Calls the `close` handler, and `done` when its promise has settled. */
  callClose(report: CloseReport, done: () => void): void;
}

/** The sender, as a close sequence uses it. */
export interface ClosingSender {
  readonly outbox: { changed(): void; flush(): void };
  /** Whether a send is under way that our Close has to wait for. */
  readonly isBusy: boolean;
  /** Bytes that wait for the transport and for nothing else. */
  readonly leavingAmount: number;
  /** Messages that stand in line, or came too late for the endpoint to take them. */
  readonly unsentMessages: number;
  /** Does something when all that was sent before is in the output. */
  afterwards(step: () => unknown): void;
  /** Nothing that stands in line is sent any more. */
  stop(): void;
}

/** The receiver, as a close sequence uses it. */
export interface ClosingReceiver {
  readonly delivery: {
    isReached(): boolean;
    isHandling(): boolean;
    isBeingRead(): boolean;
    endReaders(): void;
  };
  /** Whether a message is being inflated that is to be delivered. */
  readonly inflates: boolean;
  read(on: boolean): void;
  closeSent(): void;
  noteHeld(): void;
}

const { open, ended, unread, handled } = closingStates;
const { none, received, answered } = peerEnds;

/** The end of one connection. */
export class CloseSequence {
  readonly #owner: CloseSequenceOwner;
  readonly #deadline: CloseDeadline;
  readonly #transport: TransportEnd;
  #state = open;
  #peerEnd = none;
  /** Who began; undefined while neither side has. */
  #initiator: CloseReport["initiator"] | undefined;
  /** The first thing that broke. */
  #error: Error | undefined;
  /** Messages that were thrown away because the peer did not read them. */
  #unsentMessages = 0;
  #report: CloseReport | undefined;
  /** The promise of `closed`; undefined while it was not asked for. */
  #closed: Deferred<CloseReport> | undefined;
  /** The promise of `handled`; undefined while it was not asked for. */
  #handled: Deferred<void> | undefined;

  constructor(owner: CloseSequenceOwner) {
    this.#owner = owner;
    this.#deadline = new CloseDeadline(owner, (why) => {
      this.noteError(new Error(why));
      this.#destroy();
    });
    this.#transport = new TransportEnd(owner, this.#deadline);
  }

  /** How far this side has come, see `closingTransitions`. */
  get state(): ClosingState {
    return this.#state.name;
  }

  /** How far the end of the peer's side has come, see `peerEndTransitions`. */
  get peerEnd(): PeerEnd {
    return this.#peerEnd.name;
  }

  /** How it ended; undefined while the transport is there. */
  get report(): CloseReport | undefined {
    return this.#report;
  }

  /** Resolves with the report when the transport is gone. */
  get closed(): Promise<CloseReport> {
    this.#closed ??= deferred<CloseReport>();
    if (this.#report) this.#closed.resolve(this.#report);
    return this.#closed.promise;
  }

  /** Resolves when the `close` handler is done, its promise included. */
  get handled(): Promise<void> {
    this.#handled ??= deferred<void>();
    if (this.#state === handled) this.#handled.resolve();
    return this.#handled.promise;
  }

  /** Keeps what broke for the report, unless something broke before. */
  noteError(error: Error): void {
    this.#error ??= error;
  }

  // Our Close

  /**
   * Sends our Close, or the answer to the peer's, behind all that was sent; the status must be one that can be sent.
   */
  close(code: number, reason: string): void {
    const { sending, limits } = this.#owner;
    this.#sendNoMore();
    if (sending.isBusy) this.#deadline.limitPeer(limits.closeTimeout);
    sending.afterwards(() => this.#sendClose(code, reason));
  }

  /** Closes at once, in place of what stands in line. */
  closeInstead(code: number, reason: string): void {
    this.#sendNoMore();
    this.#sendClose(code, reason);
    this.#owner.sending.stop();
  }

  /** Closes at once, in place of what waits as well; what the socket holds already goes with the socket alone. */
  closeInsteadOfOutput(code: number, reason: string, error?: Error): void {
    const { endpoint } = this.#owner;
    if (error) this.noteError(error);
    if (!this.#owner.isOpen()) return this.#destroy();
    this.#unsentMessages += endpoint.waitingMessages;
    endpoint.discardOutput();
    this.closeInstead(code, reason);
  }

  /** Something that stands before our Close has moved on. */
  sendingMoved(): void {
    this.#deadline.moved();
  }

  #sendClose(code: number, reason: string): void {
    const { endpoint, sending, receiving, limits } = this.#owner;
    this.#initiator ??= "local";
    endpoint.close(code, reason);
    if (endpoint.state === "discarding") sending.outbox.flush();
    else sending.outbox.changed();
    receiving.closeSent();
    this.#deadline.limitPeer(limits.closeTimeout);
    this.progress();
  }

  #sendNoMore(): void {
    if (this.#state === open) this.#state = this.#state.closeRequested ?? illegal(this.#state, "closeRequested");
  }

  // A failure, and giving up

  /** Fails the connection (RFC 6455 section 7.1.7). */
  fail(violation: Violation): void {
    this.#owner.endpoint.fail(violation);
    this.failed();
    this.#owner.sending.outbox.flush();
    this.progress();
  }

  /** The endpoint has failed the connection. */
  failed(): void {
    this.#initiator ??= "local";
  }

  /** Ends the connection without a closing handshake. */
  giveUp(initiator: "local" | "transport", because: string): void {
    this.#initiator ??= initiator;
    this.noteError(new Error(because));
    this.#destroy();
  }

  #destroy(): void {
    this.#sendNoMore();
    this.#transport.destroy();
  }

  // The peer's Close, and its end without one

  /** The peer's Close was parsed. */
  peerCloseParsed(): void {
    this.#initiator ??= "peer";
    this.#owner.callClosing();
  }

  /** Messages before the peer's Close are not handled yet. */
  peerCloseWaits(): void {
    this.#deadline.limitAnswer(() => this.#answerPeer());
  }

  /**
   * The application has reached the peer's Close, or its end: the answer follows what is being sent, and nothing else
   * can be sent behind it.
   */
  peerCloseReached(): void {
    const { sending } = this.#owner;
    this.#sendNoMore();
    if (sending.isBusy) this.peerCloseWaits();
    sending.afterwards(() => this.#answerPeer());
  }

  /** The peer sends nothing more. */
  receivedEnd(): void {
    if (this.#peerEnd === none) this.#peerEnd = this.#peerEnd.received ?? illegal(this.#peerEnd, "received");
    this.progress();
    this.peerCloseWaits();
  }

  /** As with a Close, all that came before the peer's end is handled first, and answered unless our Close was sent. */
  #admitEnd(): void {
    const { endpoint, receiving } = this.#owner;
    const { state, unparsedLength, inflating } = endpoint;
    if (state === "peerClosing" || this.#peerEnd === answered || unparsedLength > 0 || inflating) return;
    if (this.#peerEnd === received) {
      this.#endedWithoutClose();
      if (state === "open") this.#owner.callClosing();
    }
    if (state !== "closing" && !receiving.delivery.isReached()) return;
    this.#peerEnd = this.#peerEnd.handled ?? illegal(this.#peerEnd, "handled");
    this.peerCloseReached();
  }

  /** All that came before the peer's end is parsed, and no Close was there. */
  #endedWithoutClose(): void {
    if (this.#peerEnd === received) this.#peerEnd = this.#peerEnd.parsed ?? illegal(this.#peerEnd, "parsed");
    this.#initiator ??= "transport";
    this.noteError(new Error("The peer ended the stream without a Close frame"));
  }

  /** It is time for the echo, or for our end where the peer's came without a Close. */
  #answerPeer(): void {
    const { endpoint, receiving, sending } = this.#owner;
    const { state } = endpoint;
    if (state === "peerClosing") {
      endpoint.echoClose();
    } else if (state === "open" || state === "closing") {
      this.#endedWithoutClose();
      endpoint.receivePeerEnd();
      receiving.noteHeld();
    }
    sending.outbox.flush();
    this.progress();
  }

  // The transport's end, and the report

  /** Takes the next step towards the end, where it is time for it. */
  progress(): void {
    if (this.#report) this.#deliverReport();
    else if (this.#owner.endpoint.state === "discarding") this.#transport.end(this.#peerEnd !== none);
    else if (this.#peerEnd !== none) this.#admitEnd();
  }

  /** Throws away what arrives when all is said, up to a limit. */
  drain(length: number): void {
    if (!this.#transport.drains(length)) this.#destroy();
  }

  /** The transport broke. */
  transportFailed(error: Error): void {
    this.noteError(error);
    this.#transport.noteUnsent();
  }

  /** The transport is gone: writes the report. */
  transportClosed(lastReceivedAgo: number): CloseReport {
    const { endpoint, sending } = this.#owner;
    this.#state = this.#state.transportClosed ?? illegal(this.#state, "transportClosed");
    this.#deadline.transportClosed();
    if (!endpoint.closeReceived && !endpoint.violation) {
      this.noteError(new Error("The stream was closed without a Close frame from the peer"));
    }
    this.#report = reportClose(endpoint, {
      initiator: this.#initiator ?? "transport",
      error: this.#error,
      lastReceivedAgo,
      bufferedAmount: this.#transport.unsentBytes,
      unsentMessages: this.#unsentMessages + sending.unsentMessages + endpoint.waitingMessages,
    });
    this.#closed?.resolve(this.#report);
    return this.#report;
  }

  /** The `close` handler is called when all that came before the end was handled. */
  #deliverReport(): void {
    const { receiving } = this.#owner;
    receiving.delivery.endReaders();
    if (this.#state !== ended && this.#state !== unread) return;
    if (receiving.inflates || receiving.delivery.isHandling()) return;
    if (this.#state === ended && receiving.delivery.isBeingRead()) return this.#awaitReader();
    this.#state = this.#state.told ?? illegal(this.#state, "told");
    this.#deadline.clear();
    receiving.noteHeld();
    this.#owner.callClose(this.#report!, () => {
      this.#state = this.#state.handled ?? illegal(this.#state, "handled");
      this.#handled?.resolve();
    });
  }

  #awaitReader(): void {
    this.#deadline.limitReader(this.#owner.limits.closeTimeout, () => {
      this.#state = this.#state.readerLate ?? illegal(this.#state, "readerLate");
      this.progress();
    });
  }
}
