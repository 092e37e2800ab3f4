/**
 * NATS with JetStream as a broker: a stream for each history rule, which sends on what it stores to those who listen.
 */

import { headers, type Msg, type Subscription } from "@nats-io/transport-node";
import { checkNumber } from "../../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../../protocol/check-options.ts";
import { realTime } from "../../transport/clock.ts";
import type { Broker, BrokerEvents, HistoryOf, HistoryRule, Outgoing, PublishOptions } from "../broker/broker.ts";
import { brokerInUse, ClusterError } from "../broker/cluster-error.ts";
import { continuityOf, type LogPage, type LogPosition } from "../broker/entry.ts";
import { newEpoch } from "../broker/memory-broker.ts";
import { Probe } from "../broker/probe.ts";
import { keptWord } from "./kept-word.ts";
import { LiveTopic } from "./live-topic.ts";
import { endPage, type Reading, type ReadPage, readPage } from "./log-page.ts";
import { LogStream } from "./log-stream.ts";
import { type NatsClient, NatsLink } from "./nats-link.ts";
import { NatsPresence } from "./nats-presence.ts";
import { SeenEnds } from "./seen-ends.ts";
import { epochOf, type Mark, markOf, messageIdHeader, sentMessage } from "./stored-message.ts";
import { Subjects, tokenOf } from "./subjects.ts";

/** The options of `natsBroker`. */
export interface NatsBrokerOptions {
  /** What all subjects begin with: words of letters, digits, `-` and `_`, with dots between them. Default `"openline"`. */
  readonly prefix?: string;
  /** On how many servers of a cluster of NATS each stream is kept, 1 to 5; for streams that are not there yet. Default 1. */
  readonly replicas?: number;
  /**
   * After how many milliseconds without a message one is sent to this node itself; when it does not come in half of that
   * time, the connection is made anew. Default 10 s.
   */
  readonly probeInterval?: number;
}

const table: OptionTable<NatsBrokerOptions> = { prefix: "string", replicas: "number", probeInterval: "number" };
/** How long an attempt to connect may take, in milliseconds, where nothing else is asked for. */
const connectTimeout = 5000;
/** How many bytes are left for the headers of a message. */
const headerRoom = 2048;
/** How many topics' ends are asked for in one question. */
const mostEnds = 400;
/** How often marks are looked after of topics that are listened to, in milliseconds: 6 hours. */
const markInterval = 6 * 60 * 60 * 1000;

/**
 * Makes a broker of the function `connect` of `@nats-io/transport-node`, and of what is given to it, such as `{ servers }`: NATS
 * from 2.9 on. It makes one connection, and another whenever that is lost; how the client itself would come back is not used.
 *
 * Throws a TypeError or a RangeError for options that cannot be.
 */
export function natsBroker<Connection extends object>(
  connect: (connection: Connection) => Promise<NatsClient>,
  connection: Connection,
  options: NatsBrokerOptions = {},
): Broker {
  const isForConnect = typeof connection === "object" && connection !== null && !Array.isArray(connection);
  if (typeof connect !== "function" || !isForConnect) {
    throw new TypeError("Cannot use NATS: give it the function connect, and its options, such as { servers }");
  }
  checkOptions("use NATS", options, table);
  const { prefix = "openline" } = options;
  if (!/^[\w-]+(?:\.[\w-]+)*$/.test(prefix)) {
    throw new RangeError("Cannot use NATS: prefix must be words of letters, digits, - and _, with dots between them");
  }
  const replicas = checkNumber("use NATS", "replicas", options.replicas ?? 1, { least: 1, most: 5, whole: true });
  const probeInterval = checkNumber("use NATS", "probeInterval", options.probeInterval ?? 10_000, "finiteTime");
  // The client writes into what it is given.
  const open = () => connect({ timeout: connectTimeout, ...connection, reconnect: false, noAsyncTraces: true });
  return new NatsBroker(open, { prefix, replicas, probeInterval });
}

class NatsBroker implements Broker {
  readonly #connect: () => Promise<NatsClient>;
  readonly #subjects: Subjects;
  readonly #replicas: number;
  readonly #probe: Probe;
  readonly #probeSubject: string;
  readonly #topics = new Map<string, LiveTopic>();
  readonly #seen = new SeenEnds();
  /** Those of the present connection. */
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #streams = new Map<string, Promise<LogStream>>();
  readonly presence: NatsPresence;
  #events: BrokerEvents | undefined;
  #historyOf: HistoryOf = () => undefined;
  #link: NatsLink | undefined;
  #cancelMarks: (() => void) | undefined;
  /** Settles `connect`; undefined once it is. */
  #connecting: { resolve(): void; reject(error: Error): void } | undefined;

  constructor(connect: () => Promise<NatsClient>, { prefix, replicas, probeInterval }: Required<NatsBrokerOptions>) {
    this.#connect = connect;
    this.#subjects = new Subjects(prefix);
    this.#replicas = replicas;
    const subject = this.#subjects.probe();
    this.#probeSubject = subject;
    this.#probe = new Probe({
      interval: probeInterval,
      ask: async () => this.#up().publish([{ subject, payload: new Uint8Array(), headers: headers() }]),
      silent: () => {
        this.#events?.error(new ClusterError("unavailable", "NATS is silent: it is connected to anew"));
        if (this.#link) this.#leave(this.#link);
      },
    });
    this.presence = new NatsPresence({
      names: this.#subjects.presence,
      replicas,
      link: () => this.#up(),
      events: () => this.#events,
      heard: () => this.#probe.heard(),
      failed: (error) => this.#complain(error),
    });
  }

  connect(events: BrokerEvents, historyOf: HistoryOf): Promise<void> {
    if (this.#events) return Promise.reject(brokerInUse());
    this.#events = events;
    this.#historyOf = historyOf;
    return new Promise((resolve, reject) => {
      this.#connecting = { resolve, reject };
      this.#open();
      this.#renewLater();
    });
  }

  async publish(topic: string, batch: readonly Outgoing[], options: PublishOptions): Promise<readonly LogPosition[]> {
    const link = this.#up();
    const { history, retryAfter } = options;
    const room = link.maxPayload - headerRoom;
    if (batch.some(({ payload }) => payload.length > room)) {
      throw new ClusterError("too-large", `NATS: its max_payload leaves ${room} bytes for a message`);
    }
    const token = tokenOf(topic);
    if (history === undefined) {
      const subject = this.#subjects.unstored(token);
      await link.publish(batch.map(({ id, payload }) => ({ subject, payload, headers: idHeaders(id) })));
      return [];
    }
    return this.#withStream(history, async (stream) => {
      if (retryAfter !== undefined) await checkRetry(stream, { token, history, retryAfter, link });
      await this.#endIfLost(stream, topic, history);
      return this.#store(stream, { topic, token, batch });
    });
  }

  async subscribe(topics: readonly string[]): Promise<void> {
    const link = this.#up();
    const streams = await this.#streamsOf(topics);
    for (const topic of topics) {
      if (this.#subscriptions.has(topic)) continue;
      const live = this.#topics.get(topic) ?? this.#makeLive(topic);
      live.subscribed(streams.get(topic));
      this.#topics.set(topic, live);
      const take = (message: Msg) => this.#take(live, message);
      this.#subscriptions.set(topic, link.subscribe(this.#subjects.live(tokenOf(topic)), take));
    }
    await link.flush();
    const refused = topics.filter((topic) => this.#subscriptions.get(topic)?.isClosed());
    for (const topic of refused) this.#subscriptions.delete(topic);
    if (refused.length > 0) throw new ClusterError("refused", `NATS: it may not be subscribed to ${refused[0]}`);
  }

  async unsubscribe(topics: readonly string[]): Promise<void> {
    const link = this.#up();
    for (const topic of topics) {
      this.#subscriptions.get(topic)?.unsubscribe();
      this.#subscriptions.delete(topic);
      this.#topics.delete(topic);
    }
    await link.flush();
  }

  async history(topic: string, since: LogPosition | undefined, limit: number): Promise<LogPage> {
    const history = this.#ruleOf(topic);
    return this.#withStream(history, async (stream) => {
      const page = await readPage(stream, this.#readingOf(stream, { topic, history, since, limit }));
      return this.#wasRead(stream, topic, page);
    });
  }

  async positions(topics: readonly string[]): Promise<readonly LogPosition[]> {
    const byRule = new Map<string, string[]>();
    for (const topic of new Set(topics)) {
      const { rule } = this.#subjects.stream(this.#ruleOf(topic));
      const group = byRule.get(rule);
      if (group) group.push(topic);
      else byRule.set(rule, [topic]);
    }
    const ends = new Map<string, LogPosition>();
    for (const group of byRule.values()) {
      for (let from = 0; from < group.length; from += mostEnds) {
        const some = group.slice(from, from + mostEnds);
        const pages = await this.#ends(some);
        for (const [index, { epoch, last }] of pages.entries()) ends.set(some[index]!, { epoch, offset: last });
      }
    }
    return topics.map((topic) => ends.get(topic)!);
  }

  async endEpoch(topic: string, seen: string): Promise<void> {
    const token = tokenOf(topic);
    await this.#withStream(this.#ruleOf(topic), async (stream) => {
      const mark = await stream.mark(token);
      if (epochOf({ nonce: stream.nonce, mark }) !== seen) return;
      const made = await stream.setMark(token, newEpoch(), mark);
      if (made) await stream.purge(token, made.sequence);
    });
  }

  async secret(otherwise: string): Promise<string> {
    const link = this.#up();
    // Without logs nobody comes back to one.
    if (!link.hasJetStream) return otherwise;
    return keptWord(link, { ...this.#subjects.secret, replicas: this.#replicas }, otherwise);
  }

  async close(): Promise<void> {
    this.#probe.stop();
    this.#cancelMarks?.();
    const link = this.#link;
    this.#link = undefined;
    this.#connecting?.reject(new ClusterError("closed", "The broker was closed before it was connected"));
    this.#connecting = undefined;
    await link?.destroy();
  }

  // The connection

  #open(): void {
    const link: NatsLink = new NatsLink(this.#connect, {
      up: () => void this.#cameUp(link),
      down: () => this.#wentDown(),
      error: (error) => this.#complain(error),
    });
    this.#link = link;
    void link.open();
  }

  async #cameUp(link: NatsLink): Promise<void> {
    try {
      link.subscribe(this.#probeSubject, () => this.#probe.heard());
      await link.flush();
    } catch (error) {
      this.#complain(error as Error);
      return this.#leave(link);
    }
    if (this.#link !== link) return;
    this.#connecting?.resolve();
    this.#connecting = undefined;
    this.#events?.state(true);
    this.#probe.start();
  }

  #wentDown(): void {
    this.#probe.stop();
    this.#subscriptions.clear();
    this.#streams.clear();
    this.presence.disconnected();
    for (const live of this.#topics.values()) live.disconnected();
    this.#seen.disconnected();
    this.#events?.state(false);
  }

  #complain(error: Error): void {
    const isRefusal =
      error instanceof ClusterError ? error.code === "refused" : /^Authorization|^UserAuth/.test(error.name);
    if (this.#connecting && isRefusal) {
      const refusal = new ClusterError("refused", `NATS: ${error.message}`, { cause: error });
      this.#connecting.reject(refusal);
      this.#connecting = undefined;
      void this.close();
      return;
    }
    this.#events?.error(new ClusterError("unavailable", `NATS: ${error.message}`, { cause: error }));
  }

  /** Connects anew. */
  #leave(link: NatsLink): void {
    if (this.#link !== link) return;
    void link.destroy();
    this.#wentDown();
    this.#open();
  }

  #up(): NatsLink {
    if (this.#link) return this.#link;
    throw new ClusterError("unavailable", "NATS is not connected");
  }

  // Topics

  #makeLive(topic: string): LiveTopic {
    const history = this.#historyOf(topic);
    const maxAge = history ? this.#subjects.stream(history).maxAge : 0;
    return new LiveTopic(topic, maxAge, (entry) => {
      this.#seen.saw(topic, entry);
      this.#events?.message(topic, entry);
    });
  }

  #take(live: LiveTopic, message: Msg): void {
    this.#probe.heard();
    const sent = sentMessage(message);
    if (sent) return live.take(sent);
    const id = message.headers?.get(messageIdHeader);
    if (id) {
      this.#events?.message(live.topic, { epoch: "", prev: 0, offset: 0, id, payload: new Uint8Array(message.data) });
    } else {
      this.#events?.error(new ClusterError("refused", `NATS: a message of ${message.subject} that is none of ours`));
    }
  }

  #ruleOf(topic: string): HistoryRule {
    const history = this.#historyOf(topic);
    if (history) return history;
    throw new ClusterError("refused", `NATS: the topic ${topic} has no history`);
  }

  // Streams

  async #withStream<Result>(history: HistoryRule, use: (stream: LogStream) => Promise<Result>): Promise<Result> {
    const link = this.#up();
    const names = this.#subjects.stream(history);
    const opening = this.#streams.get(names.rule) ?? LogStream.open(link, names, this.#replicas);
    this.#streams.set(names.rule, opening);
    try {
      return await use(await opening);
    } catch (error) {
      // It may be another one by now.
      if (this.#streams.get(names.rule) === opening) this.#streams.delete(names.rule);
      throw error;
    }
  }

  /** The streams of topics, where they can be had: without them other topics are subscribed to all the same. */
  async #streamsOf(topics: readonly string[]): Promise<Map<string, LogStream>> {
    const streams = new Map<string, LogStream>();
    await Promise.allSettled(
      topics.map(async (topic) => {
        const history = this.#historyOf(topic);
        if (history) streams.set(topic, await this.#withStream(history, async (stream) => stream));
      }),
    );
    return streams;
  }

  /** Ends the epoch where the stream has lost what this node knows of the topic, before something is stored in its place. */
  async #endIfLost(stream: LogStream, topic: string, history: HistoryRule): Promise<void> {
    const since = this.#seen.uncertain(topic, stream.nonce);
    if (since === undefined) return;
    const found = since.offset > 0 ? await stream.at(stream.offsets.sequenceOf(since.offset)) : undefined;
    if (found?.offset !== since.offset) {
      // It may also have been too old, or one too many; or another node has ended the epoch.
      const page = await readPage(stream, this.#readingOf(stream, { topic, history, since, limit: 1 }));
      const isLost = continuityOf(page, since) === "fork" || this.#seen.hasEnded(topic, page.epoch);
      if (isLost) await this.endEpoch(topic, page.epoch);
    }
    this.#seen.checked(topic);
  }

  async #store(
    stream: LogStream,
    { topic, token, batch }: { topic: string; token: string; batch: readonly Outgoing[] },
  ): Promise<LogPosition[]> {
    const subject = stream.names.messages(token);
    const positions: { sequence: number; offset: number }[] = [];
    let mark: Promise<Mark | undefined> | undefined;
    for (const { id, key, payload } of batch) {
      let messageId = key === undefined ? id : `${token} ${encodeURIComponent(key)}`;
      try {
        let stored = await stream.store(subject, { id, messageId, payload });
        if (stored.isDuplicate && key !== undefined) {
          mark ??= stream.mark(token);
          const { name, from } = (await mark) ?? { name: "", from: 0 };
          if (stored.sequence <= from) {
            // Its epoch has ended.
            messageId = `${messageId} ${name}`;
            stored = await stream.store(subject, { id, messageId, payload });
          }
        }
        positions.push({ ...stored, offset: stream.offsets.of(stored.sequence, messageId) });
      } catch (error) {
        if (positions.length === 0 || (error as ClusterError).code === "unavailable") throw error;
        throw new ClusterError("unknown", "NATS refused a message behind others that it stored", { cause: error });
      }
    }
    const known = this.#topics.get(topic)?.log;
    const present = known?.nonce === stream.nonce ? known.mark : await (mark ?? stream.mark(token));
    const epoch = epochOf({ nonce: stream.nonce, mark: present });
    const from = present?.from ?? 0;
    const last = positions.at(-1);
    if (last && last.sequence > from) this.#seen.saw(topic, { epoch, offset: last.offset });
    const epochAt = async (sequence: number) => {
      if (sequence > from) return epoch;
      // It has ended since.
      return epochOf({ nonce: stream.nonce, mark: await stream.markBefore(token, sequence) });
    };
    return Promise.all(positions.map(async ({ sequence, offset }) => ({ epoch: await epochAt(sequence), offset })));
  }

  /** The ends of topics of one rule. */
  async #ends(topics: readonly string[]): Promise<readonly LogPage[]> {
    const history = this.#ruleOf(topics[0]!);
    return this.#withStream(history, async (stream) => {
      const found = await stream.ends(topics.map(tokenOf));
      if (found === undefined) return Promise.all(topics.map((topic) => this.history(topic, undefined, 0)));
      const bySubject = new Map(found.map((message) => [message.subject, message]));
      return topics.map((topic) => {
        const token = tokenOf(topic);
        const newest = bySubject.get(stream.names.messages(token));
        const mark = bySubject.get(stream.names.marks(token));
        const reading = this.#readingOf(stream, { topic, history, since: undefined, limit: 0 });
        return this.#wasRead(stream, topic, endPage(stream, reading, { newest, mark: mark && markOf(mark) }));
      });
    });
  }

  #readingOf(
    stream: LogStream,
    { topic, ...reading }: Pick<Reading, "history" | "since" | "limit"> & { topic: string },
  ): Reading {
    const live = this.#topics.get(topic);
    return { ...reading, token: tokenOf(topic), oldEnd: (mark) => live?.oldEnd({ nonce: stream.nonce, mark }) };
  }

  #wasRead(stream: LogStream, topic: string, { mark, newest, ...page }: ReadPage): LogPage {
    this.#topics.get(topic)?.read({ nonce: stream.nonce, offsets: stream.offsets, mark, newest });
    const isOld = mark?.time !== undefined && stream.now - mark.time > stream.names.maxAge / 2;
    if (isOld) {
      // Another node may do it at the same time: one of both does.
      const renewal = stream.setMark(tokenOf(topic), mark.name, mark, mark.from);
      renewal.catch((error: Error) => this.#complain(error));
    }
    return page;
  }

  /** The marks of topics that are never silent, and of a server that never ends, are read by nobody else. */
  #renewLater(): void {
    this.#cancelMarks = realTime.after(
      markInterval,
      () => {
        for (const [topic, live] of this.#topics) {
          if (live.log?.mark) this.history(topic, undefined, 0).catch((error: Error) => this.#complain(error));
        }
        for (const opening of this.#streams.values()) {
          opening.then((stream) => stream.markStart()).catch((error: Error) => this.#complain(error));
        }
        this.#renewLater();
      },
      true,
    );
  }
}

function idHeaders(id: string) {
  const given = headers();
  given.set(messageIdHeader, id);
  return given;
}

/**
 * Whether a batch may be sent again. A stream knows what it has stored, but a server that was started anew knows of that
 * only what is still there: where the log has gone on past the first attempt, nobody knows.
 */
async function checkRetry(
  stream: LogStream,
  { token, history, retryAfter, link }: { token: string; history: HistoryRule; retryAfter: number; link: NatsLink },
): Promise<void> {
  if (link.serverSince <= realTime.now() - retryAfter) return;
  const [{ count }, oldest] = await Promise.all([stream.info(token), stream.oldest(token)]);
  if (count <= history.size || oldest === undefined) return;
  if (oldest.time !== undefined && oldest.time < stream.now - retryAfter) return;
  throw new ClusterError("unknown", "Cannot publish again: what the first attempt stored is gone from the log");
}
