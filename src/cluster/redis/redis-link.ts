/**
 * Two connections to one server, one for commands and one for messages: up when both are, and down when either is not.
 *
 * Every call settles: when a connection is lost, what was under way fails, whatever the client does with it.
 */

import { ClusterError } from "../broker/cluster-error.ts";
import type { Argument, ConnectionEvents, RedisConnection } from "./clients.ts";

/** What a link tells. */
export interface LinkEvents {
  up(): void;
  down(): void;
  message(channel: string, data: Buffer): void;
  error(error: Error): void;
}

/** See the head of this file. */
export class RedisLink {
  readonly #commands: RedisConnection;
  readonly #messages: RedisConnection;
  readonly #events: LinkEvents;
  readonly #ready = new Set<"commands" | "messages">();
  readonly #underWay = new Set<(error: Error) => void>();
  #isDestroyed = false;

  constructor(connect: (events: ConnectionEvents) => RedisConnection, events: LinkEvents) {
    this.#events = events;
    this.#commands = connect(this.#eventsOf("commands"));
    this.#messages = connect(this.#eventsOf("messages"));
    this.#commands.open();
    this.#messages.open();
  }

  /** Sends a command. Rejects with a `ClusterError`. */
  send(command: readonly Argument[]): Promise<unknown> {
    return this.#call(() => this.#commands.send(command));
  }

  /** Resolves when messages of the channels come. */
  async subscribe(channels: readonly string[], isSharded: boolean = false): Promise<void> {
    await this.#call(() => this.#messages.subscribe(channels, isSharded));
  }

  /** No messages of the channels come any more. */
  async unsubscribe(channels: readonly string[], isSharded: boolean = false): Promise<void> {
    await this.#call(() => this.#messages.unsubscribe(channels, isSharded));
  }

  /** Ends both connections; nothing is told any more. */
  destroy(): void {
    this.#isDestroyed = true;
    this.#ready.clear();
    this.#fail();
    this.#commands.destroy();
    this.#messages.destroy();
  }

  #eventsOf(which: "commands" | "messages"): ConnectionEvents {
    return {
      ready: () => {
        if (this.#isDestroyed) return;
        this.#ready.add(which);
        if (this.#ready.size === 2) this.#events.up();
      },
      lost: () => {
        const wasUp = this.#ready.size === 2;
        this.#ready.delete(which);
        this.#fail();
        if (wasUp && !this.#isDestroyed) this.#events.down();
      },
      message: (channel, data) => this.#isDestroyed || this.#events.message(channel, data),
      error: (error) => this.#isDestroyed || this.#events.error(error),
    };
  }

  #fail(): void {
    for (const fail of this.#underWay) fail(new ClusterError("unavailable", "The connection to Redis was lost"));
    this.#underWay.clear();
  }

  #call(call: () => Promise<unknown>): Promise<unknown> {
    if (this.#ready.size < 2) return Promise.reject(new ClusterError("unavailable", "Redis cannot be reached"));
    return new Promise((resolve, reject) => {
      this.#underWay.add(reject);
      const settle = (how: () => void) => {
        this.#underWay.delete(reject);
        how();
      };
      call().then(
        (answer) => settle(() => resolve(answer)),
        (error: Error) => settle(() => reject(clusterErrorOf(error))),
      );
    });
  }
}

/** What an answer of Redis begins with that says to come back later. */
const temporary = /^(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|NOREPLICAS|UNBLOCKED)\b/;
/** What the answers of Redis that are errors begin with. */
const answered = /^[A-Z]{2,} /;

/** An error of a client in our words: Redis's own no, or a connection that failed. */
export function clusterErrorOf(error: Error): ClusterError {
  const isRefusal = answered.test(error.message) && !temporary.test(error.message);
  return new ClusterError(isRefusal ? "refused" : "unavailable", `Redis: ${error.message}`, { cause: error });
}
