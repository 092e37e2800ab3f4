/**
 * One opening handshake under way: what it holds, the time it has, and the signals that end it.
 *
 * Giving it up destroys every stream it owns and rejects whatever it waits for, at once; afterwards nothing is left of it.
 */

import type { Duplex } from "node:stream";
import { timerLength } from "../../protocol/check-number.ts";
import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";

/** Many attempts may follow one signal, which warns of a leak when it has many listeners: it gets one for all. */
const followers = new WeakMap<AbortSignal, { readonly attempts: Set<Attempt>; readonly listener: () => void }>();

/** See the head of this file. */
export class Attempt {
  /** What is being waited for, in words for the error when the time is over. */
  step = "its turn";
  readonly #abort = new AbortController();
  readonly #signals: readonly AbortSignal[];
  readonly #timeout: number;
  readonly #usedBefore: number;
  #startedAt: number | undefined;
  readonly #streams: Duplex[] = [];
  #timer: NodeJS.Timeout | undefined;

  /**
   * Follows each of the signals until its end; throws the reason of one that has aborted already. `timeout` is in
   * milliseconds, and so is `usedBefore`, what of it the attempts before this one have used.
   */
  constructor(signals: readonly (AbortSignal | undefined)[], timeout: number, usedBefore = 0) {
    // Not `AbortSignal.any`: a signal remembers each one that was made of it for as long as it lives.
    this.#signals = signals.filter((signal) => signal !== undefined);
    this.#timeout = timeout;
    this.#usedBefore = usedBefore;
    for (const { aborted, reason } of this.#signals) if (aborted) throw reason;
    for (const signal of this.#signals) follow(signal, this);
  }

  /** Aborts when this attempt is given up, with the reason that the caller of `connect` gets. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Milliseconds of the time that have been used, those of the attempts before included. */
  get used(): number {
    return this.#usedBefore + (this.#startedAt === undefined ? 0 : performance.now() - this.#startedAt);
  }

  /** Lets the time run, from now on. */
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

  /** Stops the time while the delay is not the server's, or another limit holds. */
  stopTimer(): void {
    clearTimeout(this.#timer);
  }

  /** Takes charge of a stream: errors of it never go unheard, and it is destroyed when the attempt is given up. */
  own(stream: Duplex): void {
    stream.on("error", ignoreError);
    this.#streams.push(stream);
    if (this.signal.aborted) stream.destroy();
  }

  /** What `work` settles to, or at once the reason when the attempt is given up. */
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

  /** Ends the attempt without a connection; the first reason stays. */
  giveUp(reason: unknown): void {
    this.release();
    this.#abort.abort(reason);
    for (const stream of this.#streams) stream.destroy();
  }

  /** Ends the attempt with a connection: its streams are another's from now on. */
  release(): void {
    clearTimeout(this.#timer);
    for (const signal of this.#signals) unfollow(signal, this);
  }
}

/** For streams whose errors are also seen otherwise: without a listener, one would end the process. */
export function ignoreError(): void {}

function follow(signal: AbortSignal, attempt: Attempt): void {
  const known = followers.get(signal);
  if (known) {
    known.attempts.add(attempt);
    return;
  }
  const attempts = new Set([attempt]);
  const listener = () => {
    for (const follower of [...attempts]) follower.giveUp(signal.reason);
  };
  followers.set(signal, { attempts, listener });
  signal.addEventListener("abort", listener);
}

function unfollow(signal: AbortSignal, attempt: Attempt): void {
  const known = followers.get(signal);
  if (!known?.attempts.delete(attempt) || known.attempts.size > 0) return;
  followers.delete(signal);
  signal.removeEventListener("abort", known.listener);
}
