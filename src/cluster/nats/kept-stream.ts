/**
 * A stream of JetStream, found or made, and its single messages.
 *
 * Messages are asked for directly: servers before 2.10 know a stream by its name some milliseconds before it has a store, and
 * die when the API is asked for a message of it then (2.9.10, a nil pointer in `jsMsgGetRequest`). Where a stream has replicas,
 * any of which may answer directly though it lacks the newest, its leader is asked by the API: until there is one, nobody answers.
 */

import { Buffer } from "node:buffer";
import type { Msg } from "@nats-io/transport-node";
import { realTime } from "../../transport/clock.ts";
import { ClusterError } from "../broker/cluster-error.ts";
import { ask, isNameInUse, isNoMessage, isNoStream, isOverlap } from "./jetstream-api.ts";
import type { NatsLink } from "./nats-link.ts";

/** What is particular to a stream; times in milliseconds. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly replicas: number;
  /** How many messages of each subject are kept. Default all. */
  readonly size?: number;
  /** How long a message is kept. Default for ever. */
  readonly maxAge?: number;
  /** For how long the stream knows the ids of what it has stored. Default the server's, two minutes. */
  readonly idLifetime?: number;
  /** Where messages are sent on to when they are stored. */
  readonly republish?: { readonly src: string; readonly dest: string };
}

/** What is asked of a stream when one message is read. */
export interface MessageQuestion {
  readonly seq?: number;
  readonly next_by_subj?: string;
  readonly last_by_subj?: string;
}

/** A message as its stream keeps it. */
export interface KeptMessage {
  readonly sequence: number;
  readonly subject: string;
  /** When it was stored, in milliseconds since 1970 of the broker's clock. */
  readonly time: number;
  readonly data: Uint8Array;
  /** One of its headers; empty where there is none. */
  header(name: string): string;
}

/** A message as a leader answers with it; headers and data in base64. */
interface LeaderMessage {
  readonly seq: number;
  readonly subject: string;
  readonly time: string;
  readonly hdrs?: string;
  readonly data?: string;
}

/** What a stream says of itself. */
interface StreamAnswer {
  readonly created: string;
  readonly config: {
    readonly allow_direct?: boolean;
    readonly num_replicas?: number;
    readonly republish?: { readonly dest: string };
  };
  readonly state: {
    readonly first_seq: number;
    readonly last_seq: number;
    readonly subjects?: Readonly<Record<string, number>>;
  };
  readonly ts?: string;
}

/** What a stream says of itself and of one subject. */
export interface StreamInfo {
  /** The numbers of the oldest and the newest message that it has, of whatever subject. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** How many messages of the subject it has. */
  readonly count: number;
}

const nanoseconds = 1_000_000;
/** How often a stream is asked that does not answer yet; how long each answer and the next question are waited for, in milliseconds. */
const [mostTries, patience, pause] = [50, 100, 20];
const endOfBatch = 204;
const notFound = 404;

/** See the head of this file. */
export class KeptStream {
  readonly name: string;
  /** When it was made, as the broker spells it. */
  readonly created: string;
  /** The number of the oldest message that it had when it was found. */
  readonly firstSequence: number;
  /** How far the broker's clock is ahead of this node's, in milliseconds; 0 where the broker does not tell the time. */
  readonly ahead: number;
  readonly isReplicated: boolean;
  readonly #link: NatsLink;

  private constructor(link: NatsLink, name: string, { created, config, state, ts }: StreamAnswer) {
    this.#link = link;
    this.name = name;
    this.created = created;
    this.firstSequence = state.first_seq;
    this.ahead = ts === undefined ? 0 : Date.parse(ts) - Date.now();
    this.isReplicated = (config.num_replicas ?? 1) > 1;
  }

  /** Finds the stream, or makes it. Rejects with a `ClusterError`. */
  static async open(link: NatsLink, config: StreamConfig): Promise<KeptStream> {
    let overlapped: unknown;
    for (;;) {
      try {
        const answer = await ask<StreamAnswer>(link, `STREAM.INFO.${config.name}`);
        const { allow_direct: isReadable, republish } = answer.config;
        if (isReadable && republish?.dest === config.republish?.dest) {
          const stream = new KeptStream(link, config.name, answer);
          await stream.#answers();
          return stream;
        }
        throw new ClusterError("refused", `NATS: the stream ${config.name} is none of ours`);
      } catch (error) {
        if (!isNoStream(error)) throw error;
      }
      if (overlapped !== undefined) throw overlapped;
      try {
        await make(link, config);
      } catch (error) {
        // A server that is asked by two at once may find that the stream overlaps with itself: then it is there by now.
        if (!isOverlap(error)) throw error;
        overlapped = error;
      }
    }
  }

  /** Where it is asked for messages directly. */
  get direct(): string {
    return `$JS.API.DIRECT.GET.${this.name}`;
  }

  /** The message that is asked for, as the leader has it where there are replicas; undefined where there is none. */
  async get(question: MessageQuestion): Promise<KeptMessage | undefined> {
    if (this.isReplicated) return this.#getOfLeader(question);
    return keptMessage(await this.#link.request(this.direct, JSON.stringify(question)));
  }

  async #getOfLeader(question: MessageQuestion): Promise<KeptMessage | undefined> {
    try {
      const { message } = await ask<{ message: LeaderMessage }>(this.#link, `STREAM.MSG.GET.${this.name}`, question);
      const lines = Buffer.from(message.hdrs ?? "", "base64")
        .toString()
        .split("\r\n");
      return {
        sequence: message.seq,
        subject: message.subject,
        time: Date.parse(message.time),
        data: Buffer.from(message.data ?? "", "base64"),
        header: (name) => {
          const line = lines.find((text) => text.startsWith(`${name}:`)) ?? "";
          return line.slice(name.length + 1).trim();
        },
      };
    } catch (error) {
      if (isNoMessage(error)) return undefined;
      throw error;
    }
  }

  /** What it says of itself and of a subject. */
  async info(subject: string): Promise<StreamInfo> {
    const question = { subjects_filter: subject };
    const { state } = await ask<StreamAnswer>(this.#link, `STREAM.INFO.${this.name}`, question);
    return {
      firstSequence: state.first_seq,
      lastSequence: state.last_seq,
      count: state.subjects?.[subject] ?? 0,
    };
  }

  /** Resolves when it answers, and its leader; what is asked a moment too early is not answered. */
  async #answers(): Promise<void> {
    // Until a leader is known nobody answers in its place, and the first who asked would wait for long.
    const subjects = this.isReplicated ? [this.direct, `$JS.API.STREAM.MSG.GET.${this.name}`] : [this.direct];
    for (let tries = 1; ; tries++) {
      try {
        for (const subject of subjects) {
          await this.#link.request(subject, JSON.stringify({ seq: 1 }), { timeout: patience });
        }
        return;
      } catch (error) {
        if (tries === mostTries || !(error instanceof ClusterError && error.code === "unavailable")) throw error;
        // Where another server of a cluster has it, that nobody answers is said at once.
        await new Promise<void>((resolve) => void realTime.after(pause, resolve));
      }
    }
  }

  /** Removes a subject's messages before the number. */
  async purge(subject: string, before: number): Promise<void> {
    await ask(this.#link, `STREAM.PURGE.${this.name}`, { filter: subject, seq: before });
  }
}

/** The status of a direct answer; 0 for a message. */
export function statusOf({ headers }: Msg): number {
  return headers?.code ?? 0;
}

/** The message of a direct answer; undefined for one that says that there is none. Throws a `ClusterError` for other errors. */
export function keptMessage(answer: Msg): KeptMessage | undefined {
  const status = statusOf(answer);
  const { headers, data } = answer;
  if (status === endOfBatch || status === notFound) return undefined;
  if (status !== 0) {
    const code = status >= 500 ? "unavailable" : "refused";
    throw new ClusterError(code, `NATS: ${headers?.description ?? ""} (${status})`);
  }
  if (headers === undefined) return undefined;
  return {
    sequence: Number(headers.get("Nats-Sequence")),
    subject: headers.get("Nats-Subject"),
    time: Date.parse(headers.get("Nats-Time-Stamp")),
    // A copy: it is a piece of all that the socket brought with it.
    data: new Uint8Array(data),
    header: (name) => headers.get(name),
  };
}

async function make(link: NatsLink, { name, size, maxAge, idLifetime, ...config }: StreamConfig): Promise<void> {
  try {
    await ask(link, `STREAM.CREATE.${name}`, {
      name,
      subjects: config.subjects,
      retention: "limits",
      discard: "old",
      storage: "file",
      num_replicas: config.replicas,
      max_consumers: -1,
      max_msgs: -1,
      max_bytes: -1,
      allow_direct: true,
      ...(size !== undefined && { max_msgs_per_subject: size }),
      ...(maxAge !== undefined && { max_age: maxAge * nanoseconds }),
      ...(idLifetime !== undefined && { duplicate_window: idLifetime * nanoseconds }),
      ...(config.republish && { republish: config.republish }),
    });
  } catch (error) {
    // Another node was faster, and has other options.
    if (!isNameInUse(error)) throw error;
  }
}
