/**
 * A client of a cluster's soak: it listens to one topic, at any node, goes to another when its connection ends, and keeps
 * its account of what it heard. A quarter of them come back by the resume protocol, a quarter with the position that was in
 * their last message, and the others begin anew.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Connection, connect, type Gap } from "openline";
import { type Resume, resumeTopics } from "openline/resume";
import type { Account, Judge } from "./judge.ts";
import { newsFromText } from "./news.ts";
import { readAlong } from "./read-along.ts";

/** Who a listener is. */
export interface ListenerPlan {
  readonly ports: readonly number[];
  readonly id: number;
  readonly topic: number;
}

/** How long it waits before it connects again, at most, and for its handshake, in milliseconds: no busy machine is a loss. */
const [pause, patience] = [500, 120_000];
/** How many connect at once: a node takes one connection a turn of its event loop, and turns are long on a busy machine. */
const mostConnecting = 30;
let connecting = 0;

/** See the head of this file. */
export class Listener {
  readonly #plan: ListenerPlan;
  readonly #judge: Judge;
  readonly #account: Account;
  /** Where it speaks the resume protocol. */
  readonly #resume: Resume<never> | undefined;
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
    if (plan.id % 4 === 0) this.#resume = this.#resuming();
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
    const query = since === undefined || this.#resume ? "" : `?since=${encodeURIComponent(since)}`;
    while (connecting >= mostConnecting) await delay(10 + Math.random() * 20);
    connecting++;
    // Nothing is delivered before `connect` has resolved.
    const connection = await connect(`ws://127.0.0.1:${port}/topics/${topic}${query}`, {
      handshakeTimeout: patience,
      ...(this.#resume ? { resume: this.#resume } : { message: (_, data) => this.#take(String(data)) }),
    }).finally(() => connecting--);
    this.connected++;
    this.#connection = connection;
    this.#isSubscribed = false;
    this.#account.begin(since);
    // What is handed over has been read along.
    if (this.#resume) for await (const _ of connection);
    await connection.closed;
    this.#account.end();
  }

  /** What a node says, by its first letter: a message, a gap, or how the subscription began. */
  #take(text: string): void {
    const [kind, position = "", ...rest] = text.split(" ");
    if (kind === "m") {
      this.#hear(position, rest.join(" "));
    } else if (kind === "g") {
      this.#account.gap(rest[0] as Gap["reason"], position);
    } else {
      this.#isSubscribed = true;
      const [replayed, recovered] = rest;
      this.#account.subscribed(position, Number(replayed), recovered === "-" ? undefined : recovered === "true");
    }
  }

  #hear(position: string, text: string): void {
    const news = newsFromText(this.#plan.topic, text);
    if (news === undefined) return this.#judge.fail(`Client ${this.#plan.id} got a damaged message`);
    this.#newest = Math.max(this.#newest, news.at);
    this.#account.heard(position, news);
  }

  #resuming(): Resume<never> {
    return readAlong(resumeTopics(), {
      subscribed: (position) => {
        // Who comes back is told of the outcome later.
        if (this.#account.since !== undefined) return;
        this.#isSubscribed = true;
        this.#account.subscribed(position, 0, undefined);
      },
      resumed: ({ replayed, recovered }) => {
        this.#isSubscribed = true;
        this.#account.subscribed(this.#account.since!, replayed, recovered);
      },
      gap: ({ reason, position }) => this.#account.gap(reason as Gap["reason"], position),
      message: (text, position) => {
        // What the node says beside its topic is for those who do not speak the protocol.
        if (position !== undefined) this.#hear(position, text);
      },
    });
  }
}
