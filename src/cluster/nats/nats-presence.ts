/**
 * Who is there, at NATS: each topic's members, and the leases of all nodes, are what the log of their changes comes to.
 *
 * Changes are written without a look at what is there, so nodes do not wait for each other. Each node finds out by itself
 * what a change made another than before, in the order of the log, and so all come to the same. A lease ends by the times at
 * which the broker stored its messages.
 *
 * A message begins with a line of its own id, behind which there is a version where the other lines repeat a state. In the
 * log of a topic the others are `id lease data`, in that of the leases `name + duration` for one that begins,
 * `name > duration` for one that goes on, `name = time` for when one ends, and `* since last length` for what is known of
 * the nodes' time with the broker.
 */

import type { Msg, Subscription } from "@nats-io/transport-node";
import { realTime } from "../../transport/clock.ts";
import type { BrokerEvents } from "../broker/broker.ts";
import { ClusterError } from "../broker/cluster-error.ts";
import { applyChange } from "../broker/memory-presence.ts";
import type {
  Leases,
  MemberChange,
  PresencePage,
  PresenceStep,
  PresenceStore,
  StoredMember,
} from "../broker/presence-store.ts";
import { Turns } from "../node/turns.ts";
import { FoldedLog, type FoldState } from "./folded-log.ts";
import type { NatsLink } from "./nats-link.ts";
import { type PresenceMessage, PresenceStream, sentOn } from "./presence-stream.ts";
import { type PresenceNames, tokenOf } from "./subjects.ts";

/** What the store needs of its broker. */
export interface NatsPresenceBroker {
  readonly names: PresenceNames;
  readonly replicas: number;
  /** The connection. Throws a `ClusterError` where there is none. */
  link(): NatsLink;
  /** What the store tells; undefined before it is connected. */
  events(): BrokerEvents | undefined;
  /** A message came. */
  heard(): void;
  failed(error: Error): void;
}

interface Subscribed {
  readonly log: FoldedLog<Members>;
  readonly subscription: Subscription;
}

/** One of so many updates looks whether its topic's log is to be shortened. */
const looksAtLog = 1 / 32;
/** How many topics are read at once. */
const mostAtOnce = 50;
/** Stands for the name of a lease in the line that says what is known of the nodes' time with the broker. */
const nodesTime = "*";
/** How long a measure of the broker's clock is good for, in milliseconds. */
const clockLifetime = 60_000;

/** See the head of this file. */
export class NatsPresence implements PresenceStore {
  readonly #broker: NatsPresenceBroker;
  // All of these are the present connection's.
  #opening: Promise<PresenceStream> | undefined;
  #leases: FoldedLog<LeaseEnds> | undefined;
  readonly #topics = new Map<string, Subscribed>();
  /** How far the broker's clock is ahead of `realTime`, at the least, in milliseconds. */
  #clock: { readonly ahead: number; readonly at: number } | undefined;

  constructor(broker: NatsPresenceBroker) {
    this.#broker = broker;
  }

  /** What was known is not known any more. */
  disconnected(): void {
    this.#opening = undefined;
    this.#leases = undefined;
    this.#clock = undefined;
    this.#topics.clear();
  }

  async subscribe(topics: readonly string[]): Promise<void> {
    const link = this.#broker.link();
    const added = [...new Set(topics)].filter((topic) => !this.#topics.has(topic));
    await this.#withStream(async (stream) => {
      const subscribed = added.map((topic): [string, Subscribed] => [topic, this.#subscribe(link, stream, topic)]);
      for (const [topic, one] of subscribed) this.#topics.set(topic, one);
      try {
        await link.flush();
        const refused = subscribed.find(([, { subscription }]) => subscription.isClosed());
        if (refused) throw new ClusterError("refused", `NATS: it may not be subscribed to ${refused[0]}`);
        const turns = new Turns(mostAtOnce);
        await Promise.all(topics.map((topic) => turns.take(async () => this.#topics.get(topic)?.log.catchUp())));
      } catch (error) {
        for (const [topic, one] of subscribed) this.#unsubscribe(topic, one);
        throw error;
      }
    });
  }

  async unsubscribe(topics: readonly string[]): Promise<void> {
    const link = this.#broker.link();
    for (const topic of topics) {
      const subscribed = this.#topics.get(topic);
      if (subscribed) this.#unsubscribe(topic, subscribed);
    }
    await link.flush();
  }

  async lease(name: string, duration: number, begins: boolean): Promise<boolean> {
    return this.#withStream(async (stream) => {
      const log = this.#leaseLog(stream);
      if (duration === 0) await log.catchUp();
      const wasHeld = log.state.isHeld(name);
      await this.#tellLeases(stream, log, [`${name} ${begins ? "+" : ">"} ${Math.ceil(duration)}`]);
      this.#shortened(log);
      return duration === 0 ? begins || wasHeld : log.state.isHeld(name);
    });
  }

  async leases(): Promise<Leases> {
    return this.#withStream(async (stream) => {
      const log = this.#leaseLog(stream);
      const isMeasured = this.#clock !== undefined && realTime.now() - this.#clock.at < clockLifetime;
      if (isMeasured) await log.catchUp();
      else await this.#tellLeases(stream, log, []);
      const now = Math.max(log.state.time, this.#now());
      return { held: log.state.heldAt(now), age: now - Math.max(stream.created, log.state.sinceAt(now)) };
    });
  }

  async update(topic: string, changes: readonly MemberChange[]): Promise<void> {
    await this.#withStream(async (stream) => {
      const subject = stream.names.members(tokenOf(topic));
      let lines: readonly string[] = changes.map(lineOf);
      while (lines.length > 0) {
        const piece = stream.piece(lines);
        await stream.store(subject, piece);
        lines = lines.slice(piece.length);
      }
      if (Math.random() >= looksAtLog) return;
      const log = this.#logOf(stream, topic);
      await log.catchUp();
      this.#shortened(log);
    });
  }

  async read(topic: string, known?: number): Promise<PresencePage> {
    return this.#withStream(async (stream) => {
      const log = this.#logOf(stream, topic);
      await log.catchUp();
      this.#shortened(log);
      const { version, byId } = log.state;
      return { version, members: version === known ? undefined : [...byId.values()] };
    });
  }

  async #withStream<Result>(use: (stream: PresenceStream) => Promise<Result>): Promise<Result> {
    const { names, replicas } = this.#broker;
    this.#opening ??= PresenceStream.open(this.#broker.link(), names, replicas);
    const opening = this.#opening;
    try {
      return await use(await opening);
    } catch (error) {
      // It may be another one by now.
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
  }

  #subscribe(link: NatsLink, stream: PresenceStream, topic: string): Subscribed {
    const log = this.#makeLog(stream, topic);
    const take = (message: Msg) => this.#take(log, message);
    return { log, subscription: link.subscribe(stream.names.changes(tokenOf(topic)), take) };
  }

  #unsubscribe(topic: string, subscribed: Subscribed): void {
    subscribed.subscription.unsubscribe();
    if (this.#topics.get(topic) === subscribed) this.#topics.delete(topic);
  }

  #take(log: FoldedLog<Members>, message: Msg): void {
    this.#broker.heard();
    const sent = sentOn(message, this.#now());
    if (sent === undefined || log.take(sent.message, sent.before)) return;
    log.catchUp().catch((error: Error) => this.#broker.failed(error));
  }

  #logOf(stream: PresenceStream, topic: string): FoldedLog<Members> {
    return this.#topics.get(topic)?.log ?? this.#makeLog(stream, topic);
  }

  #makeLog(stream: PresenceStream, topic: string): FoldedLog<Members> {
    const tell = (step: PresenceStep) => {
      if (this.#topics.get(topic)?.log === log) this.#broker.events()?.presence(topic, step);
    };
    const log: FoldedLog<Members> = new FoldedLog(stream, {
      subject: stream.names.members(tokenOf(topic)),
      make: () => new Members(),
      now: () => this.#now(),
      stepped: tell,
      replaced: (before, now) => {
        const changes = differences(before.byId, now.byId);
        if (changes.length > 0) tell({ prev: before.version, version: now.version, changes });
      },
    });
    return log;
  }

  #leaseLog(stream: PresenceStream): FoldedLog<LeaseEnds> {
    const { leases: subject } = stream.names;
    this.#leases ??= new FoldedLog(stream, { subject, make: () => new LeaseEnds(), now: () => this.#now() });
    return this.#leases;
  }

  /** Writes to the log of the leases, reads it up to there, and measures the broker's clock by it. */
  async #tellLeases(stream: PresenceStream, log: FoldedLog<LeaseEnds>, lines: readonly string[]): Promise<void> {
    await stream.store(stream.names.leases, lines);
    await log.catchUp();
    const at = realTime.now();
    if (this.#leases === log) this.#clock = { ahead: log.state.time - at, at };
  }

  /** The time by the broker's clock, as far as it is known. */
  #now(): number {
    return this.#clock ? this.#clock.ahead + realTime.now() : Date.now();
  }

  #shortened(log: FoldedLog<Members> | FoldedLog<LeaseEnds>): void {
    log.shorten().catch((error: Error) => this.#broker.failed(error));
  }
}

/** The members of a topic. */
class Members implements FoldState {
  version = 0;
  readonly byId = new Map<string, StoredMember>();

  get keys(): readonly string[] {
    return [...this.byId.keys()];
  }

  lineOf(key: string): string | undefined {
    const member = this.byId.get(key);
    return member && lineOf(member);
  }

  apply({ offset, repeated, lines }: PresenceMessage): PresenceStep | undefined {
    const changes = lines.flatMap((line) => changeOf(line) ?? []).filter((change) => applyChange(this.byId, change));
    const prev = this.version;
    if (repeated) this.version = repeated.version;
    else if (changes.length > 0) this.version = offset;
    return this.version === prev ? undefined : { prev, version: this.version, changes };
  }
}

/** When leases end, in milliseconds since 1970 of the broker's clock. */
class LeaseEnds implements FoldState {
  readonly version = 0;
  readonly #ends = new Map<string, number>();
  /** When the newest message was stored. */
  time = 0;
  /** Since when nodes have reached the broker without a pause in which leases may have ended. */
  #since = 0;
  /** When a lease was last begun or renewed, and for how long. */
  #last = 0;
  #length = 0;

  get keys(): readonly string[] {
    return [nodesTime, ...this.heldAt(this.time)];
  }

  lineOf(key: string): string | undefined {
    if (key === nodesTime) return `${key} ${this.#since} ${this.#last} ${this.#length}`;
    return this.isHeld(key) ? `${key} = ${this.#ends.get(key)}` : undefined;
  }

  apply({ time, repeated, lines }: PresenceMessage): undefined {
    this.time = time;
    for (const line of lines) {
      const [name = "", sign, text, length] = line.split(" ");
      const number = Number(text);
      if (!Number.isFinite(number)) continue;
      if (name === nodesTime) [this.#since, this.#last, this.#length] = [Number(sign), number, Number(length)];
      else if (sign === "+" || sign === ">") this.#heard(time, number);
      if (sign === "=") this.#ends.set(name, number);
      else if (sign === "+" || (sign === ">" && this.isHeld(name))) this.#ends.set(name, time + number);
    }
    if (repeated) for (const [name, end] of this.#ends) if (end <= time) this.#ends.delete(name);
  }

  /** Whether it is held at the time of the newest message. */
  isHeld(name: string): boolean {
    return (this.#ends.get(name) ?? 0) > this.time;
  }

  heldAt(time: number): readonly string[] {
    return [...this.#ends].filter(([, end]) => end > time).map(([name]) => name);
  }

  /** Since when nodes have reached the broker, at this time: from now on, after a pause. */
  sinceAt(time: number): number {
    return time - this.#last > this.#length / 2 ? time : this.#since;
  }

  #heard(time: number, length: number): void {
    if (length === 0) return;
    this.#since = this.sinceAt(time);
    this.#last = time;
    this.#length = length;
  }
}

function differences(
  before: ReadonlyMap<string, StoredMember>,
  now: ReadonlyMap<string, StoredMember>,
): MemberChange[] {
  const left = [...before.values()].filter(({ id }) => !now.has(id)).map((member) => ({ ...member, data: undefined }));
  const others = [...now.values()].filter(({ id, lease, data }) => {
    const known = before.get(id);
    return known?.lease !== lease || known.data !== data;
  });
  return [...left, ...others];
}

function lineOf({ id, lease, data = "" }: MemberChange): string {
  return `${id} ${lease} ${data}`;
}

/** Undefined for what no node of ours has written. */
function changeOf(line: string): MemberChange | undefined {
  const [id = "", lease = ""] = line.split(" ", 2);
  if (id === "" || lease === "") return undefined;
  const data = line.slice(id.length + lease.length + 2);
  return { id, lease, data: data === "" ? undefined : data };
}
