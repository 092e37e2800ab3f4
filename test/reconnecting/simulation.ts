/**
 * Many clients that lose their server in one moment, and come back by a policy: an event at a time, on a clock of its own.
 *
 * The server makes so many handshakes a second, one after another. It begins one while fewer than its backlog are waiting,
 * and refuses the rest; one that it began has failed when its client gave it up before its turn was over.
 */

/** The wait in milliseconds before the next attempt, after so many failures in a row; `random` is from 0 to below 1. */
export type Policy = (failures: number, random: number) => number;

/** What is simulated; times in milliseconds. */
export interface Stampede {
  readonly clients: number;
  readonly policy: Policy;
  /** How long the server is away; every attempt meanwhile is refused. */
  readonly away: number;
  readonly handshakesPerSecond: number;
  /** How many handshakes may wait for their turn. */
  readonly backlog: number;
  readonly handshakeTimeout: number;
  readonly seed: number;
  /** When it is given up. */
  readonly until: number;
}

/** How the clients came back; times in milliseconds from the return of the server on. */
export interface Returned {
  /** When 99 % and when all were back; `Infinity` where they were not. */
  readonly most: number;
  readonly all: number;
  /** The mean over all clients. */
  readonly mean: number;
  /** The most attempts within a second from the server's return on. */
  readonly peak: number;
  readonly attemptsEach: number;
  /** Handshakes that the server began and that failed. */
  readonly failedAfterBegin: number;
}

/** Runs the simulation; the same seed gives the same figures. */
export function simulate(stampede: Stampede): Returned {
  const { clients, policy, away, handshakesPerSecond, backlog, handshakeTimeout, until } = stampede;
  const random = randomFrom(stampede.seed);
  const cost = 1000 / handshakesPerSecond;
  const failures = new Uint32Array(clients);
  const backAt: number[] = [];
  const perSecond = new Map<number, number>();
  let attempts = 0;
  let failedAfterBegin = 0;
  /** When the server is done with all that it has begun. */
  let freeAt = away;
  const due = new Agenda();
  for (let client = 0; client < clients; client++) due.add(policy(0, random()), client);
  for (let next = due.take(); next !== undefined && next.at <= until; next = due.take()) {
    const { at, client } = next;
    attempts++;
    if (at >= away) {
      const second = Math.floor((at - away) / 1000);
      perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
      const waiting = Math.max(0, freeAt - at) / cost;
      if (waiting < backlog) {
        freeAt = Math.max(freeAt, at) + cost;
        if (freeAt - at <= handshakeTimeout) {
          backAt.push(freeAt - away);
          continue;
        }
        failedAfterBegin++;
      }
    }
    failures[client]!++;
    due.add(at + policy(failures[client]!, random()), client);
  }
  backAt.sort((one, other) => one - other);
  const nth = (count: number) => backAt[count - 1] ?? Number.POSITIVE_INFINITY;
  return {
    most: nth(Math.ceil(clients * 0.99)),
    all: nth(clients),
    mean: backAt.reduce((sum, at) => sum + at, 0) / backAt.length,
    peak: Math.max(0, ...perSecond.values()),
    attemptsEach: attempts / clients,
    failedAfterBegin,
  };
}

/** A generator of numbers from 0 to below 1 (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Due {
  readonly at: number;
  readonly client: number;
}

/** A binary heap: what is due first is taken first. */
class Agenda {
  readonly #heap: Due[] = [];

  add(at: number, client: number): void {
    const heap = this.#heap;
    let index = heap.push({ at, client }) - 1;
    for (let parent = (index - 1) >> 1; index > 0 && heap[parent]!.at > at; parent = (index - 1) >> 1) {
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = { at, client };
  }

  take(): Due | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let index = 0;
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (heap[child]!.at >= last.at) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}
