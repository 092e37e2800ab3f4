/**
 * A topic and its subscribers.
 */

import type { SharedCompression } from "../connection/sending/prepared-message.ts";
import type { Resuming } from "./resuming.ts";
import type { Gap, Subscription } from "./subscription.ts";

/** How far a subscriber has come in what was published. */
export interface Position {
  batch: number;
  entry: number;
}

/** A connection as its topics see it. */
export interface Subscriber {
  /** The topics it is subscribed to. */
  readonly topics: Set<Topic>;
  /** How far it has come; only `Topics` changes that. */
  readonly position: Position;
  /** How to compress what it shares with others; undefined when it gets shared messages uncompressed. */
  compression: SharedCompression | undefined;
  /** Whether it takes messages: it is open and reads what it is sent. */
  takesFrames(): boolean;
  /** Bytes that wait for it, once they have reached its high-water mark, else 0. Without it, 0. */
  lag?(): number;
  /** Sends whole frames of `messageCount` messages; many connections may share the bytes. */
  sendFrames(frames: Uint8Array, messageCount: number): void;
  /** A publication could not be sent to it. */
  deliveryFailed(error: unknown): void;
  /** Its subscriptions by topic, ready or not, where a relay keeps them. */
  relayed?: Map<string, Subscription>;
  /** Resolves when it has read enough to be sent more. */
  ready?(): Promise<void>;
  /** Messages of a topic are missing. Without it, and without `resuming`, nobody is told. */
  gap?(gap: Gap): void;
  /** Set where its client speaks the resume protocol. */
  readonly resuming?: Resuming | undefined;
}

/** One topic; it exists while it has subscribers. */
export interface Topic {
  readonly name: string;
  readonly number: number;
  readonly subscribers: Set<Subscriber>;
  /** Set while publishers wait for its subscribers to have room, see `Topics.pace`. */
  roomier: Promise<void> | undefined;
}
