/**
 * The judge of a cluster's soak. It knows what publishers were answered and what each client heard, and nothing of how the
 * cluster works: what any of them knows of a topic, together, is the topic's log, and each client must have a piece of it
 * without a hole, or have been told.
 *
 * Two clients that agree on every position they share, and whose positions only grow, have everything in one order.
 */
import type { Gap } from "openline";
import { explains, type FaultKind } from "./faults.ts";
import type { News } from "./news.ts";

/** A time in which the broker lost what it had acknowledged, in milliseconds since 1970. */
export interface Loss {
  /** What was known before is kept. */
  readonly from: number;
  /** What was published after is kept. */
  readonly to: number;
}

/** What the judge has counted. */
export interface JudgeCounts {
  /** Messages that clients heard. */
  heard: number;
  /** Messages whose publisher was told that they are stored, that they are certainly not, and that nobody knows. */
  stored: number;
  refused: number;
  unknown: number;
  /** Clients that came back with a position and were told that nothing is missing, and that something is. */
  recovered: number;
  notRecovered: number;
  /** Of what the broker had lost: what a client missed and was told of, and what one heard a second time. */
  missing: number;
  again: number;
  errors: number;
  /** What the first errors were. */
  readonly firstErrors: string[];
  /** Gaps that clients were told of, by fault and reason. */
  readonly gaps: Record<string, number>;
}

interface Known extends News {
  /** When it was first known, in milliseconds since 1970. */
  readonly knownAt: number;
}

interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** What one client heard without being told of a gap. */
interface Segment {
  readonly epoch: string;
  /** Behind this offset. */
  from: number;
  readonly offsets: number[];
  /** Of how many connections this is the one, from 0. */
  readonly connection: number;
  /** Whether a gap followed, and when the client left; undefined while it goes on. */
  end: "gap" | "left" | undefined;
}

/** How many errors are told in words. */
const errorsInWords = 20;

/** See the head of this file. */
export class Judge {
  readonly counts: JudgeCounts = {
    ...{ heard: 0, stored: 0, refused: 0, unknown: 0, recovered: 0, notRecovered: 0, missing: 0, again: 0, errors: 0 },
    firstErrors: [],
    gaps: {},
  };
  readonly #topics = new Map<number, Topic>();
  readonly #losses: Loss[] = [];
  /** The fault now, and the one before, of which some may hear late. */
  #faults: readonly (FaultKind | undefined)[] = [];

  /** From now on this goes wrong. */
  fault(kind: FaultKind): void {
    if (this.#faults[0] !== kind) this.#faults = [kind, this.#faults[0]];
  }

  /** The broker lost what it had stored meanwhile. */
  loss(loss: Loss): void {
    this.#losses.push(loss);
  }

  /** A publisher was told that its message is stored there. */
  stored(topic: number, position: string, news: News): void {
    this.counts.stored++;
    this.#know(topic, read(position), news);
  }

  /** A publisher was told that its message is certainly not stored. */
  refused(topic: number, news: News): void {
    this.counts.refused++;
    this.#topic(topic).refused.add(nameOf(news));
  }

  /** The account of a client of a topic. */
  account(topic: number, name: string): Account {
    const account = new Account(name, {
      heard: (position, news) => {
        this.counts.heard++;
        this.#know(topic, position, news);
      },
      gap: (reason) => this.#gap(name, reason),
      resumed: (recovered) => this.counts[recovered ? "recovered" : "notRecovered"]++,
      fail: (what) => this.fail(`${name} ${what}`),
    });
    this.#topic(topic).accounts.push(account);
    return account;
  }

  /** Counts an error. */
  fail(what: string): void {
    this.counts.errors++;
    if (this.counts.firstErrors.length < errorsInWords) this.counts.firstErrors.push(what);
  }

  /** Compares all accounts with all that is known, when nothing comes any more. */
  conclude(): void {
    for (const topic of this.#topics.values()) {
      this.#checkStored(topic);
      const logs = new Map([...topic.logs].map(([epoch, log]) => [epoch, [...log.keys()].sort((a, b) => a - b)]));
      for (const account of topic.accounts) {
        for (const series of account.series) {
          for (const segment of series) {
            this.#checkWhole(account, { segment, series }, topic, logs.get(segment.epoch) ?? []);
          }
        }
      }
    }
  }

  #know(number: number, { epoch, offset }: Position, news: News): void {
    const topic = this.#topic(number);
    let log = topic.logs.get(epoch);
    if (log === undefined) {
      log = new Map();
      topic.logs.set(epoch, log);
    }
    const known = log.get(offset);
    if (known !== undefined) {
      if (known.number !== news.number || known.publisher !== news.publisher) {
        topic.disputed.set(`${epoch}:${offset}`, nameOf(news));
      }
      return;
    }
    log.set(offset, { ...news, knownAt: Date.now() });
    const name = nameOf(news);
    const before = topic.places.get(name);
    if (before === undefined) topic.places.set(name, { epoch, offset });
    else topic.doubled.set(name, [...(topic.doubled.get(name) ?? [before]), { epoch, offset }]);
  }

  #gap(name: string, reason: Gap["reason"]): void {
    const fault = this.#faults.find((kind) => explains(kind, reason));
    if (fault === undefined) return this.fail(`${name} was told of a gap, ${reason}, in ${this.#faults[0] ?? "peace"}`);
    const key = `${fault} ${reason}`;
    this.counts.gaps[key] = (this.counts.gaps[key] ?? 0) + 1;
  }

  /** What was refused is nowhere; what is in two places was lost in one of them, and comes twice to nobody who was there. */
  #checkStored(topic: Topic): void {
    for (const [position, name] of topic.disputed) {
      const { epoch, offset } = read(position);
      const known = topic.logs.get(epoch)!.get(offset)!;
      this.fail(`${nameOf(known)} and ${name} are both at ${position}`);
    }
    for (const name of topic.refused) if (topic.places.has(name)) this.fail(`${name} was refused and is stored`);
    for (const [name, places] of topic.doubled) {
      const copies = places.map(({ epoch, offset }) => topic.logs.get(epoch)!.get(offset)!);
      if (!copies.some((known) => this.#mayBeLost(known))) this.fail(`${name} is stored twice`);
      for (const account of topic.accounts) {
        for (const series of account.series) this.#checkDoubled(account, series, name, places);
      }
    }
  }

  #checkDoubled(account: Account, series: readonly Segment[], name: string, places: readonly Position[]): void {
    const heard = series.filter((segment) =>
      places.some(({ epoch, offset }) => epoch === segment.epoch && segment.offsets.includes(offset)),
    );
    const copies = places.filter(({ epoch, offset }) =>
      series.some((segment) => epoch === segment.epoch && segment.offsets.includes(offset)),
    );
    if (copies.length < 2) return;
    // Only behind a gap, and only to one that came back.
    if (heard.length === copies.length && heard.at(-1)!.connection > 0) this.counts.again++;
    else this.fail(`${account.name} heard ${name} twice`);
  }

  #checkWhole(
    { name }: Account,
    { segment, series }: { readonly segment: Segment; readonly series: readonly Segment[] },
    { logs, disputed, doubled }: Topic,
    all: number[],
  ): void {
    const log = logs.get(segment.epoch);
    const missed = (offset: number) => {
      const known = log!.get(offset)!;
      // What the broker lost and got again does not come again to who had it before the gap.
      if (doubled.get(nameOf(known))?.some((place) => isBefore(place, segment, series))) return;
      this.#missed(name, segment, known);
    };
    const numbers = new Map<string, number>();
    let at = firstBehind(all, segment.from);
    for (const offset of segment.offsets) {
      for (; all[at]! < offset; at++) missed(all[at]!);
      at++;
      if (disputed.has(`${segment.epoch}:${offset}`)) continue;
      const { publisher, number } = log!.get(offset)!;
      if ((numbers.get(publisher) ?? -1) >= number) this.fail(`${name} heard ${publisher} ${number} too late`);
      numbers.set(publisher, number);
    }
    // Who is still there at the end must have all of it.
    if (segment.end === undefined) for (; at < all.length; at++) missed(all[at]!);
  }

  #missed(name: string, { epoch, end }: Segment, known: Known): void {
    if (this.#mayBeLost(known) && end !== undefined) this.counts.missing++;
    else this.fail(`${name} missed ${nameOf(known)} of ${epoch}, and was not told`);
  }

  /** Told by what is certain of a process that is late: it was published before, and known after. */
  #mayBeLost(known: Known): boolean {
    return this.#losses.some((loss) => isIn(loss, known));
  }

  #topic(number: number): Topic {
    let topic = this.#topics.get(number);
    if (topic === undefined) {
      topic = {
        logs: new Map(),
        disputed: new Map(),
        places: new Map(),
        doubled: new Map(),
        refused: new Set(),
        accounts: [],
      };
      this.#topics.set(number, topic);
    }
    return topic;
  }
}

/** All that is known of a topic. */
interface Topic {
  /** What is in the log of each epoch, by offset. */
  readonly logs: Map<string, Map<number, Known>>;
  /** Positions at which different clients heard different messages, each with one that is not in the log above. */
  readonly disputed: Map<string, string>;
  /** Where each message is, by its name; the first place of those that are in several. */
  readonly places: Map<string, Position>;
  readonly doubled: Map<string, readonly Position[]>;
  readonly refused: Set<string>;
  readonly accounts: Account[];
}

/** What an account tells its judge. */
interface AccountEvents {
  heard(position: Position, news: News): void;
  gap(reason: Gap["reason"]): void;
  resumed(recovered: boolean): void;
  fail(what: string): void;
}

/** What one client heard of its topic, over all its connections. */
export class Account {
  readonly name: string;
  /** One for each subscription that did not go on from another one: the segments between gaps. */
  readonly series: Segment[][] = [];
  readonly #events: AccountEvents;
  #connections = 0;
  #segment: Segment | undefined;
  #isTold = false;
  #heardNow = 0;
  #since: string | undefined;

  constructor(name: string, events: AccountEvents) {
    this.name = name;
    this.#events = events;
  }

  /** The position to come back with; undefined before the first. */
  get since(): string | undefined {
    return this.#since;
  }

  /** It is connected: goes on from `since`, or begins anew. */
  begin(since: string | undefined): void {
    this.#isTold = false;
    this.#heardNow = 0;
    this.#segment = undefined;
    if (since === undefined) this.series.push([]);
    else this.#open(read(since));
  }

  /** It is connected no more. */
  end(): void {
    if (this.#segment) this.#segment.end = "left";
    this.#segment = undefined;
    this.#connections++;
  }

  /** A message came. */
  heard(position: string, news: News): void {
    const { epoch, offset } = read(position);
    this.#since = position;
    this.#heardNow++;
    this.#events.heard({ epoch, offset }, news);
    this.#segment ??= this.#open({ epoch, offset: offset - 1 });
    const last = this.#segment.offsets.at(-1) ?? this.#segment.from;
    if (epoch !== this.#segment.epoch) this.#events.fail(`was not told that ${epoch} is another log`);
    else if (offset <= last) this.#events.fail(`heard ${nameOf(news)} at ${offset}, behind ${last}`);
    else this.#segment.offsets.push(offset);
  }

  /** It was told that messages are missing. */
  gap(reason: Gap["reason"], position: string): void {
    this.#isTold = true;
    this.#since = position;
    this.#events.gap(reason);
    if (this.#segment) this.#segment.end = "gap";
    this.#open(read(position));
  }

  /** It was told how its subscription began. */
  subscribed(position: string, replayed: number, recovered: boolean | undefined): void {
    const { epoch, offset } = read(position);
    if (this.#heardNow < replayed) this.#events.fail(`got ${this.#heardNow} messages again, not ${replayed}`);
    this.#segment ??= this.#open({ epoch, offset });
    // Nothing that is behind this position may be missing, whatever was heard first.
    if (recovered === undefined && epoch === this.#segment.epoch && !this.#isTold) {
      this.#segment.from = Math.min(this.#segment.from, offset);
    }
    this.#since ??= position;
    if (recovered === undefined) return;
    this.#events.resumed(recovered);
    if (recovered === this.#isTold)
      this.#events.fail(`was told recovered: ${recovered}, and of ${this.#isTold ? "a" : "no"} gap`);
  }

  #open({ epoch, offset }: Position): Segment {
    this.#segment = { epoch, from: offset, offsets: [], connection: this.#connections, end: undefined };
    this.series.at(-1)!.push(this.#segment);
    return this.#segment;
  }
}

function isIn({ from, to }: Loss, { at, knownAt }: Known): boolean {
  return at <= to && knownAt >= from;
}

/** Whether a client heard what is at the place before this segment began. */
function isBefore({ epoch, offset }: Position, segment: Segment, series: readonly Segment[]): boolean {
  const before = series.slice(0, series.indexOf(segment));
  return before.some((one) => one.epoch === epoch && one.offsets.includes(offset));
}

function nameOf({ publisher, number }: News): string {
  return `${publisher}/${number}`;
}

function read(position: string): Position {
  const colon = position.lastIndexOf(":");
  return { epoch: position.slice(0, colon), offset: Number(position.slice(colon + 1)) };
}

/** The index of the first that is larger. */
function firstBehind(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
