/**
 * The newest that this node knows of each topic's log, and whether it is certain that the log still has it.
 *
 * Whoever reads a topic finds out that its stream has lost its end. A node that only publishes to it may be the only one that
 * knows of what was lost. So whoever publishes looks first whether what it knows is still there, once for each topic and
 * connection.
 */

import type { LogPosition } from "../broker/entry.ts";
import { isOfStream } from "./stored-message.ts";

interface Seen extends LogPosition {
  /** The epochs before it. */
  readonly ended: readonly string[];
  isCertain: boolean;
}

/** The most topics that are remembered: those that were published to or heard of last. */
const mostSeen = 10_000;
/** The most epochs of a topic that are remembered to have ended. */
const mostEnded = 8;

/** See the head of this file. */
export class SeenEnds {
  readonly #seen = new Map<string, Seen>();

  /** A message of the topic was stored or heard; what is only read may be behind what was lost. */
  saw(topic: string, { epoch, offset }: LogPosition): void {
    const known = this.#seen.get(topic);
    // What comes of an old state must not hide what was lost.
    if (known?.ended.includes(epoch) || (known?.epoch === epoch && offset <= known.offset)) return;
    const ended = known === undefined || known.epoch === epoch ? known?.ended : [...known.ended, known.epoch];
    this.#seen.delete(topic);
    this.#seen.set(topic, { epoch, offset, ended: ended?.slice(-mostEnded) ?? [], isCertain: true });
    if (this.#seen.size > mostSeen) this.#seen.delete(this.#seen.keys().next().value!);
  }

  /** The connection was lost: what comes next may be another state of the stream. */
  disconnected(): void {
    for (const seen of this.#seen.values()) seen.isCertain = false;
  }

  /** What is to be looked for in the stream before something is stored behind it; undefined where all is certain. */
  uncertain(topic: string, nonce: string): LogPosition | undefined {
    const seen = this.#seen.get(topic);
    return seen && !seen.isCertain && isOfStream(seen.epoch, nonce) ? seen : undefined;
  }

  /** Whether the topic has left the epoch behind. */
  hasEnded(topic: string, epoch: string): boolean {
    return this.#seen.get(topic)?.ended.includes(epoch) ?? false;
  }

  /** It was looked for: it is there, or its epoch has ended. */
  checked(topic: string): void {
    const seen = this.#seen.get(topic);
    if (seen) seen.isCertain = true;
  }
}
