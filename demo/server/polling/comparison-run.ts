/**
 * One run of the comparison: a feed of `total` events, offered by short polling, long polling and WebSocket at once,
 * with what each has cost. The feed begins when its first reader arrives; the events' times are spread over their slots
 * by the golden ratio, the same for every run, so that no polling interval can fall in step with them.
 */
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { FeedEvent, Figures, Mode, Sample } from "../messages.ts";
import type { ByteMeter, CountingSocket } from "./byte-meter.ts";

const GOLDEN = 0.618033988749895;
const LONG_POLL_TIMEOUT = 20_000;

interface Reader {
  send(data: string): boolean;
  close(code?: number, reason?: string): void;
}

interface HeldPoll {
  readonly after: number;
  readonly response: ServerResponse;
  readonly timer: NodeJS.Timeout;
}

/** A feed, its readers in three modes, and their bill. */
export class ComparisonRun {
  readonly id: string = randomUUID();
  readonly total: number;
  readonly #interval: number;
  readonly #meter: ByteMeter;
  readonly #sample: () => Sample | undefined;
  readonly #events: FeedEvent[] = [];
  readonly #tallies: Record<Mode, { requests: number; bytesIn: number; bytesOut: number }> = {
    short: { requests: 0, bytesIn: 0, bytesOut: 0 },
    long: { requests: 0, bytesIn: 0, bytesOut: 0 },
    socket: { requests: 0, bytesIn: 0, bytesOut: 0 },
  };
  readonly #held = new Set<HeldPoll>();
  readonly #readers = new Map<Reader, CountingSocket>();
  #begun = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(rate: number, seconds: number, meter: ByteMeter, sample: () => Sample | undefined) {
    this.total = Math.round(rate * seconds);
    this.#interval = 1000 / rate;
    this.#meter = meter;
    this.#sample = sample;
  }

  /** Answers one request of short or long polling with the events that came after `after`, or 204 when there are none. */
  poll(mode: "short" | "long", after: number, response: ServerResponse): void {
    this.#begin();
    this.#tallies[mode].requests += 1;
    response.on("close", () => this.charge(mode, response.req.socket));
    if (mode === "short" || after < this.#events.length) {
      answer(response, this.#events.slice(after));
      return;
    }
    const held: HeldPoll = {
      after,
      response,
      timer: setTimeout(() => this.#release(held), LONG_POLL_TIMEOUT),
    };
    this.#held.add(held);
    response.on("close", () => this.#forget(held));
  }

  /** A WebSocket joins: it gets what has happened, then each event as it happens. */
  open(reader: Reader, socket: CountingSocket): void {
    this.#begin();
    this.#tallies.socket.requests += 1;
    this.#readers.set(reader, socket);
    for (const event of this.#events) reader.send(JSON.stringify(event));
  }

  /** A WebSocket has gone; its last bytes are counted. */
  close(reader: Reader): void {
    const socket = this.#readers.get(reader);
    if (socket === undefined) return;
    this.charge("socket", socket);
    this.#readers.delete(reader);
  }

  /** Adds what `socket` has moved since it was last charged to the bill of `mode`. */
  charge(mode: Mode, socket: CountingSocket): void {
    const { read, written } = this.#meter.take(socket);
    this.#tallies[mode].bytesIn += read;
    this.#tallies[mode].bytesOut += written;
  }

  figures(): Figures {
    for (const socket of this.#readers.values()) this.charge("socket", socket);
    const { user, system } = process.cpuUsage();
    const { short, long, socket } = this.#tallies;
    return {
      at: serverTime(),
      cpu: (user + system) / 1000,
      made: this.#events.length,
      tallies: { short: { ...short }, long: { ...long }, socket: { ...socket } },
    };
  }

  /** No more events; held polls are answered, WebSockets closed. */
  end(): void {
    clearTimeout(this.#timer);
    for (const held of this.#held) this.#release(held);
    for (const reader of this.#readers.keys()) reader.close(1000, "The run is over");
  }

  #begin(): void {
    if (this.#begun !== 0) return;
    this.#begun = performance.now();
    this.#schedule();
  }

  #schedule(): void {
    const next = this.#events.length + 1;
    if (next > this.total) return;
    const due = this.#begun + (next - 1 + ((next * GOLDEN) % 1)) * this.#interval;
    this.#timer = setTimeout(() => this.#emit(), Math.max(0, due - performance.now()));
  }

  #emit(): void {
    const sample = this.#sample();
    const event: FeedEvent = {
      seq: this.#events.length + 1,
      at: serverTime(),
      machineCpu: sample?.machineCpu ?? 0,
      processMemory: sample?.processMemory ?? 0,
    };
    this.#events.push(event);
    for (const held of this.#held) this.#release(held);
    const text = JSON.stringify(event);
    for (const reader of this.#readers.keys()) reader.send(text);
    this.#schedule();
  }

  #release(held: HeldPoll): void {
    this.#forget(held);
    answer(held.response, this.#events.slice(held.after));
  }

  #forget(held: HeldPoll): void {
    clearTimeout(held.timer);
    this.#held.delete(held);
  }
}

/** The server's time in milliseconds since the epoch, to the microsecond. */
export function serverTime(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000) / 1000;
}

/** As few headers as HTTP allows: the comparison shall not be won by burdening the other side. */
function answer(response: ServerResponse, events: readonly FeedEvent[]): void {
  if (events.length === 0) {
    response.writeHead(204, { "cache-control": "no-store" }).end();
    return;
  }
  const body = Buffer.from(JSON.stringify(events));
  response
    .writeHead(200, {
      "content-type": "application/json",
      "content-length": body.length,
      "cache-control": "no-store",
    })
    .end(body);
}
