/**
 * A connection whose messages have a type: what is sent is written as JSON, and what comes is checked before anybody sees
 * it.
 *
 * After a message that does not fit and was not let pass by `invalid`, no later one is delivered: it may build on the
 * one that is missing.
 */

import { type Decoded, reasonOf } from "./json-codec.ts";
import type { SchemaIssue } from "./standard-schema.ts";

/** What is needed of a connection, in Node or in a page. */
export interface RawConnection {
  readonly subprotocol: string;
  readonly readyState: 1 | 2 | 3;
  readonly bufferedAmount: number;
  readonly ready: Promise<void>;
  readonly closed: Promise<object>;
  send(data: string, options?: object): boolean;
  close(code?: number, reason?: string): void;
  [Symbol.asyncIterator](): AsyncIterator<string | Uint8Array, undefined, undefined>;
}

/** A message that does not fit, and why. */
export interface InvalidMessage {
  /** The message as it came. */
  readonly data: string | Uint8Array;
  /** What is wrong with it; the first one comes first. */
  readonly issues: readonly SchemaIssue[];
}

/** How a connection reads and writes, and answers what does not fit. */
export interface JsonRules<Received, Sent> {
  encode(value: Sent): string;
  decode(data: unknown): Decoded<Received> | Promise<Decoded<Received>>;
  /** The close code for a message that does not fit. */
  readonly invalidCode: number;
}

/** Called with each message that does not fit, in place of the answer with a Close. */
export type InvalidHandler = (connection: never, message: InvalidMessage) => unknown;

/** The handler of a value; undefined where there is none for it. */
export type Pick<Value> = (value: Value) => ((value: Value) => unknown) | undefined;

/** Reads a message and hands it to the handler that is picked; a promise where the check or the handler takes time. */
export let receiveJson: <Received>(
  connection: JsonConnection<Received, never>,
  data: string | Uint8Array,
  pick: Pick<Received>,
) => unknown;

/**
 * A connection whose messages have a type. `raw` is the connection itself, with all that is not here; what is sent there
 * goes as it is.
 */
export class JsonConnection<Received, Sent, Raw extends RawConnection = RawConnection> {
  /** The connection underneath. */
  readonly raw: Raw;
  readonly #rules: JsonRules<Received, Sent>;
  readonly #invalid: InvalidHandler | undefined;
  /** Whether a message did not fit, so that none is delivered any more. */
  #refused = false;

  static {
    receiveJson = (connection, data, pick) => connection.#receive(data, pick);
  }

  /** Applications make none: `over`, `connect` and the handlers of a route give them. */
  constructor(raw: Raw, rules: JsonRules<Received, Sent>, invalid: InvalidHandler | undefined) {
    this.raw = raw;
    this.#rules = rules;
    this.#invalid = invalid;
  }

  /** The agreed subprotocol; empty when none was. */
  get subprotocol(): string {
    return this.raw.subprotocol;
  }

  /** The WHATWG number of the state: 1 open, 2 closing, 3 closed. */
  get readyState(): 1 | 2 | 3 {
    return this.raw.readyState;
  }

  /** Bytes that were sent and have not left. */
  get bufferedAmount(): number {
    return this.raw.bufferedAmount;
  }

  /** Resolves when there is room again after `send` returned false, or the connection is over. */
  get ready(): Promise<void> {
    return this.raw.ready;
  }

  /** Resolves with the report when the connection is over; never rejects. */
  get closed(): Raw["closed"] {
    return this.raw.closed;
  }

  /**
   * Sends a value as JSON, with the options of `send` of the connection underneath. Nothing checks it but TypeScript.
   *
   * Returns false when the outbox is full, or the connection closing or closed, as that `send` does. Throws a TypeError for
   * what JSON cannot hold.
   */
  send(value: Sent, options?: Parameters<Raw["send"]>[1]): boolean {
    return this.raw.send(this.#rules.encode(value), options);
  }

  /** Starts the closing handshake after all that was sent; throws what `close` of the connection underneath throws. */
  close(code?: number, reason?: string): void {
    this.raw.close(code, reason);
  }

  /**
   * The messages in order, until the connection is over, also because one does not fit. What the schema throws is thrown
   * into the loop.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Received, undefined, undefined> {
    if (this.#refused) return;
    for await (const data of this.raw) {
      const taken: Received[] = [];
      await this.#receive(data, () => (value) => void taken.push(value));
      yield* taken;
      if (this.#refused) return;
    }
  }

  #receive(data: string | Uint8Array, pick: Pick<Received>): unknown {
    if (this.#refused) return undefined;
    const decoded = this.#rules.decode(data);
    if ("then" in decoded) return decoded.then((result) => this.#hand(result, data, pick));
    return this.#hand(decoded, data, pick);
  }

  #hand({ value, issues }: Decoded<Received>, data: string | Uint8Array, pick: Pick<Received>): unknown {
    if (issues) return this.#answer({ data, issues });
    const handler = pick(value as Received);
    return handler ? handler(value as Received) : this.#answer({ data, issues: [{ message: "Nothing handles this" }] });
  }

  #answer(message: InvalidMessage): unknown {
    if (this.#invalid) return this.#invalid(this as never, message);
    this.#refused = true;
    this.raw.close(this.#rules.invalidCode, reasonOf(message.issues));
    return undefined;
  }
}
