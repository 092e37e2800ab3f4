/**
 * A server's connection as its topics see it.
 */

import type { ConnectionCore } from "../connection/connection-core.ts";
import { callHandler } from "../connection/handlers/call-handler.ts";
import type { FramesOutcome, MessageSender } from "../connection/sending/message-sender.ts";
import { PreparedMessage, type SharedCompression } from "../connection/sending/prepared-message.ts";
import { Resuming } from "../topics/resuming.ts";
import type { Gap, Subscription } from "../topics/subscription.ts";
import type { Subscriber, Topic } from "../topics/topic.ts";

/** See `Subscriber`. */
export class ConnectionSubscriber implements Subscriber {
  readonly topics: Set<Topic> = new Set();
  batch = 0;
  entry = 0;
  compression: SharedCompression | undefined;
  relayed: Map<string, Subscription> | undefined;
  readonly gap: ((gap: Gap) => void) | undefined;
  readonly resuming: Resuming | undefined;
  readonly #sending: MessageSender;

  constructor(core: ConnectionCore) {
    this.#sending = core.sending;
    this.compression = core.sending.sharedCompression;
    const hearsOfGaps = (core.handlers as { readonly gap?: unknown }).gap !== undefined;
    const tell = (text: string) => void this.sendFrames(new PreparedMessage(text).frame, 1);
    this.resuming = core.layer && new Resuming(tell);
    this.gap = hearsOfGaps ? (gap) => callHandler(core, "gap", gap) : undefined;
  }

  /** The connection compresses from now on, or does not any more. */
  compressionChanged(): void {
    this.compression = this.#sending.sharedCompression;
  }

  takesFrames(): boolean {
    return this.#sending.takesFrames();
  }

  lag(): number {
    return this.#sending.lag();
  }

  sendFrames(frames: Uint8Array, messageCount: number): FramesOutcome {
    return this.#sending.sendFrames(frames, messageCount);
  }

  deliveryFailed(error: unknown): void {
    this.#sending.sendingFailed(error);
  }

  ready(): Promise<void> {
    return this.#sending.ready;
  }
}
