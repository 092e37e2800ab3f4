/**
 * One opening handshake of a client while it is under way: its streams, its time, and the signals that give it up.
 *
 * To give it up destroys its streams and rejects the promises that it waits for, at once. Afterwards nothing is left of
 * it.
 */

import type { Duplex } from "node:stream";
import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";
import { timerLength } from "../../protocol/timer-length.ts";
import { ignoreError } from "../../transport/ignore-error.ts";

/**
 * The handshakes that follow each signal. A signal warns of a leak when it has many listeners, so it gets one for all
 * handshakes.
 */
const followers = new WeakMap<
  AbortSignal,
  { readonly handshakes: Set<PendingHandshake>; readonly listener: () => void }
>();

/** An opening handshake under way. */
export class PendingHandshake {
  /** The step that is waited for, in words for the error when the time is over. */
  step = "its turn";
  readonly #abort = new AbortController();
  readonly #signals: readonly AbortSignal[];
  readonly #timeout: number;
  readonly #usedBefore: number;
  #startedAt: number | undefined;
  readonly #streams: Duplex[] = [];
  #timer: NodeJS.Timeout | undefined;

  /**
   * Follows each of the signals until the handshake ends; throws the reason of a signal that has aborted already.
   *
   * `timeout` is in milliseconds, and so is `usedBefore`: the part of it that was used by the handshakes of earlier
   * redirects.
   */
  constructor(signals: readonly (AbortSignal | undefined)[], timeout: number, usedBefore = 0) {
    // `AbortSignal.any` would not do: a signal remembers every signal that was made of it for as long as it lives.
    this.#signals = signals.filter((signal) => signal !== undefined);
    this.#timeout = timeout;
    this.#usedBefore = usedBefore;
    for (const { aborted, reason } of this.#signals) if (aborted) throw reason;
    for (const signal of this.#signals) follow(signal, this);
  }

  /** Aborts when this handshake is given up, with the reason that the caller of `connect` gets. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The part of the timeout that has been used, in milliseconds, with that of earlier redirects. */
  get used(): number {
    return this.#usedBefore + (this.#startedAt === undefined ? 0 : performance.now() - this.#startedAt);
  }

  /** Lets the time run from now on. */
  startTimer(): void {
    clearTimeout(this.#timer);
    this.#startedAt = performance.now();
    this.#timer = setTimeout(
      () => {
        this.giveUp(new HandshakeError("timed-out", { detail: `it had ${this.#timeout} ms, up to ${this.step}` }));
      },
      timerLength(Math.max(1, this.#timeout - this.#usedBefore)),
    );
  }

  /** Stops the time: the server is not the cause of the delay, or another limit holds. */
  stopTimer(): void {
    clearTimeout(this.#timer);
  }

  /** Takes a stream over: its errors have a listener, and it is destroyed when the handshake is given up. */
  own(stream: Duplex): void {
    stream.on("error", ignoreError);
    this.#streams.push(stream);
    if (this.signal.aborted) stream.destroy();
  }

  /** Settles as `work` does; rejects at once with the reason when the handshake is given up. */
  until<T>(work: PromiseLike<T>): Promise<T> {
    const { signal } = this;
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal.reason);
      if (signal.aborted) abort();
      signal.addEventListener("abort", abort, { once: true });
      const settled = () => signal.removeEventListener("abort", abort);
      work.then(
        (value) => {
          settled();
          resolve(value);
        },
        (error) => {
          settled();
          reject(error);
        },
      );
    });
  }

  /** Ends the handshake without a connection. Of several reasons the first one counts. */
  giveUp(reason: unknown): void {
    this.release();
    this.#abort.abort(reason);
    for (const stream of this.#streams) stream.destroy();
  }

  /** Ends the handshake with a connection, to which its streams belong from now on. */
  release(): void {
    clearTimeout(this.#timer);
    for (const signal of this.#signals) unfollow(signal, this);
  }
}

function follow(signal: AbortSignal, handshake: PendingHandshake): void {
  const known = followers.get(signal);
  if (known) {
    known.handshakes.add(handshake);
    return;
  }
  const handshakes = new Set([handshake]);
  const listener = () => {
    for (const follower of [...handshakes]) follower.giveUp(signal.reason);
  };
  followers.set(signal, { handshakes, listener });
  signal.addEventListener("abort", listener);
}

function unfollow(signal: AbortSignal, handshake: PendingHandshake): void {
  const known = followers.get(signal);
  if (!known?.handshakes.delete(handshake) || known.handshakes.size > 0) return;
  followers.delete(signal);
  signal.removeEventListener("abort", known.listener);
}
