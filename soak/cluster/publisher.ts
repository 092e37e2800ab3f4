/**
 * Publishes to the topics of a cluster's soak over a connection to any node, and tells the judge what became of each message.
 *
 * What was not answered when its connection ended may be stored or not. With each connection a publisher is another one, since
 * the order of its messages holds from one call to the next in one process.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Connection, connect } from "openline";
import type { Judge } from "./judge.ts";
import { drawNewsSize, type News, newsToText } from "./news.ts";

/** Who a publisher is. */
export interface PublisherPlan {
  readonly ports: readonly number[];
  readonly id: number;
}

/** How long it waits for its handshake, in milliseconds: no busy machine is a loss. */
const patience = 120_000;

/** See the head of this file. */
export class Publisher {
  readonly #plan: PublisherPlan;
  readonly #judge: Judge;
  readonly #waiting = new Map<number, { readonly topic: number; readonly news: News }>();
  #connection: Connection | undefined;
  #name = "";
  #published = 0;
  #isOver = false;

  constructor(plan: PublisherPlan, judge: Judge) {
    this.#plan = plan;
    this.#judge = judge;
  }

  /** Whether it can publish. */
  get isOpen(): boolean {
    return this.#connection?.readyState === 1;
  }

  /** How many of its messages wait for an answer. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Publishes a message to the topic. */
  publish(topic: number): void {
    const news: News = { publisher: this.#name, number: this.#published++, at: Date.now() };
    this.#waiting.set(news.number, { topic, news });
    this.#connection!.send(`${news.number} ${topic} ${newsToText(topic, news, drawNewsSize())}`);
  }

  /** Is there until `end`. */
  async run(): Promise<void> {
    for (let turn = 0; !this.#isOver; turn++) {
      const { ports, id } = this.#plan;
      try {
        const connection = await connect(`ws://127.0.0.1:${ports[(id + turn) % ports.length]}/publish`, {
          handshakeTimeout: patience,
          message: (_, data) => this.#take(String(data)),
        });
        this.#name = `${id}.${turn}`;
        this.#connection = connection;
        await connection.closed;
        this.#judge.counts.unknown += this.#waiting.size;
        this.#waiting.clear();
      } catch {
        // The node is not there; the next one may be.
      }
      await delay(Math.random() * 200);
    }
  }

  /** Leaves for good. */
  end(): void {
    this.#isOver = true;
    this.#connection?.close();
  }

  /** An answer: the message's number, and its position, or the code of what went wrong behind an exclamation mark. */
  #take(answer: string): void {
    const [number, said = ""] = answer.split(" ");
    const asked = this.#waiting.get(Number(number));
    if (asked === undefined) return this.#judge.fail(`Publisher ${this.#name} was answered twice: ${answer}`);
    this.#waiting.delete(Number(number));
    if (!said.startsWith("!")) this.#judge.stored(asked.topic, said, asked.news);
    else if (said === "!unknown" || said === "!closed") this.#judge.counts.unknown++;
    else this.#judge.refused(asked.topic, asked.news);
  }
}
