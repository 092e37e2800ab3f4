/**
 * One worker as its primary sees it, from its start until it is gone.
 */

import { MessageChannel } from "node:worker_threads";
import { type Deferred, deferred } from "../../connection/event-loop/deferred.ts";
import { timerLength } from "../../protocol/timer-length.ts";
import type { DrainOptions } from "../../server/drain.ts";
import { realTime } from "../../transport/clock.ts";
import type { Address, PrimaryCalls, WorkerCalls, WorkerNumbers } from "../wire/calls.ts";
import { Control } from "../wire/control.ts";
import type { Listeners } from "./listeners.ts";
import { countsOf, type Sum, sumOf, zero } from "./metrics.ts";
import type { Ended, Started } from "./started.ts";

/** What the workers have in common. */
export interface Membership {
  readonly listeners: Listeners<Member>;
  /** How a worker drains that gets a signal of its own; undefined where signals are left to it. */
  readonly drain: DrainOptions | undefined;
  /** How long a worker may take until it serves, in milliseconds. */
  readonly startTimeout: number;
  /** Those that have joined, in this order. */
  readonly joined: Set<Member>;
}

/** How long numbers are waited for, in milliseconds. */
const numbersTimeout = 1000;
/** How long a worker may take longer than it was given, and until it has ended, in milliseconds. */
const grace = 5000;

/** See the head of this file. */
export class Member {
  readonly #started: Started;
  readonly #membership: Membership;
  readonly #control: Control<WorkerCalls, PrimaryCalls>;
  readonly #serving: Deferred<void> = deferred();
  #address: Address | undefined;
  #failure: Error | undefined;
  #numbers: Sum = zero;
  #accepts = true;
  /** Whether it is gone, or is to go. */
  isLeaving = false;
  /** When it began to serve; undefined before. */
  servesSince: number | undefined;
  /** The port of its first server. */
  port = 0;
  /** Resolves when it is gone. */
  readonly ended: Promise<Ended>;

  constructor(started: Started, membership: Membership) {
    this.#started = started;
    this.#membership = membership;
    this.#control = new Control<WorkerCalls, PrimaryCalls>(started.channel, {
      join: (address) => this.#join(address),
      listen: (wanted) => membership.listeners.give(this, wanted),
      serving: (listener) => {
        membership.listeners.serving(listener);
        this.port ||= listener.port;
        this.servesSince ??= realTime.now();
        this.#serving.resolve();
      },
      failed: ({ message, code }) => {
        this.#failure ??= Object.assign(new Error(message), code !== undefined && { code });
        membership.listeners.gone(this);
      },
      left: (numbers) => this.#told(numbers),
    });
    this.ended = started.ended.then((ended) => {
      this.isLeaving = true;
      this.#control.lost();
      membership.joined.delete(this);
      membership.listeners.gone(this);
      return ended;
    });
  }

  /** Whether it serves, and is not to go. */
  get isServing(): boolean {
    return this.servesSince !== undefined && !this.isLeaving;
  }

  /** Whether it lets clients in, as far as it has told. */
  get accepts(): boolean {
    return this.isServing && this.#accepts;
  }

  /** What it has told of itself. */
  get numbers(): Sum {
    return this.#numbers;
  }

  /** What counts on when it is gone. */
  get lastCounts(): Sum {
    return countsOf(this.#numbers);
  }

  /** Resolves when it serves. Rejects when it ends before, or takes too long, and then it is ended. */
  async served(): Promise<void> {
    const { startTimeout } = this.#membership;
    const late = sleep(startTimeout);
    const ended = await Promise.race([this.#serving.promise, this.ended, late.over]);
    late.cancel();
    if (this.servesSince !== undefined) return;
    await this.kill();
    const failure = this.#failure;
    if (failure)
      throw Object.assign(new Error(`A worker cannot serve: ${failure.message}`, { cause: failure }), codeOf(failure));
    if (ended) throw new Error(`A worker ended ${ended.how} before it served`, { cause: ended.error });
    throw new Error(
      `A worker did not serve within ${startTimeout} ms: its module has to call serve with cluster: workerCluster()`,
    );
  }

  /** Asks for its numbers; false when it did not answer in time. */
  async count(): Promise<boolean> {
    const late = sleep(numbersTimeout);
    const numbers = this.#control.ask("numbers", undefined as never).then(
      (told) => this.#told(told),
      () => {},
    );
    const isTold = await Promise.race([numbers.then(() => true), late.over.then(() => false)]);
    late.cancel();
    return isTold;
  }

  /** Lets it drain; resolves when it is gone, by force when it takes longer than it was given. */
  drain(options: Required<DrainOptions>): Promise<void> {
    return this.#leave(() => this.#control.ask("drain", options), timerLength(options.deadline + grace));
  }

  /** Lets it close its servers; resolves when it is gone. */
  close(): Promise<void> {
    return this.#leave(() => this.#control.ask("close", undefined as never), 2 * grace);
  }

  /** Ends it at once; resolves when it is gone. */
  async kill(): Promise<void> {
    this.isLeaving = true;
    this.#started.kill();
    await this.ended;
  }

  async #leave(ask: () => Promise<WorkerNumbers>, patience: number): Promise<void> {
    const isServing = this.servesSince !== undefined;
    this.isLeaving = true;
    if (!isServing) return this.kill();
    const late = sleep(patience);
    const left = ask().then(
      (numbers) => this.#told(numbers),
      () => {},
    );
    left.then(() => this.#control.ask("exit", undefined as never)).catch(() => {});
    await Promise.race([this.ended, late.over]);
    late.cancel();
    await this.kill();
  }

  #told(numbers: WorkerNumbers): void {
    this.#numbers = sumOf(numbers);
    this.#accepts = numbers.accepts;
  }

  /** A process is told where it can reach the others; threads get a port each. */
  #join(address: Address | undefined): ReturnType<PrimaryCalls["join"]> {
    const { joined, drain } = this.#membership;
    const others = [...joined].filter((other) => other !== this);
    this.#address = address;
    joined.add(this);
    if (address === undefined) for (const other of others) this.#linkThreads(other);
    const peers = others.flatMap((other) => other.#address ?? []);
    return { peers: address === undefined ? [] : peers, drain };
  }

  #linkThreads(other: Member): void {
    const { port1, port2 } = new MessageChannel();
    // Who is gone needs none; the port's other end says so.
    other.#control.ask("peer", port1, [port1]).catch(() => {});
    this.#control.ask("peer", port2, [port2]).catch(() => {});
  }
}

function codeOf(error: Error | undefined): object {
  const { code } = Object(error) as NodeJS.ErrnoException;
  return code === undefined ? {} : { code };
}

/** A time that can be cut short, and then is never over. */
export function sleep(length: number): { readonly over: Promise<void>; cancel(): void } {
  const { promise, resolve } = deferred<void>();
  return { over: promise, cancel: realTime.after(length, resolve) };
}
