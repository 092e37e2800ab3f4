/**
 * One stream of JetStream, which keeps the logs of all topics of one rule: found or made, written to and read from.
 */

import { Buffer } from "node:buffer";
import { headers, type Msg } from "@nats-io/transport-node";
import { realTime } from "../../transport/clock.ts";
import { ClusterError } from "../broker/cluster-error.ts";
import { answerOf, ask, isNameInUse, isNoStream, isOvertaken } from "./jetstream-api.ts";
import type { NatsLink } from "./nats-link.ts";
import {
  type Mark,
  markOf,
  messageIdHeader,
  offsetOf,
  ownIdHeader,
  type StoredMessage,
  sequenceOf,
  storedMessage,
} from "./stored-message.ts";
import type { StreamNames } from "./subjects.ts";

/** What a stream says of itself and of one subject. */
export interface StreamInfo {
  /** The number of the oldest message that it has, of whatever topic. */
  readonly firstSequence: number;
  /** How many messages of the subject it has. */
  readonly count: number;
}

/** What became of a message. */
export interface Stored {
  readonly sequence: number;
  /** Whether it had been stored before. */
  readonly isDuplicate: boolean;
}

/** What is asked of a stream when it is read. */
interface Question {
  readonly seq?: number;
  readonly next_by_subj?: string;
  readonly last_by_subj?: string;
  readonly batch?: number;
  readonly multi_last?: readonly string[];
}

interface StreamAnswer {
  readonly created: string;
  readonly config: {
    readonly allow_direct?: boolean;
    readonly num_replicas?: number;
    readonly republish?: { readonly dest: string };
  };
  readonly state: { readonly first_seq: number; readonly subjects?: Readonly<Record<string, number>> };
  readonly ts?: string;
}

/** For how long a stream knows the ids of what it has stored, in milliseconds. */
const idLifetime = 300_000;
const nanoseconds = 1_000_000;

/**
 * Resolves when a stream may be asked for messages. Servers before 2.10, which tell no `ts`, know a stream by its name some
 * milliseconds before it has a store, and 2.9.10 dies of such a question then (a nil pointer in `jsMsgGetRequest`). So one
 * that was made within a minute, by whatever clock, is left alone for a moment.
 */
async function isMade({ created, ts }: StreamAnswer): Promise<void> {
  if (ts !== undefined || Math.abs(Date.now() - Date.parse(created)) > 60_000) return;
  await new Promise<void>((resolve) => realTime.after(200, resolve));
}

/** See the head of this file. */
export class LogStream {
  readonly names: StreamNames;
  /** What tells it from streams of its name that were there before: when it was made. */
  readonly nonce: string;
  readonly #link: NatsLink;
  /** How far the broker's clock is ahead of this node's, in milliseconds; 0 where the broker does not tell the time. */
  readonly #ahead: number;
  readonly #isReplicated: boolean;
  /** Whether the server answers one question with many messages: from 2.11 on. */
  #answersMany = true;

  private constructor(link: NatsLink, names: StreamNames, { created, config, ts }: StreamAnswer) {
    this.#link = link;
    this.names = names;
    this.nonce = BigInt(created.replace(/\D/g, "")).toString(36);
    this.#isReplicated = (config.num_replicas ?? 1) > 1;
    this.#ahead = ts === undefined ? 0 : Date.parse(ts) - Date.now();
  }

  /** Finds the stream of the rule, or makes it. Rejects with a `ClusterError`. */
  static async open(link: NatsLink, names: StreamNames, replicas: number): Promise<LogStream> {
    for (;;) {
      try {
        const answer = await ask<StreamAnswer>(link, `STREAM.INFO.${names.stream}`);
        const { allow_direct: isReadable, republish } = answer.config;
        if (isReadable && republish?.dest === names.republished) {
          await isMade(answer);
          return new LogStream(link, names, answer);
        }
        throw new ClusterError("refused", `NATS: the stream ${names.stream} is none of ours`);
      } catch (error) {
        if (!isNoStream(error)) throw error;
      }
      await LogStream.#make(link, names, replicas);
    }
  }

  static async #make(link: NatsLink, names: StreamNames, replicas: number): Promise<void> {
    try {
      await ask(link, `STREAM.CREATE.${names.stream}`, {
        name: names.stream,
        subjects: [names.all],
        retention: "limits",
        discard: "old",
        storage: "file",
        num_replicas: replicas,
        max_consumers: -1,
        max_msgs: -1,
        max_bytes: -1,
        max_msgs_per_subject: names.size,
        max_age: names.maxAge * nanoseconds,
        duplicate_window: idLifetime * nanoseconds,
        allow_direct: true,
        republish: { src: names.all, dest: names.republished },
      });
    } catch (error) {
      // Another node was faster, and has other options.
      if (!isNameInUse(error)) throw error;
    }
  }

  /** The time by the broker's clock, in milliseconds since 1970. */
  get now(): number {
    return Date.now() + this.#ahead;
  }

  /** Stores a message, unless one with its message id was stored within five minutes. */
  async store(subject: string, message: { id: string; messageId: string; payload: Uint8Array }): Promise<Stored> {
    const { id, messageId, payload } = message;
    const given = headers();
    given.set(messageIdHeader, messageId);
    if (messageId !== id) given.set(ownIdHeader, id);
    const answer = await this.#link.request(subject, payload, given);
    const { seq, duplicate = false } = answerOf<{ seq: number; duplicate?: boolean }>(answer);
    return { sequence: seq, isDuplicate: duplicate };
  }

  /** The newest mark of a topic. */
  async mark(token: string): Promise<Mark | undefined> {
    const message = await this.#get({ last_by_subj: this.names.marks(token) });
    return message && markOf(message);
  }

  /** Makes a mark, unless there is another one than `seen` meanwhile; whether it did. */
  async setMark(token: string, name: string, seen: Mark | undefined, from?: number): Promise<Mark | undefined> {
    const given = headers();
    given.set("Nats-Expected-Last-Subject-Sequence", `${seen?.sequence ?? 0}`);
    const text = from === undefined ? name : `${name} ${from}`;
    try {
      const answer = await this.#link.request(this.names.marks(token), text, given);
      const { seq } = answerOf<{ seq: number }>(answer);
      return { name, from: from ?? seq, sequence: seq, time: this.now };
    } catch (error) {
      if (isOvertaken(error)) return undefined;
      throw error;
    }
  }

  /** Removes a topic's messages before the number. */
  async purge(token: string, before: number): Promise<void> {
    await ask(this.#link, `STREAM.PURGE.${this.names.stream}`, { filter: this.names.messages(token), seq: before });
  }

  async info(token: string): Promise<StreamInfo> {
    const subject = this.names.messages(token);
    const { state } = await ask<StreamAnswer>(this.#link, `STREAM.INFO.${this.names.stream}`, {
      subjects_filter: subject,
    });
    return { firstSequence: state.first_seq, count: state.subjects?.[subject] ?? 0 };
  }

  /** Whether the leader has the message of this offset: where replicas answer, too, they may not have it yet. */
  async isWithLeader(offset: number): Promise<boolean> {
    if (!this.#isReplicated) return false;
    const sequence = sequenceOf(offset);
    try {
      const what = `STREAM.MSG.GET.${this.names.stream}`;
      const { message } = await ask<{ message: { hdrs?: string } }>(this.#link, what, { seq: sequence });
      const lines = Buffer.from(message.hdrs ?? "", "base64")
        .toString()
        .split("\r\n");
      const line = lines.find((text) => text.startsWith(`${messageIdHeader}:`)) ?? "";
      return offsetOf(sequence, line.slice(messageIdHeader.length + 1).trim()) === offset;
    } catch (error) {
      // It has none.
      if (error instanceof ClusterError && error.code === "refused") return false;
      throw error;
    }
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
    const messages: StoredMessage[] = [];
    let next = sequence;
    while (messages.length < count) {
      const question = { seq: next, next_by_subj: subject };
      const answers = this.#answersMany
        ? await this.#askMany({ ...question, batch: count - messages.length })
        : [await this.#link.request(this.#direct, JSON.stringify(question))];
      const found = answers.flatMap((answer) => read(answer) ?? []);
      if (found.length === 0) break;
      messages.push(...found);
      next = found.at(-1)!.sequence + 1;
    }
    return messages;
  }

  /** The newest marks and messages of topics; undefined where the server cannot be asked for many. */
  async ends(tokens: readonly string[]): Promise<readonly StoredMessage[] | undefined> {
    if (!this.#answersMany) return undefined;
    const subjects = tokens.flatMap((token) => [this.names.marks(token), this.names.messages(token)]);
    const answers = await this.#askMany({ multi_last: subjects });
    return this.#answersMany ? answers.flatMap((answer) => read(answer) ?? []) : undefined;
  }

  async #get(question: Question): Promise<StoredMessage | undefined> {
    return read(await this.#link.request(this.#direct, JSON.stringify(question)));
  }

  /** Answers up to the one that says that there are no more; of a server before 2.11, one answer. */
  async #askMany(question: Question): Promise<Msg[]> {
    const answers = await this.#link.requestMany(this.#direct, JSON.stringify(question), isLast);
    const first = answers[0]!;
    if (statusOf(first) === badRequest || (statusOf(first) === 0 && isLast(first))) this.#answersMany = false;
    return answers;
  }

  get #direct(): string {
    return `$JS.API.DIRECT.GET.${this.names.stream}`;
  }
}

const endOfBatch = 204;
const notFound = 404;
const badRequest = 408;

/** 0 for a message. */
function statusOf({ headers }: Msg): number {
  return headers?.code ?? 0;
}

function isLast(answer: Msg): boolean {
  return statusOf(answer) !== 0 || !answer.headers?.has("Nats-Num-Pending");
}

function read(answer: Msg): StoredMessage | undefined {
  const status = statusOf(answer);
  if (status === 0) return storedMessage(answer);
  if (status === endOfBatch || status === notFound) return undefined;
  const code = status >= 500 ? "unavailable" : "refused";
  throw new ClusterError(code, `NATS: ${answer.headers?.description ?? ""} (${status})`);
}
