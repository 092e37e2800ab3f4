/**
 * Pings that wait for their Pong, RFC 6455 section 5.5.3: a Pong answers its Ping and every earlier one.
 */

import { Buffer } from "node:buffer";
import type { Clock } from "../../transport/clock.ts";

interface OutstandingPing {
  readonly payload: Buffer;
  readonly sentAt: number;
  /** The ends of the promise of `add`; undefined for a Ping of `note`. */
  readonly asked: { resolve(roundTrip: number): void; reject(error: Error): void } | undefined;
}

let pingsMade = 0;

/** The outstanding pings of one connection, oldest first. */
export class Pings {
  readonly #clock: Clock;
  #outstanding: OutstandingPing[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes a Ping that is being sent; resolves with the milliseconds until its Pong. */
  add(payload: Uint8Array): Promise<number> {
    const roundTrip = new Promise<number>((resolve, reject) => this.#push(payload, { resolve, reject }));
    return ignorable(roundTrip);
  }

  /**
   * Notes a Ping whose Pong no caller waits for. The one before it is forgotten, or a peer that answers none would
   * cost more and more.
   */
  note(payload: Uint8Array): void {
    this.#outstanding = this.#outstanding.filter(({ asked }) => asked !== undefined);
    this.#push(payload, undefined);
  }

  /** A Pong came; returns the round trip of its Ping in milliseconds, undefined for a Pong that answers none. */
  settle(payload: Uint8Array): number | undefined {
    const index = this.#outstanding.findLastIndex((ping) => ping.payload.equals(payload));
    if (index < 0) return undefined;
    const now = this.#clock.now();
    const settled = this.#outstanding.splice(0, index + 1);
    for (const ping of settled) ping.asked?.resolve(now - ping.sentAt);
    return now - settled[index]!.sentAt;
  }

  /** The connection is over: no Pong will come. */
  rejectAll(): void {
    this.#reject(this.#outstanding.splice(0), "the connection is closed");
  }

  /**
   * Nothing is read, so no Pong either: who has waited for more than `longest` milliseconds may be what holds up
   * reading.
   */
  rejectUnread(longest: number): void {
    const latest = this.#clock.now() - longest;
    const overdue = this.#outstanding.filter(({ sentAt }) => sentAt <= latest);
    this.#outstanding.splice(0, overdue.length);
    this.#reject(overdue, `nothing was read for ${longest} ms, because messages wait for their handler`);
  }

  #push(payload: Uint8Array, asked: OutstandingPing["asked"]): void {
    this.#outstanding.push({ payload: Buffer.from(payload), sentAt: this.#clock.now(), asked });
  }

  #reject(pings: readonly OutstandingPing[], why: string): void {
    for (const { asked } of pings) asked?.reject(new Error(`Cannot measure the round trip: ${why}`));
  }
}

/** The same promise, which may be left alone: who pings without waiting for the Pong must not end the process. */
export function ignorable<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {});
  return promise;
}

/** Throws a TypeError for what cannot be the payload of a Ping or Pong (fault D10). */
export function checkPingPayload(payload: unknown): void {
  if (payload instanceof Uint8Array) return;
  const kind = payload === null ? "null" : typeof payload;
  throw new TypeError(`Cannot send: the payload of a Ping or Pong must be a Uint8Array, not ${kind}`);
}

/** A payload that no other Ping of this process had: eight bytes that count. */
export function nextPingPayload(): Uint8Array {
  const payload = Buffer.alloc(8);
  payload.writeDoubleBE(++pingsMade);
  return payload;
}
