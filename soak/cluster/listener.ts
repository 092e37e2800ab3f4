/**
 * A client of a cluster's soak: it listens to one topic, at any node, goes to another when its connection ends, and keeps
 * its account of what it heard. Every other one comes back with its position; the others begin anew.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Connection, connect, type Gap, type MessageData } from "openline";
import type { Account, Judge } from "./judge.ts";
import { newsFromText } from "./news.ts";

/** Who a listener is. */
export interface ListenerPlan {
  readonly ports: readonly number[];
  readonly id: number;
  readonly topic: number;
}

/** How long it waits before it connects again, at most, in milliseconds. */
const pause = 500;

/** See the head of this file. */
export class Listener {
  readonly #plan: ListenerPlan;
  readonly #judge: Judge;
  readonly #account: Account;
  #connection: Connection | undefined;
  #isSubscribed = false;
  #newest = 0;
  #isOver = false;
  /** How often it connected. */
  connected = 0;

  constructor(plan: ListenerPlan, judge: Judge) {
    this.#plan = plan;
    this.#judge = judge;
    this.#account = judge.account(plan.topic, `Client ${plan.id}`);
  }

  /** Whether it is connected. */
  get isOpen(): boolean {
    return this.#connection?.readyState === 1;
  }

  /** Whether it is connected, and was told how its subscription began. */
  get isSubscribed(): boolean {
    return this.isOpen && this.#isSubscribed;
  }

  /** Whether it has heard what was published at this time or later, in milliseconds since 1970. */
  hasHeard(at: number): boolean {
    return this.#newest >= at;
  }

  /** Listens until `end`. */
  async run(): Promise<void> {
    for (let node = this.#plan.id; !this.#isOver; node++) {
      const port = this.#plan.ports[node % this.#plan.ports.length]!;
      try {
        await this.#listen(port);
      } catch {
        // The node is not there; the next one may be.
      }
      await delay(Math.random() * pause);
    }
  }

  /** Leaves its node: says farewell, or is cut off. */
  leave(how: "close" | "cut"): void {
    if (how === "close") this.#connection?.close();
    else this.#connection?.terminate();
  }

  /** Leaves for good. */
  end(): void {
    this.#isOver = true;
    this.leave("close");
  }

  async #listen(port: number): Promise<void> {
    const { id, topic } = this.#plan;
    const since = id % 2 === 0 ? this.#account.since : undefined;
    const query = since === undefined ? "" : `?since=${encodeURIComponent(since)}`;
    // Nothing is delivered before `connect` has resolved.
    const connection = await connect(`ws://127.0.0.1:${port}/topics/${topic}${query}`, {
      message: (_, data) => this.#take(data),
    });
    this.connected++;
    this.#connection = connection;
    this.#isSubscribed = false;
    this.#account.begin(since);
    await connection.closed;
    this.#account.end();
  }

  /** What a node says, by its first letter: a message, a gap, or how the subscription began. */
  #take(data: MessageData): void {
    const [kind, position = "", ...rest] = String(data).split(" ");
    if (kind === "m") {
      const news = newsFromText(this.#plan.topic, rest.join(" "));
      if (news === undefined) return this.#judge.fail(`Client ${this.#plan.id} got a damaged message`);
      this.#newest = Math.max(this.#newest, news.at);
      this.#account.heard(position, news);
    } else if (kind === "g") {
      this.#account.gap(rest[0] as Gap["reason"], position);
    } else {
      this.#isSubscribed = true;
      const [replayed, recovered] = rest;
      this.#account.subscribed(position, Number(replayed), recovered === "-" ? undefined : recovered === "true");
    }
  }
}
