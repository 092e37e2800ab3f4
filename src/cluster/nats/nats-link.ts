/**
 * A connection to NATS, and another one whenever it is lost: up when a server has answered, and down from the loss on.
 *
 * Every call settles: when the connection is lost, what was under way fails. The client's own way of coming back is not
 * used: what it had not sent yet, and what it was subscribed to, would be known to it alone.
 */

import { createInbox, type Msg, type MsgHdrs, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import { realTime } from "../../transport/clock.ts";
import { ClusterError } from "../broker/cluster-error.ts";

/** A connection of `@nats-io/transport-node`; it has more members than are named here. */
export interface NatsClient {
  status(): AsyncIterable<unknown>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** A message on its way. */
export interface NatsMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: MsgHdrs;
}

/** How a request is sent. */
export interface RequestOptions {
  readonly headers?: MsgHdrs;
  /** How long an answer is waited for, in milliseconds, up to the default, 5 s. */
  readonly timeout?: number;
}

/** What a link tells. */
export interface LinkEvents {
  up(): void;
  down(): void;
  error(error: Error): void;
}

/** How long an answer is waited for, in milliseconds. */
const answerTimeout = 5000;
/** How long any call may take, whatever the client does, in milliseconds. */
const callTimeout = 6000;
/** How long an attempt to connect may take in all, in milliseconds; the client is asked for less. */
const dialTimeout = 8000;
/** The shortest and the longest that is waited before another attempt to connect, in milliseconds. */
const waits = [20, 2000] as const;
/** The oldest server: from here on messages can be read without a consumer. */
const oldestMinor = 9;

/** See the head of this file. */
export class NatsLink {
  readonly #connect: () => Promise<NatsClient>;
  readonly #events: LinkEvents;
  readonly #underWay = new Set<(error: Error) => void>();
  #connection: NatsConnection | undefined;
  #isUp = false;
  #isDestroyed = false;
  #serverId = "";
  #isClustered = false;
  #serverSince = 0;
  #hasJetStream = false;
  #stopWaiting: (() => void) | undefined;

  constructor(connect: () => Promise<NatsClient>, events: LinkEvents) {
    this.#connect = connect;
    this.#events = events;
  }

  /** Since when the server is the one that it is, by `realTime`: one that was started anew is another. */
  get serverSince(): number {
    return this.#serverSince;
  }

  /**
   * What this start of the server is called; a cluster of servers has one name for good, since what most of them have
   * acknowledged is not lost when one of them starts anew.
   */
  get serverStart(): string {
    return this.#isClustered ? "cluster" : this.#serverId;
  }

  /** Whether the server has JetStream, or others of its cluster may have it. */
  get hasJetStream(): boolean {
    return this.#hasJetStream;
  }

  /** The most bytes that a message and its headers may have. */
  get maxPayload(): number {
    return this.#connection?.info?.max_payload ?? Number.POSITIVE_INFINITY;
  }

  /** Connects, and goes on trying until it is destroyed. */
  async open(): Promise<void> {
    for (let wait: number = waits[0]; !this.#isDestroyed; wait = Math.min(2 * wait, waits[1])) {
      try {
        await this.#live(await this.#dial());
        wait = waits[0];
      } catch (error) {
        if (!this.#isDestroyed) this.#events.error(error as Error);
      }
      if (!this.#isDestroyed) await this.#wait(wait * (0.5 + Math.random() / 2));
    }
  }

  /** Makes one connection, or gives that up in time: there are moments in which the client does not. */
  #dial(): Promise<NatsConnection> {
    return new Promise((resolve, reject) => {
      let isLate = false;
      const cancel = realTime.after(dialTimeout, () => {
        isLate = true;
        reject(new Error("the server does not answer"));
      });
      this.#connect().then(
        (connection) => {
          cancel();
          if (isLate) void connection.close();
          else resolve(connection as NatsConnection);
        },
        (error) => {
          cancel();
          reject(error);
        },
      );
    });
  }

  /** One connection, to its end. */
  async #live(connection: NatsConnection): Promise<void> {
    if (this.#isDestroyed) return connection.close();
    this.#connection = connection;
    try {
      this.#cameUp(connection);
    } catch (error) {
      await connection.close();
      throw error;
    }
    for await (const status of connection.status()) {
      if (status.type === "disconnect") this.#wentDown();
      else if (status.type === "error" && !this.#isDestroyed) this.#events.error(status.error);
    }
    this.#wentDown();
  }

  /** Sends a request. Rejects with a `ClusterError`. */
  request(subject: string, payload: Uint8Array | string, options: RequestOptions = {}): Promise<Msg> {
    return this.#call((connection) => connection.request(subject, payload, { timeout: answerTimeout, ...options }));
  }

  /** Sends a request and returns the answers up to one that `isLast`. Rejects with a `ClusterError`. */
  async requestMany(subject: string, payload: string, isLast: (answer: Msg) => boolean): Promise<Msg[]> {
    let subscription: Subscription | undefined;
    let cancel: (() => void) | undefined;
    try {
      return await this.#call(
        (connection) =>
          new Promise((resolve, reject) => {
            const answers: Msg[] = [];
            const late = () => reject(new Error(`no answer from ${subject}`));
            cancel = realTime.after(answerTimeout, late, true);
            const inbox = createInbox();
            const callback = (error: Error | null, answer: Msg) => {
              if (error) return reject(error);
              answers.push(answer);
              if (isLast(answer)) resolve(answers);
            };
            subscription = connection.subscribe(inbox, { callback });
            connection.publish(subject, payload, { reply: inbox });
          }),
      );
    } finally {
      cancel?.();
      subscription?.unsubscribe();
    }
  }

  /** Sends messages of which no more is known than that the server has them, when it resolves. */
  async publish(messages: readonly NatsMessage[]): Promise<void> {
    await this.#call(async (connection) => {
      for (const { subject, payload, headers } of messages) connection.publish(subject, payload, { headers });
      await connection.flush();
    });
  }

  /** Has messages of a subject; `flush` says when they come. Throws a `ClusterError` while it is down. */
  subscribe(subject: string, take: (message: Msg) => void): Subscription {
    const callback = (error: Error | null, message: Msg) => {
      if (error === null) take(message);
    };
    return this.#up().subscribe(subject, { callback });
  }

  /** Resolves when the server has all that was sent before. Rejects with a `ClusterError`. */
  async flush(): Promise<void> {
    await this.#call((connection) => connection.flush());
  }

  /** Ends the connection; nothing is told any more. */
  async destroy(): Promise<void> {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#wentDown();
    this.#stopWaiting?.();
    await this.#connection?.close();
  }

  #cameUp(connection: NatsConnection): void {
    const { server_id: serverId = "", version = "", jetstream = false, cluster } = connection.info ?? {};
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (major < 2 || (major === 2 && minor < oldestMinor)) {
      throw new ClusterError("refused", `its version is ${version}, and 2.${oldestMinor} is the oldest that will do`);
    }
    if (serverId !== this.#serverId) this.#serverSince = realTime.now();
    this.#serverId = serverId;
    this.#isClustered = cluster !== undefined;
    this.#hasJetStream = jetstream || cluster !== undefined;
    this.#isUp = true;
    this.#events.up();
  }

  #wentDown(): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    for (const fail of this.#underWay) fail(new ClusterError("unavailable", "The connection to NATS was lost"));
    this.#underWay.clear();
    if (wasUp && !this.#isDestroyed) this.#events.down();
  }

  #up(): NatsConnection {
    if (this.#isUp && this.#connection) return this.#connection;
    throw new ClusterError("unavailable", "NATS cannot be reached");
  }

  async #call<Answer>(call: (connection: NatsConnection) => Promise<Answer>): Promise<Answer> {
    const connection = this.#up();
    return new Promise((resolve, reject) => {
      this.#underWay.add(reject);
      const failed = (error: unknown) => reject(clusterErrorOf(error as Error));
      // What the client itself does not take, it throws.
      const called = new Promise<Answer>((settle) => settle(call(connection)));
      const cancel = realTime.after(callTimeout, () => failed(new Error("no answer")), true);
      void called.then(resolve, failed).finally(() => {
        cancel();
        this.#underWay.delete(reject);
      });
    });
  }

  #wait(delay: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = realTime.after(delay, resolve);
      this.#stopWaiting = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** An error of the client in our words: the server's own no, or a connection that failed. */
export function clusterErrorOf(error: Error): ClusterError {
  if (error instanceof ClusterError) return error;
  const cause = error.cause instanceof Error ? error.cause : error;
  const message = `NATS: ${cause.message}`;
  if (/max_payload/.test(cause.message)) return new ClusterError("too-large", message, { cause: error });
  const isRefusal = /^(?:PermissionViolation|Authorization|InvalidArgument|InvalidSubject)/.test(cause.name);
  return new ClusterError(isRefusal ? "refused" : "unavailable", message, { cause: error });
}
