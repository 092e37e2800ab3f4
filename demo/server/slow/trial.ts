/**
 * One feed and its readers: two that read as fast as they can, and two that do not. All are connections of this server; all
 * but the page's have their other end in this same process, because a page cannot read slowly.
 */
import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { type CloseReport, connect } from "openline";
import type { ReaderName, ReadersMessage } from "../messages.ts";
import { READERS, TRIAL_SECONDS, VALUE_SIZE, VALUES_PER_SECOND } from "../messages.ts";
import type { Publisher } from "../traffic.ts";

const LOOK_INTERVAL = 250;

/** As much of a server's connection as a trial needs. */
export interface Reading {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: string): boolean;
  ping(): Promise<number>;
  subscribe(topic: string): void;
  close(code?: number, reason?: string): void;
}

interface Reader {
  connection: Reading | undefined;
  sent: number;
  read: number | undefined;
  closing: number | undefined;
  gone: { code: number; why: string; seconds: number } | undefined;
}

/** What a trial is made of. */
export interface TrialParts {
  /** Values a second that the slow readers read. */
  readonly perSecond: number;
  /** The URL of this server's WebSockets, without a path. */
  readonly url: string;
  readonly publisher: Publisher;
  tell(message: ReadersMessage): void;
}

/** A trial that runs from its first reader on, for a minute. */
export class Trial {
  readonly id: string = randomUUID();
  readonly #parts: TrialParts;
  readonly #readers: Record<ReaderName, Reader>;
  readonly #feed = new EventEmitter();
  readonly #timers: NodeJS.Timeout[];
  readonly #began = performance.now();
  readonly #over = new AbortController();
  #value = "";
  #made = 0;

  constructor(parts: TrialParts) {
    this.#parts = parts;
    this.#readers = { page: newReader(), fast: newReader(), slow: newReader(), latest: newReader() };
    this.#timers = [
      setInterval(() => this.#make(), 1000 / VALUES_PER_SECOND),
      setInterval(() => this.#look(), LOOK_INTERVAL),
      setTimeout(() => this.end(), TRIAL_SECONDS * 1000),
    ];
    const pause = 1000 / parts.perSecond;
    for (const [name, each] of [
      ["fast", 0],
      ["slow", pause],
      ["latest", pause],
    ] as const)
      void this.#read(name, each);
  }

  /** Whether its minute is over, or it was ended before. */
  get over(): boolean {
    return this.#over.signal.aborted;
  }

  /** Whether there is such a reader, and it is not there yet. */
  expects(name: string): name is ReaderName {
    return READERS.includes(name as ReaderName) && this.#readers[name as ReaderName].connection === undefined;
  }

  /** A reader has come. */
  open(name: ReaderName, connection: Reading): void {
    this.#readers[name].connection = connection;
    if (name === "latest") void this.#sendLatest(connection);
    else connection.subscribe(this.id);
  }

  /** A reader has gone, or was let go. */
  close(name: ReaderName, { sent, code, error }: CloseReport): void {
    const why = error?.message ?? sent?.reason ?? "";
    this.#readers[name].gone = { code: sent?.code ?? code, why, seconds: this.#seconds() };
    this.#look();
  }

  /** No more values; all readers are sent away. */
  end(): void {
    if (this.#over.signal.aborted) return;
    this.#look();
    this.#over.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    for (const { connection } of Object.values(this.#readers)) connection?.close(1000, "The trial is over");
    this.#parts.tell({ is: "over" });
  }

  /** The next value: to all who want each, in one call; it waits in the queue of who does not keep up. */
  #make(): void {
    this.#made += 1;
    this.#value = `${this.#made} `.padEnd(VALUE_SIZE, ".");
    this.#parts.publisher.publish(this.id, this.#value);
    for (const name of ["page", "fast", "slow"] as const) {
      const reader = this.#readers[name];
      if (reader.connection?.readyState === 1) reader.sent += 1;
    }
    this.#feed.emit("value");
  }

  /** The latest value, when the Pong says that the one before has been read: none waits, and what comes is fresh. */
  async #sendLatest(connection: Reading): Promise<void> {
    const { signal } = this.#over;
    while (connection.readyState === 1 && !signal.aborted) {
      connection.send(this.#value);
      this.#readers.latest.sent += 1;
      const next = once(this.#feed, "value", { signal });
      await Promise.all([connection.ping(), next]).catch(() => undefined);
    }
  }

  /** The other end: takes a value from the network when it asks for one, none ahead, and pauses after each. */
  async #read(name: "fast" | "slow" | "latest", pause: number): Promise<void> {
    const reader = this.#readers[name];
    reader.read = 0;
    try {
      const connection = await connect(`${this.#parts.url}/readers/${this.id}/${name}`, {
        limits: { inboundHighWaterMark: 1 },
      });
      for await (const _ of connection) {
        reader.read += 1;
        await delay(pause, undefined, { signal: this.#over.signal }).catch(() => undefined);
      }
    } catch (error) {
      reader.gone ??= { code: 1006, why: error instanceof Error ? error.message : "", seconds: this.#seconds() };
    }
  }

  /** Tells how it goes; nothing once the trial is over, when the page may have begun another. */
  #look(): void {
    if (this.#over.signal.aborted) return;
    const readers = READERS.map((name) => {
      const reader = this.#readers[name];
      const { connection, sent, read, gone } = reader;
      if (connection !== undefined && connection.readyState !== 1) reader.closing ??= this.#seconds();
      const queued = gone === undefined ? (connection?.bufferedAmount ?? 0) : 0;
      return { name, sent, read, gone, closing: reader.closing, queued };
    });
    this.#parts.tell({ is: "readers", seconds: this.#seconds(), readers });
  }

  #seconds(): number {
    return Math.round((performance.now() - this.#began) / 10) / 100;
  }
}

function newReader(): Reader {
  return { connection: undefined, sent: 0, read: undefined, closing: undefined, gone: undefined };
}
