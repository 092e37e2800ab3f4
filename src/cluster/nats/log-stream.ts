/**
 * One stream of JetStream, which keeps the logs of all topics of one rule: found or made, written to and read from.
 *
 * Where it has replicas, any of them may answer who asks for many messages, though it lacks the newest. So the leader is asked
 * first how far they go, and for all of them where the answers do not reach that far.
 */

import { headers, type Msg } from "@nats-io/transport-node";
import { ClusterError } from "../broker/cluster-error.ts";
import { newEpoch } from "../broker/memory-broker.ts";
import { answerOf, isOvertaken } from "./jetstream-api.ts";
import {
  type KeptMessage,
  KeptStream,
  keptMessage,
  type MessageQuestion,
  type StreamInfo,
  statusOf,
} from "./kept-stream.ts";
import type { NatsLink } from "./nats-link.ts";
import { Offsets } from "./offsets.ts";
import { type Mark, markOf, messageIdHeader, ownIdHeader, type StoredMessage } from "./stored-message.ts";
import type { StreamNames } from "./subjects.ts";

/** What became of a message. */
export interface Stored {
  readonly sequence: number;
  /** Whether it had been stored before. */
  readonly isDuplicate: boolean;
}

/** What is asked of a stream when many messages are read. */
interface Question extends MessageQuestion {
  readonly batch?: number;
  readonly multi_last?: readonly string[];
}

/** For how long a stream knows the ids of what it has stored, in milliseconds. */
const idLifetime = 300_000;
/** How often the mark of a start is made again that another node was faster with. */
const mostTries = 20;

/** See the head of this file. */
export class LogStream {
  readonly names: StreamNames;
  readonly #link: NatsLink;
  readonly #stream: KeptStream;
  /** What the start of the server is called that the stream's marks know of. */
  readonly #start: string;
  /** What the offsets of its messages are made of; they do not change as long as the server runs. */
  readonly offsets: Offsets = new Offsets();
  /** Whether the server answers one question with many messages: from 2.11 on. */
  #answersMany = true;

  private constructor(link: NatsLink, names: StreamNames, { stream, start }: { stream: KeptStream; start: string }) {
    this.#link = link;
    this.#stream = stream;
    this.#start = start;
    this.names = names;
  }

  /** Finds the stream of the rule, or makes it. Rejects with a `ClusterError`. */
  static async open(link: NatsLink, names: StreamNames, replicas: number): Promise<LogStream> {
    const start = link.serverStart;
    const stream = await KeptStream.open(link, {
      name: names.stream,
      subjects: [names.all],
      replicas,
      size: names.size,
      maxAge: names.maxAge,
      idLifetime,
      republish: { src: names.all, dest: names.republished },
    });
    const opened = new LogStream(link, names, { stream, start });
    await opened.markStart();
    return opened;
  }

  /** What tells it from streams of its name that were there before. */
  get nonce(): string {
    return this.offsets.nonce;
  }

  /** The time by the broker's clock, in milliseconds since 1970. */
  get now(): number {
    return Date.now() + this.#stream.ahead;
  }

  /** Whether several servers have it. */
  get isReplicated(): boolean {
    return this.#stream.isReplicated;
  }

  /**
   * Sees to it that the stream has a mark of this start of the server, and that the mark is not too old, or is made `anew`:
   * what the leader has stored it has behind all that was acknowledged, which one that has just become it may not know yet,
   * nor one that is none any more. Rejects with a `ClusterError`.
   */
  async markStart({ anew = false }: { readonly anew?: boolean } = {}): Promise<void> {
    const { names, offsets } = this;
    let isWanted = anew;
    for (let tries = 0; tries < mostTries; tries++) {
      const mark = await this.#stream.get({ last_by_subj: names.starts });
      if (mark) offsets.learn(mark);
      const isKnown = offsets.starts.some(({ server }) => server === this.#start);
      if (mark && isKnown && !isWanted && this.now - mark.time < names.maxAge / 2) return;
      const text = offsets.markFor(this.#start, this.#stream.firstSequence, newEpoch());
      const made = await this.#setNewest(names.starts, text, mark?.sequence);
      if (made !== undefined) isWanted = false;
    }
    throw new ClusterError("unavailable", `NATS: the start of the server cannot be marked in ${names.stream}`);
  }

  /** Stores a message, unless one with its message id was stored within five minutes. */
  async store(subject: string, message: { id: string; messageId: string; payload: Uint8Array }): Promise<Stored> {
    const { id, messageId, payload } = message;
    if (this.#link.serverStart !== this.#start) throw new ClusterError("unavailable", "NATS has been started anew");
    const given = headers();
    given.set(messageIdHeader, messageId);
    if (messageId !== id) given.set(ownIdHeader, id);
    const answer = await this.#link.request(subject, payload, { headers: given });
    const { seq, duplicate = false } = answerOf<{ seq: number; duplicate?: boolean }>(answer);
    return { sequence: seq, isDuplicate: duplicate };
  }

  /** The newest mark of a topic. */
  async mark(token: string): Promise<Mark | undefined> {
    const message = await this.#get({ last_by_subj: this.names.marks(token) });
    return message && markOf(message);
  }

  /** The mark of the epoch in which the message with this number was stored. */
  async markBefore(token: string, sequence: number): Promise<Mark | undefined> {
    const marks = await this.#range(this.names.marks(token), 1, this.names.size, this.isReplicated);
    return marks.map(markOf).findLast(({ from }) => from < sequence);
  }

  /** Makes a mark, unless there is another one than `seen` meanwhile; whether it did. */
  async setMark(token: string, name: string, seen: Mark | undefined, from?: number): Promise<Mark | undefined> {
    const text = from === undefined ? name : `${name} ${from}`;
    const sequence = await this.#setNewest(this.names.marks(token), text, seen?.sequence);
    return sequence === undefined ? undefined : { name, from: from ?? sequence, sequence, time: this.now };
  }

  /** Stores a message where the newest one of its subject is the one that was seen; its number if it did. */
  async #setNewest(subject: string, text: string, seen: number = 0): Promise<number | undefined> {
    const given = headers();
    given.set("Nats-Expected-Last-Subject-Sequence", `${seen}`);
    try {
      return answerOf<{ seq: number }>(await this.#link.request(subject, text, { headers: given })).seq;
    } catch (error) {
      if (isOvertaken(error)) return undefined;
      throw error;
    }
  }

  /** Removes a topic's messages before the number. */
  purge(token: string, before: number): Promise<void> {
    return this.#stream.purge(this.names.messages(token), before);
  }

  /** What the stream says of itself and of a topic. */
  info(token: string): Promise<StreamInfo> {
    return this.#stream.info(this.names.messages(token));
  }

  /** The message with this number. */
  at(sequence: number): Promise<StoredMessage | undefined> {
    return this.#get({ seq: sequence });
  }

  /** The oldest message of a topic. */
  oldest(token: string): Promise<StoredMessage | undefined> {
    return this.#get({ seq: 1, next_by_subj: this.names.messages(token) });
  }

  /** The newest message of a topic. */
  newest(token: string): Promise<StoredMessage | undefined> {
    return this.#get({ last_by_subj: this.names.messages(token) });
  }

  /** Up to `count` messages of a topic from a number on. */
  async from(token: string, sequence: number, count: number): Promise<StoredMessage[]> {
    const subject = this.names.messages(token);
    const newest = this.isReplicated ? ((await this.newest(token))?.sequence ?? 0) : 0;
    const messages = await this.#range(subject, sequence, count, false);
    const last = messages.at(-1)?.sequence ?? sequence - 1;
    return messages.length < count && last < newest ? this.#range(subject, sequence, count, true) : messages;
  }

  async #range(subject: string, sequence: number, count: number, ofLeader: boolean): Promise<StoredMessage[]> {
    const messages: StoredMessage[] = [];
    let next = sequence;
    while (messages.length < count) {
      const question = { seq: next, next_by_subj: subject };
      const isForMany = this.#answersMany && !ofLeader;
      const some = isForMany
        ? (await this.#askMany({ ...question, batch: count - messages.length })).flatMap((answer) => this.#read(answer))
        : [await this.#get(question)].flatMap((message) => message ?? []);
      if (some.length === 0) break;
      messages.push(...some);
      next = some.at(-1)!.sequence + 1;
    }
    return messages;
  }

  /** The newest marks and messages of topics; undefined where the server cannot be asked for many, or lacks the newest. */
  async ends(tokens: readonly string[]): Promise<readonly StoredMessage[] | undefined> {
    if (!this.#answersMany) return undefined;
    const newest = this.isReplicated ? (await this.#stream.info(this.names.starts)).lastSequence : 0;
    const subjects = tokens.flatMap((token) => [this.names.marks(token), this.names.messages(token)]);
    const answers = await this.#askMany({ multi_last: subjects });
    const reach = Number(answers.at(-1)?.headers?.get("Nats-UpTo-Sequence"));
    const isWhole = !this.isReplicated || reach >= newest;
    return this.#answersMany && isWhole ? answers.flatMap((answer) => this.#read(answer)) : undefined;
  }

  async #get(question: MessageQuestion): Promise<StoredMessage | undefined> {
    const message = await this.#stream.get(question);
    return message && this.#stored(message);
  }

  #read(answer: Msg): StoredMessage[] {
    const message = keptMessage(answer);
    return message ? [this.#stored(message)] : [];
  }

  #stored({ sequence, subject, time, data, header }: KeptMessage): StoredMessage {
    const messageId = header(messageIdHeader);
    const id = header(ownIdHeader) || messageId;
    return { sequence, subject, time, messageId, id, payload: data, offset: this.offsets.of(sequence, messageId) };
  }

  /** Answers up to the one that says that there are no more; of a server before 2.11, one answer. */
  async #askMany(question: Question): Promise<Msg[]> {
    const answers = await this.#link.requestMany(this.#stream.direct, JSON.stringify(question), isLast);
    const first = answers[0]!;
    if (statusOf(first) === badRequest || (statusOf(first) === 0 && isLast(first))) this.#answersMany = false;
    return answers;
  }
}

const badRequest = 408;

function isLast(answer: Msg): boolean {
  return statusOf(answer) !== 0 || !answer.headers?.has("Nats-Num-Pending");
}
