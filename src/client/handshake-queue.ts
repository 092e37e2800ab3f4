/**
 * The queue of opening handshakes: one per remote address and port at a time, and a limit on all together (RFC 6455
 * section 4.1, R6455-4.1-2 and R6455-4.1-3).
 *
 * A handshake that may go to several addresses waits for all of them, and then for one of the places that all
 * handshakes share. It enters the queues of its addresses in one step, and waits for nothing once it has a place, so no
 * two handshakes wait for each other.
 */

import { deferred } from "../connection/event-loop/deferred.ts";

/** The limit on handshakes that are under way together. Browsers limit them to 255 and 200. */
export const maxHandshakes: number = 255;

/** The last entry of each key: the promise of its end. */
const last = new Map<string, Promise<void>>();
let underWay = 0;
/** Handshakes whose addresses are free, and that wait for a place. */
const waiting: (() => void)[] = [];

/** A queue entry. `ready` resolves when this handshake may start; `release` frees the place, also before `ready`. */
export interface QueueEntry {
  readonly ready: Promise<unknown>;
  release(): void;
}

/** Enters the queue of each key, such as `127.0.0.1:80`. */
export function enqueue(keys: readonly string[]): QueueEntry {
  const before = keys.map((key) => last.get(key));
  const ready = Promise.all(before).then(takePlace);
  const { promise: released, resolve: release } = deferred<void>();
  // An entry that is released early still waits for its turn, so that the next one does not pass those before it.
  const left = Promise.all([ready, released]).then(() => {
    freePlace();
    for (const key of keys) if (last.get(key) === left) last.delete(key);
  });
  for (const key of keys) last.set(key, left);
  return { ready, release };
}

function takePlace(): Promise<void> | undefined {
  if (underWay < maxHandshakes) {
    underWay++;
    return undefined;
  }
  const { promise, resolve } = deferred<void>();
  waiting.push(resolve);
  return promise;
}

/** Gives the place to the handshake that has waited longest. */
function freePlace(): void {
  const next = waiting.shift();
  if (next) next();
  else underWay--;
}
