/**
 * A topic and its subscribers.
 */

import type { FramesOutcome } from "../connection/sending/message-sender.ts";
import type { SharedCompression } from "../connection/sending/prepared-message.ts";
import type { Resuming } from "./resuming.ts";
import type { Gap, Subscription } from "./subscription.ts";

/** A connection as its topics see it. */
export interface Subscriber {
  /** The topics it is subscribed to. */
  readonly topics: Set<Topic>;
  /** The number of the last batch that it got something of, and how many of its messages; only `Topics` changes them. */
  batch: number;
  entry: number;
  /** How to compress what it shares with others; undefined when it gets shared messages uncompressed. */
  readonly compression: SharedCompression | undefined;
  /** Whether it takes messages: it is open and reads what it is sent. */
  takesFrames(): boolean;
  /** Bytes that wait for it, once they have reached its high-water mark, else 0. Without it, 0. */
  lag?(): number;
  /** Sends whole frames of `messageCount` messages; many connections may share the bytes. */
  sendFrames(frames: Uint8Array, messageCount: number): FramesOutcome;
  /** A publication could not be sent to it. */
  deliveryFailed(error: unknown): void;
  /** Its subscriptions by topic, ready or not, where a relay keeps them. */
  relayed?: Map<string, Subscription> | undefined;
  /** Resolves when it has read enough to be sent more. */
  ready?(): Promise<void>;
  /** Messages of a topic are missing. Without it, and without `resuming`, nobody is told. */
  readonly gap?: ((gap: Gap) => void) | undefined;
  /** Set where its client speaks the resume protocol. */
  readonly resuming?: Resuming | undefined;
}

/** One topic; it exists while it has subscribers. */
export interface Topic {
  readonly name: string;
  readonly subscribers: Set<Subscriber>;
  /** What the newest batch has of it; undefined while nothing that was published to it waits. */
  share: Share | undefined;
  /** Whether more than half were at their high-water mark when the last batch was delivered. */
  wasCrowded: boolean;
  /** Set while publishers wait for its subscribers to have room, see `Topics.pace`. */
  roomier: Promise<void> | undefined;
}

/** What a batch of publications has of one topic. */
export interface Share {
  readonly batch: object;
  readonly topic: Topic;
  /** Its place among the topics of the batch. */
  readonly place: number;
  /** The places of its messages in the batch. */
  readonly entries: number[];
  /** Subscribers that did not take all of it; undefined while there are none. */
  refused: Set<Subscriber> | undefined;
  /** How often one was at its high-water mark when it had taken some. */
  lagging: number;
  /** Whether every subscriber has had its turn. */
  over: boolean;
  /** What an older batch has of the topic. */
  before: Share | undefined;
}

/** How the subscribers of a topic stand. */
export interface Tally {
  /** Subscribers that take nothing. */
  readonly refusing: number;
  /** Whether more than half are at their high-water mark. */
  readonly crowded: boolean;
  /** Bytes that wait for those. */
  readonly lag: number;
}

/** How the topic's subscribers stand now. */
export function tallyOf({ subscribers }: Topic): Tally {
  let refusing = 0;
  let lagging = 0;
  let lag = 0;
  for (const subscriber of subscribers) {
    if (!subscriber.takesFrames()) {
      refusing++;
      continue;
    }
    const behind = subscriber.lag?.() ?? 0;
    if (behind > 0) lagging++;
    lag += behind;
  }
  return { refusing, crowded: lagging * 2 > subscribers.size, lag };
}
