/**
 * A pure model of a cluster: nodes with the real log reader, publish queue and replay, a broker, the network between, and
 * clients that come and go, with every fault, in an order that a chooser gives. The guarantees are held at every step, and
 * at the end, when all faults are over.
 */
import type { Outgoing } from "../../../src/cluster/broker/broker.ts";
import { ClusterError } from "../../../src/cluster/broker/cluster-error.ts";
import type { Entry, LogPage, LogPosition } from "../../../src/cluster/broker/entry.ts";
import { LogReader, type LogReaderOwner } from "../../../src/cluster/node/log-reader.ts";
import { type PublishCall, PublishQueue } from "../../../src/cluster/node/publish-queue.ts";
import { RecentEntries } from "../../../src/cluster/node/recent-entries.ts";
import { Replay, type ReplayState } from "../../../src/cluster/node/replay.ts";
import { isThere, ModelBroker, type Numbering, type Stored } from "./model-broker.ts";
import { ModelClient } from "./model-client.ts";

/** Chooses what happens next. */
export interface Chooser {
  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number;
}

/** What may happen, and which defence a control lacks. */
export interface WorldOptions {
  readonly nodes: number;
  readonly clients: number;
  readonly size: number;
  readonly publishes: number;
  readonly faults: number;
  readonly steps: number;
  /** Whether everything that may happen next is as likely; by default trouble is rare, so that more comes of it. */
  readonly isEven?: boolean;
  readonly lacks?: Defence;
  /** How the broker makes offsets. Default by its clock. */
  readonly numbering?: Numbering;
}

/** Each is a defence that a control lacks. */
export type Defence =
  | "offsets that are no counters"
  | "a count from each start"
  | "the mark of a retry"
  | "one call in flight"
  | "prev"
  | "the end of a forked epoch"
  | "checks"
  | "grants"
  | "the ids before a gap";

interface Call {
  readonly node: ModelNode;
  readonly kind: "subscribe" | "page" | "end" | "publish" | "replay" | "check";
  readonly run: () => () => void;
  readonly fail: () => void;
  /** Set when the broker has done it. */
  answer?: () => void;
}

interface Live {
  readonly client: ModelClient;
  /** Where the client says that it was, and its grant; undefined where it comes for the first time. */
  readonly claim: { readonly position: LogPosition; readonly grant: LogPosition } | undefined;
  replay: Replay | undefined;
  /** What is on its way to the client: it is lost when the client goes elsewhere. */
  readonly wire: (() => void)[];
  /** Whether it was told of a gap on this connection. */
  hasGap: boolean;
  state: ReplayState;
  isLive: boolean;
  isReplaying: boolean;
  /** The number of the first of its node's entries that it got with the others. */
  joined: number;
}

/** A reader that is content with offsets that grow. */
class WithoutPrev {
  position: LogPosition | undefined;
  wants: "page" | "end" | undefined = "page";
  kept = 0;
  readonly #owner: LogReaderOwner;

  constructor(owner: LogReaderOwner) {
    this.#owner = owner;
  }

  take(entry: Entry): void {
    if (this.position === undefined || entry.offset <= this.position.offset) return;
    this.position = { epoch: entry.epoch, offset: entry.offset };
    this.#owner.deliver(entry, undefined);
  }

  missed(): void {
    this.wants = "page";
  }

  checked(end: LogPosition): void {
    if (this.position && end.offset !== this.position.offset) this.wants = "page";
  }

  asks(): LogPosition | undefined {
    return this.position;
  }

  page(page: LogPage): void {
    this.wants = undefined;
    if (this.position === undefined) this.position = { epoch: page.epoch, offset: page.last };
    else for (const entry of page.entries) this.take(entry);
  }

  epochEnded(): void {}
}

class ModelNode implements LogReaderOwner {
  readonly name: string;
  isConnected = true;
  isSubscribed = false;
  readonly reader: LogReader | WithoutPrev;
  readonly recent = new RecentEntries(100_000);
  /** One; in the control one for each message, so that their calls are in flight together. */
  readonly queues: PublishQueue[];
  readonly lives: Live[] = [];
  /** What the broker has sent to it. */
  readonly channel: Entry[] = [];
  readonly busy = new Set<Call["kind"]>();
  published = 0;
  /** What it had may have been lost: where the log has gone on so far, that is not to be seen. */
  onTrimmed = (): void => {};
  readonly #lacks: Defence | undefined;

  constructor(name: string, { lacks, size }: WorldOptions) {
    this.name = name;
    this.#lacks = lacks;
    this.reader = lacks === "prev" ? new WithoutPrev(this) : new LogReader(this);
    this.queues = [new PublishQueue(size)];
  }

  connect(): void {
    this.isConnected = true;
  }

  deliver(entry: Entry, number: number | undefined): void {
    this.recent.add(entry);
    for (const live of this.lives) {
      if (!live.isLive) continue;
      const had = number !== undefined && live.joined <= number;
      if (had && this.#lacks !== "the ids before a gap") live.wire.push(() => skip(live.client, entry));
      else live.wire.push(() => live.client.deliver(entry));
    }
  }

  gap(reason: string): void {
    const position = this.reader.position!;
    for (const { client, isLive, wire } of this.lives) if (isLive) wire.push(() => client.gap(reason, position));
    this.recent.clear();
    if (reason === "trimmed") this.onTrimmed();
  }

  recentNumbers(): ReadonlyMap<string, number> {
    return this.recent.numbers();
  }
}

/** What a client got before is not sent again: its position moves on. */
function skip(client: ModelClient, { epoch, offset }: Entry): void {
  client.moveTo({ epoch, offset });
}

/** See the head of this file. */
export class World {
  readonly broker: ModelBroker;
  readonly clients: readonly ModelClient[];
  readonly #options: WorldOptions;
  readonly #nodes: ModelNode[] = [];
  readonly #calls: Call[] = [];
  readonly #acknowledged: { readonly id: string; readonly after: number }[] = [];
  readonly #unavailable = new Set<string>();
  /** For each entry that an old state came back without: the nodes that had it. */
  readonly #seers = new Map<Stored, Set<ModelNode>>();
  #now = 1_000_000;
  #published = 0;
  #faults = 0;
  #nodesMade = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    const { size, lacks, numbering = "clock" } = options;
    const lacking = { "offsets that are no counters": "count", "a count from each start": "count and id" } as const;
    this.broker = new ModelBroker(size, lacking[lacks as keyof typeof lacking] ?? numbering);
    for (let index = 0; index < options.nodes; index++) this.#startNode();
    this.clients = Array.from({ length: options.clients }, (_, index) => new ModelClient(`client ${index}`));
    for (const [index, client] of this.clients.entries()) this.#join(client, this.#nodes[index % options.nodes]!);
  }

  /** Runs to the end, and holds the guarantees; throws where one is broken. */
  run(chooser: Chooser): void {
    for (let step = 0; step < this.#options.steps; step++) {
      this.#pump();
      const acts = this.#acts(chooser);
      if (acts.length === 0) break;
      this.#now += 3;
      acts[chooser.below(acts.length)]!();
    }
    this.#calmDown();
    this.#checkEnd();
  }

  /** What may happen next: all of it, or more often work than wishes, and those more often than trouble. */
  #acts(chooser: Chooser): readonly (() => void)[] {
    const kinds = [this.#works(), this.#wishes(), this.#troubles()];
    const chosen = this.#options.isEven ? [] : kinds[[0, 0, 0, 0, 0, 0, 1, 1, 2][chooser.below(9)]!]!;
    return chosen.length > 0 ? chosen : kinds.flat();
  }

  // What the parts do by themselves

  #startNode(): ModelNode {
    const node = new ModelNode(`n${++this.#nodesMade}`, this.#options);
    node.isConnected = this.broker.isUp;
    node.onTrimmed = () => {
      for (const seers of this.#seers.values()) seers.delete(node);
    };
    this.#nodes.push(node);
    return node;
  }

  /** Every node makes the calls that it wants to make. */
  #pump(): void {
    for (const node of this.#nodes) {
      // Where all schedules are tried, what is on its way is not among what they choose from.
      for (const { wire } of this.#options.isEven ? node.lives : []) for (const happens of wire.splice(0)) happens();
      if (!node.isConnected) continue;
      if (!node.isSubscribed) this.#subscribe(node);
      if (node.isSubscribed) this.#read(node);
      this.#publish(node);
      for (const live of node.lives) this.#goOn(node, live);
    }
  }

  #subscribe(node: ModelNode): void {
    this.#call(node, "subscribe", () => {
      this.#subscribers.add(node);
      return () => {
        node.isSubscribed = true;
      };
    });
  }

  readonly #subscribers = new Set<ModelNode>();

  #read(node: ModelNode): void {
    const { reader } = node;
    if (reader.wants === undefined || node.busy.has("page") || node.busy.has("end")) return;
    if (reader.wants === "page") {
      const since = reader.asks();
      const limit = since === undefined ? 0 : 2;
      this.#call(node, "page", () => {
        const page = this.broker.log.page(since, limit, this.#now);
        return () => reader.page(page);
      });
    } else {
      const seen = reader.position!.epoch;
      this.#call(node, "end", () => {
        if (this.#options.lacks !== "the end of a forked epoch")
          this.broker.endEpoch(seen, (entry) => this.#emit(entry));
        return () => reader.epochEnded();
      });
    }
  }

  #publish(node: ModelNode): void {
    for (const queue of node.queues) {
      const call = queue.next(this.#now);
      if (call) this.#store(node, queue, call);
    }
  }

  #store(node: ModelNode, queue: PublishQueue, { batch, firstSent }: PublishCall): void {
    const marked = this.#options.lacks === "the mark of a retry" ? undefined : firstSent;
    const run = () => {
      try {
        const positions = this.broker.append(batch, this.#now, marked, (entry) => this.#emit(entry));
        return () => queue.answered(positions);
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error;
        return () => queue.failed(error);
      }
    };
    this.#call(node, "publish", run, () => queue.failed(new ClusterError("unavailable", "The connection is gone")));
  }

  #goOn(node: ModelNode, live: Live): void {
    const at = node.reader.position;
    if (live.isLive || live.isReplaying || at === undefined) return;
    if (live.claim === undefined) {
      const stored = this.broker.stored.length;
      live.wire.push(() => live.client.ready(at, stored));
      live.isLive = true;
      live.joined = node.recent.count;
      return;
    }
    live.replay ??= this.#begin(live, at);
    const { replay } = live;
    live.state = replay.advance(at, node.recent);
    if (live.state === "page") {
      live.isReplaying = true;
      const since = replay.position;
      this.#call(
        node,
        "replay",
        () => {
          const page = this.broker.log.page(since, 2, this.#now);
          return () => {
            live.isReplaying = false;
            if (node.lives.includes(live)) live.state = replay.page(page, node.reader.position!);
            // Where the node and the log differ, the node has to look itself.
            if (live.state !== "level") node.reader.checked({ epoch: page.epoch, offset: page.last });
            this.#letLive(node, live);
          };
        },
        () => {
          live.isReplaying = false;
        },
      );
    }
    this.#letLive(node, live);
  }

  #letLive(node: ModelNode, live: Live): void {
    if (live.state !== "level" || live.isLive || !node.lives.includes(live)) return;
    live.isLive = true;
    live.joined = node.recent.count;
    const { client, hasGap } = live;
    const at = node.reader.position!;
    const due = this.broker.stored.filter(
      (stored, index) =>
        index >= client.readyAfter! &&
        isThere(stored) &&
        stored.entry.epoch === at.epoch &&
        stored.entry.offset <= at.offset,
    );
    live.wire.push(() => client.told(!hasGap, due));
  }

  /** From where the client says that it was, if it may; else from where its node is. */
  #begin(live: Live, at: LogPosition): Replay {
    const { client, claim } = live;
    const { position, grant } = claim!;
    const isGranted = position.epoch === grant.epoch && position.offset >= grant.offset;
    const tell = (reason: string, where: LogPosition) => {
      live.hasGap = true;
      live.wire.push(() => client.gap(reason, where));
    };
    const mayBegin = isGranted || this.#options.lacks === "grants";
    if (!mayBegin) tell("refused", at);
    const replay: Replay = new Replay(mayBegin ? position : at, {
      deliver: (entry: Entry) => void live.wire.push(() => client.deliver(entry)),
      gap: (reason: string) => tell(reason, replay.position),
    });
    if (mayBegin && !isGranted) live.wire.push(() => client.moveTo(position));
    return replay;
  }

  #call(node: ModelNode, kind: Call["kind"], run: Call["run"], fail: () => void = () => {}): void {
    if (kind !== "replay" && kind !== "publish" && node.busy.has(kind)) return;
    node.busy.add(kind);
    this.#calls.push({ node, kind, run, fail });
  }

  #emit(entry: Entry): void {
    for (const node of this.#subscribers) node.channel.push(entry);
  }

  // What may happen next

  /** The network and the broker work: calls are done in the order of their connection, and answered. */
  #works(): (() => void)[] {
    const works: (() => void)[] = [];
    for (const node of this.#nodes) {
      const own = this.#calls.filter((call) => call.node === node);
      const next = own.find(({ answer }) => answer === undefined);
      if (next && this.broker.isUp) works.push(() => this.#work(next));
      const done = own.find(({ answer }) => answer !== undefined);
      if (done) works.push(() => this.#settle(done, done.answer!));
      if (node.channel.length > 0) works.push(() => node.reader.take(node.channel.shift()!));
      if (!node.isConnected && this.broker.isUp) works.push(() => node.connect());
      for (const { wire } of node.lives) if (wire.length > 0) works.push(() => wire.shift()!());
    }
    return works;
  }

  #work(call: Call): void {
    call.answer = call.run();
  }

  #settle(call: Call, how: () => void): void {
    this.#calls.splice(this.#calls.indexOf(call), 1);
    call.node.busy.delete(call.kind);
    how();
  }

  /** What publishers and clients may do. */
  #wishes(): (() => void)[] {
    const wishes: (() => void)[] = [];
    for (const node of this.#nodes) {
      if (this.#published < this.#options.publishes) wishes.push(() => this.#publishAt(node));
    }
    return wishes;
  }

  #publishAt(node: ModelNode): void {
    this.#published++;
    const id = `${node.name}-${++node.published}`;
    const message: Outgoing = { id, payload: new Uint8Array() };
    if (this.#options.lacks === "one call in flight") node.queues.push(new PublishQueue());
    node.queues.at(-1)!.add({
      message,
      since: this.#now,
      stored: () => void this.#acknowledged.push({ id, after: this.broker.stored.length }),
      failed: ({ code }) => void (code === "unavailable" && this.#unavailable.add(id)),
    });
  }

  #troubles(): (() => void)[] {
    if (this.#faults >= this.#options.faults) return [];
    const { broker } = this;
    const troubles: (() => void)[] = [];
    const trouble = (happens: () => void) => {
      troubles.push(() => {
        this.#faults++;
        happens();
      });
    };
    if (broker.isUp) {
      trouble(() => this.#killBroker(() => {}));
      trouble(() => this.#killBroker(() => broker.lose()));
      for (const back of [1, 2]) trouble(() => this.#killBroker(() => this.#restore(back)));
    }
    for (const node of this.#nodes) {
      if (node.isConnected) trouble(() => this.#cut(node));
      if (node.isConnected) trouble(() => node.reader.checked(broker.log.end));
      trouble(() => this.#killNode(node));
      trouble(() => void node.queues.map((queue) => queue.expire(this.#now)));
      this.#channelTroubles(node, trouble);
      const refused = this.#calls.find((call) => call.node === node && call.kind === "publish" && !call.answer);
      if (refused) trouble(() => this.#settle(refused, refused.fail));
    }
    for (const client of this.clients) for (const node of this.#nodes) trouble(() => this.#move(client, node));
    if (this.#options.isEven) return troubles;
    for (const client of this.clients) for (const node of this.#nodes) trouble(() => this.#move(client, node, true));
    return troubles;
  }

  #channelTroubles({ channel }: ModelNode, trouble: (happens: () => void) => void): void {
    if (channel.length > 0) {
      trouble(() => void channel.shift());
      trouble(() => void channel.push(channel[0]!));
    }
    if (channel.length > 1) trouble(() => void channel.push(channel.shift()!));
  }

  /** Nobody knows which of the calls under way were done. */
  #cut(node: ModelNode): void {
    node.isConnected = false;
    node.isSubscribed = false;
    node.channel.length = 0;
    this.#subscribers.delete(node);
    for (const call of this.#calls.filter((one) => one.node === node)) this.#settle(call, call.fail);
    if (node.reader.position !== undefined) node.reader.missed();
  }

  #killBroker(happens: () => void): void {
    for (const node of this.#nodes) this.#cut(node);
    happens();
    this.broker.start(this.#now);
  }

  #restore(back: number): void {
    const before = this.broker.stored.filter(isThere);
    this.broker.restore(back);
    const { end } = this.broker.log;
    const beyond = this.broker.stored.filter(({ entry }) => entry.epoch === end.epoch && entry.offset > end.offset);
    for (const stored of new Set([...before.filter(({ lost }) => lost), ...beyond])) {
      const had = ({ reader: { position: at } }: ModelNode) =>
        at !== undefined && at.epoch === stored.entry.epoch && at.offset >= stored.entry.offset;
      this.#seers.set(stored, new Set(this.#nodes.filter(had)));
    }
  }

  #killNode(node: ModelNode): void {
    this.#cut(node);
    for (const seers of this.#seers.values()) seers.delete(node);
    this.#nodes.splice(this.#nodes.indexOf(node), 1);
    this.#startNode();
    for (const { client } of [...node.lives]) this.#move(client, this.#nodes.at(-1)!);
  }

  #move(client: ModelClient, node: ModelNode, forges = false): void {
    for (const { lives } of this.#nodes) {
      const index = lives.findIndex((live) => live.client === client);
      if (index >= 0) lives.splice(index, 1);
    }
    client.resumed++;
    this.#join(client, node, forges);
  }

  #join(client: ModelClient, node: ModelNode, forges = false): void {
    const { position, grant } = client;
    const before = grant && { epoch: grant.epoch, offset: 0 };
    const isForged = forges && before !== undefined && before.offset < grant!.offset;
    client.hasForged ||= isForged;
    const claim = position && { position: isForged ? before : position, grant: grant! };
    const live: Live = {
      ...{
        client,
        claim,
        replay: undefined,
        hasGap: false,
        state: "wait",
        isLive: false,
        isReplaying: false,
        joined: -1,
      },
      wire: [],
    };
    node.lives.push(live);
  }

  // The end

  /** No more faults: everything comes to rest, with a check or two. */
  #calmDown(): void {
    for (let round = 0; round < 4; round++) {
      for (let step = 0; ; step++) {
        if (step > 5000) throw new Error("It never comes to rest");
        this.#pump();
        const [work] = this.#works();
        if (work === undefined) break;
        this.#now += 1;
        work();
      }
      if (this.#options.lacks === "checks") break;
      for (const { reader } of this.#nodes) reader.checked(this.broker.log.end);
    }
  }

  #checkEnd(): void {
    const { end } = this.broker.log;
    for (const { name, reader, lives } of this.#nodes) {
      const { position: at } = reader;
      if (at?.epoch !== end.epoch || at.offset !== end.offset || reader.wants !== undefined || reader.kept > 0) {
        throw new Error(`${name} has not reached the end of the log [6]`);
      }
      if (lives.some(({ isLive }) => !isLive)) throw new Error(`A client of ${name} never came level [6]`);
    }
    for (const client of this.clients) this.#checkClient(client);
    for (const { entry } of this.broker.stored) {
      if (this.#unavailable.has(entry.id)) throw new Error(`${entry.id} was said not to be stored, and was`);
    }
  }

  #checkClient(client: ModelClient): void {
    const { hasLost, hasTrimmed } = this.broker;
    for (const gap of client.gaps) {
      const isExplained = { trimmed: hasTrimmed, refused: client.hasForged }[gap] ?? hasLost;
      if (!isExplained) throw new Error(`${client.name} was told of a gap without a fault: ${gap}`);
    }
    for (const { id, after } of this.#acknowledged) {
      const at = this.broker.stored.findLastIndex(({ entry }) => entry.id === id);
      const stored = this.broker.stored[at]!;
      if (client.readyAfter === undefined || client.readyAfter > at || after <= at) continue;
      if (this.#seers.get(stored)?.size === 0) continue;
      if (!client.knowsOf(stored)) throw new Error(`${client.name} knows nothing of ${id} [4, 5]`);
    }
  }
}
