/**
 * One worker's way to another: messages of the topics that the other wants, once a turn, within a bound on what waits.
 *
 * A worker that has not said yet what it wants gets everything, so that nothing is missed from the moment on at which the
 * link is there. The other one says what it has taken; what waits beyond the bound is dropped, so that a worker that
 * stands still costs no memory without end.
 */

import { Buffer } from "node:buffer";
import { type Deferred, deferred } from "../../connection/event-loop/deferred.ts";
import type { FramePort } from "./frame-port.ts";

/** Who has links. */
export interface LinkOwner {
  /** The topics that it is subscribed to. */
  readonly topics: ReadonlySet<string>;
  /** The most bytes that wait for one other worker. */
  readonly maxBacklogSize: number;
  received(topic: string, payload: Uint8Array): void;
  /** The link has something to send: `flush` it when the turn is over. */
  flushSoon(): void;
  /** Nothing comes any more. */
  over(link: Link): void;
}

/** What is said besides messages. */
interface Said {
  /** Topics that it wants from now on; the answer to this number says that they come. */
  readonly wants?: readonly string[];
  readonly number?: number;
  readonly leaves?: readonly string[];
  /** What was wanted under this number comes from now on. */
  readonly comes?: number;
  /** Bytes of messages that were taken. */
  readonly took?: number;
}

const saidFrame = 0;
const messagesFrame = 1;
const messagesHead = Buffer.of(messagesFrame);
const entryHead = 8;

/** A message as it crosses: the lengths of topic and payload, then both. */
export function encodeEntry(topic: string, payload: Uint8Array): Buffer {
  const length = Buffer.byteLength(topic);
  const entry = Buffer.allocUnsafe(entryHead + length + payload.length);
  entry.writeUInt32BE(length);
  entry.writeUInt32BE(payload.length, 4);
  entry.write(topic, entryHead);
  entry.set(payload, entryHead + length);
  return entry;
}

/** See the head of this file. */
export class Link {
  readonly #port: FramePort;
  readonly #owner: LinkOwner;
  /** What the other wants; undefined until it has said so. */
  #wanted: Set<string> | undefined;
  #entries: Buffer[] = [];
  /** Bytes that the other has not taken. */
  #untaken = 0;
  /** Bytes that were taken here since the other was told. */
  #taken = 0;
  #numbers = 0;
  readonly #asked = new Map<number, Deferred<void>>();
  #isOver = false;

  constructor(port: FramePort, owner: LinkOwner) {
    this.#port = port;
    this.#owner = owner;
    port.listen(
      (frame) => this.#receive(frame),
      () => this.#end(),
    );
    void this.want([...owner.topics]);
  }

  /** Whether messages of the topic go over it. */
  wants(topic: string): boolean {
    return this.#wanted?.has(topic) ?? true;
  }

  /** Sends an entry when the turn is over; false when too much waits, and it is dropped. */
  add(entry: Buffer): boolean {
    if (this.#untaken > 0 && this.#untaken + entry.length > this.#owner.maxBacklogSize) return false;
    this.#untaken += entry.length;
    this.#entries.push(entry);
    this.#owner.flushSoon();
    return true;
  }

  /** Sends what has gathered in the turn. */
  flush(): void {
    if (this.#isOver) return;
    const entries = this.#entries;
    if (entries.length > 0) {
      this.#entries = [];
      this.#port.send([messagesHead, ...entries]);
    }
    if (this.#taken > 0) {
      this.#say({ took: this.#taken });
      this.#taken = 0;
    }
  }

  /** Resolves when messages of these topics come, or when the other is gone. */
  want(topics: readonly string[]): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    const asked = deferred<void>();
    const number = ++this.#numbers;
    this.#asked.set(number, asked);
    this.#say({ wants: topics, number });
    return asked.promise;
  }

  /** Wants these topics no more. */
  leave(topics: readonly string[]): void {
    if (!this.#isOver) this.#say({ leaves: topics });
  }

  close(): void {
    this.#port.close();
  }

  #say(said: Said): void {
    this.#port.send([Buffer.of(saidFrame), Buffer.from(JSON.stringify(said))]);
  }

  #receive(frame: Buffer): void {
    if (frame[0] === messagesFrame) this.#receiveMessages(frame);
    else this.#heard(JSON.parse(frame.toString("utf8", 1)) as Said);
  }

  #receiveMessages(frame: Buffer): void {
    this.#taken += frame.length - 1;
    this.#owner.flushSoon();
    for (let at = 1; at < frame.length; ) {
      const topicEnd = at + entryHead + frame.readUInt32BE(at);
      const end = topicEnd + frame.readUInt32BE(at + 4);
      this.#owner.received(frame.toString("utf8", at + entryHead, topicEnd), frame.subarray(topicEnd, end));
      at = end;
    }
  }

  #heard({ wants, number, leaves = [], comes, took = 0 }: Said): void {
    if (wants !== undefined) {
      this.#wanted ??= new Set();
      for (const topic of wants) this.#wanted.add(topic);
      this.#say({ comes: number! });
    }
    for (const topic of leaves) this.#wanted?.delete(topic);
    this.#untaken -= took;
    if (comes === undefined) return;
    this.#asked.get(comes)?.resolve();
    this.#asked.delete(comes);
  }

  #end(): void {
    this.#isOver = true;
    for (const asked of this.#asked.values()) asked.resolve();
    this.#asked.clear();
    this.#owner.over(this);
  }
}
