/**
 * A log of changes and the state that they come to, read anew only as far as it has grown.
 *
 * A log that has become long or old is shortened: the state is written behind it once more, piece by piece, each only where
 * nothing has come behind what it was made of; then what was before the first piece is removed. Changes between two pieces
 * stay where they are. Whoever is at a message that is still there has missed nothing that was removed, since that goes from
 * the oldest on; who is at another one reads the log from its beginning.
 */

import { ClusterError } from "../broker/cluster-error.ts";
import type { PresenceStep } from "../broker/presence-store.ts";
import { isOvertaken } from "./jetstream-api.ts";
import { longestKept, type PresenceMessage, type PresenceStream } from "./presence-stream.ts";

/** The state that the messages of a log come to. */
export interface FoldState {
  /** Takes a message; what it made another than before, if that is anything to tell. */
  apply(message: PresenceMessage): PresenceStep | undefined;
  /** By what the state is told in pieces. */
  readonly keys: readonly string[];
  /** The line that tells one piece; undefined where it is not there any more. */
  lineOf(key: string): string | undefined;
  readonly version: number;
}

/** A log. */
export interface FoldOptions<State> {
  readonly subject: string;
  /** Makes the state of a log without messages. */
  make(): State;
  /** The time by the broker's clock, in milliseconds since 1970, as far as it is known. */
  now(): number;
  /** A message made something another than before. */
  stepped?(step: PresenceStep): void;
  /** The log was read from its beginning once more. */
  replaced?(before: State, now: State): void;
}

/** How many changes a log has, beside a quarter of its state's lines, before it is shortened. */
const mostChanges = 100;
/** How often a log is read again that is shortened while it is read, and a piece is written again that something came before. */
const mostTries = 20;
/** How long one who shortens the log is left alone, in milliseconds. */
const shortening = 10_000;

/** See the head of this file. */
export class FoldedLog<State extends FoldState> {
  readonly #stream: PresenceStream;
  readonly #options: FoldOptions<State>;
  #state: State;
  /** The newest message that the state has. */
  #newest: PresenceMessage | undefined;
  /** When the oldest one was stored that the state needs. */
  #since = Number.POSITIVE_INFINITY;
  #changes = 0;
  /** When a piece was stored behind which others are to come. */
  #repeatedAt = Number.NEGATIVE_INFINITY;
  #isRead = false;
  /** Reading, which goes on one after the other. */
  #reading: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | undefined;
  #isBusy = false;

  constructor(stream: PresenceStream, options: FoldOptions<State>) {
    this.#stream = stream;
    this.#options = options;
    this.#state = options.make();
  }

  get state(): State {
    return this.#state;
  }

  /** Reads what was stored before this call. Rejects with a `ClusterError`. */
  catchUp(): Promise<void> {
    // One that has begun may have read already.
    this.#waiting ??= this.#reading.then(async () => {
      this.#waiting = undefined;
      this.#isBusy = true;
      try {
        await this.#read();
      } finally {
        this.#isBusy = false;
      }
    });
    const reading = this.#waiting;
    this.#reading = reading.catch(() => {});
    return reading;
  }

  /** A message came, and before it in the log was the one with the number `before`. Whether the state has it now. */
  take(message: PresenceMessage, before: number): boolean {
    if (this.#isBusy || !this.#isRead) return false;
    const last = this.#newest?.sequence ?? 0;
    if (last === before) this.#follow(message);
    return message.sequence <= last || last === before;
  }

  /** Shortens the log where it is long or old, and nobody else does. Rejects with a `ClusterError`. */
  async shorten(): Promise<void> {
    let keys = this.#state.keys;
    const now = this.#options.now();
    const isLong = this.#changes > mostChanges + keys.length / 4;
    const isOld = now - this.#since > longestKept / 2;
    if (!(isLong || isOld) || now - this.#repeatedAt < shortening) return;
    let first: number | undefined;
    for (let tries = 0; tries < mostTries; tries++) {
      keys = keys.filter((key) => this.#state.lineOf(key) !== undefined);
      const piece = this.#stream.piece(this.#linesOf(keys));
      const isLast = piece.length === keys.length;
      const stored = await this.#repeat(piece, isLast);
      if (stored !== undefined) {
        first ??= stored;
        if (isLast) return this.#stream.purge(this.#options.subject, first);
        keys = keys.slice(piece.length);
        tries = -1;
      } else if (first === undefined) return;
      await this.catchUp();
    }
  }

  *#linesOf(keys: readonly string[]): Iterable<string> {
    for (const key of keys) yield this.#state.lineOf(key)!;
  }

  /** Writes a piece of the state, unless something has come meanwhile. */
  async #repeat(lines: readonly string[], isLast: boolean): Promise<number | undefined> {
    const { version } = this.#state;
    const after = this.#newest?.sequence ?? 0;
    try {
      return await this.#stream.store(this.#options.subject, lines, { version, isLast, after });
    } catch (error) {
      if (isOvertaken(error)) return undefined;
      throw error;
    }
  }

  async #read(): Promise<void> {
    const { subject } = this.#options;
    const newest = await this.#stream.newest(subject);
    const from = this.#newest;
    if (this.#isRead && newest?.offset === from?.offset) return;
    if (from && newest && newest.sequence > from.sequence) {
      const found = await this.#stream.between(subject, from.sequence + 1, newest.sequence);
      if (await this.#isThere(from)) {
        for (const message of found) this.#follow(message);
        return;
      }
    }
    await this.#readAll();
  }

  async #readAll(): Promise<void> {
    for (let tries = 0; tries < mostTries; tries++) {
      const { subject, make, replaced } = this.#options;
      const newest = await this.#stream.newest(subject);
      const found = newest ? await this.#stream.between(subject, 1, newest.sequence) : [];
      const [first] = found;
      if (newest && !(first && (await this.#isThere(first)))) continue;
      const before = this.#state;
      this.#state = make();
      this.#newest = undefined;
      this.#changes = 0;
      this.#since = Number.POSITIVE_INFINITY;
      this.#repeatedAt = Number.NEGATIVE_INFINITY;
      for (const message of found) this.#apply(message);
      if (this.#isRead) replaced?.(before, this.#state);
      this.#isRead = true;
      return;
    }
    throw new ClusterError("unavailable", "NATS: the log changes faster than it can be read");
  }

  async #isThere({ sequence, offset }: PresenceMessage): Promise<boolean> {
    return (await this.#stream.at(sequence))?.offset === offset;
  }

  #follow(message: PresenceMessage): void {
    const step = this.#apply(message);
    if (step) this.#options.stepped?.(step);
  }

  #apply(message: PresenceMessage): PresenceStep | undefined {
    const { time, repeated } = message;
    this.#newest = message;
    if (repeated === undefined) this.#changes++;
    else if (repeated.isLast) {
      this.#changes = 0;
      this.#since = time;
      this.#repeatedAt = Number.NEGATIVE_INFINITY;
    } else this.#repeatedAt = time;
    this.#since = Math.min(this.#since, time);
    return this.#state.apply(message);
  }
}
