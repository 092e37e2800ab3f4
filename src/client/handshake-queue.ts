/**
 * One opening handshake per remote address and port at a time, and a limit on all together (RFC 6455 section 4.1,
 * R6455-4.1-2 and R6455-4.1-3).
 *
 * A handshake that may go to several addresses waits for all of them, and then for one of the places that all share.
 * Addresses are lined up for in one step, and who has a place waits for nothing, so no two wait for each other.
 */

import { deferred } from "../connection/deferred.ts";

/** How many handshakes are under way together; browsers keep to 255 and 200. */
export const mostPending: number = 255;

const last = new Map<string, Promise<void>>();
let pending = 0;
const waiting: (() => void)[] = [];

/** A place in line: `come` resolves when it is this handshake's turn, `leave` lets the next one on and may come early. */
export interface Turn {
  readonly come: Promise<unknown>;
  leave(): void;
}

/** Takes a place in the line of each key, such as `127.0.0.1:80`. */
export function queue(keys: readonly string[]): Turn {
  const before = keys.map((key) => last.get(key));
  const come = Promise.all(before).then(takePlace);
  const { promise, resolve } = deferred<void>();
  // Who leaves before its turn has come must not let the next one pass those that are still at it.
  const left = Promise.all([come, promise]).then(() => {
    givePlace();
    for (const key of keys) if (last.get(key) === left) last.delete(key);
  });
  for (const key of keys) last.set(key, left);
  return { come, leave: resolve };
}

function takePlace(): Promise<void> | undefined {
  if (pending < mostPending) {
    pending++;
    return undefined;
  }
  const { promise, resolve } = deferred<void>();
  waiting.push(resolve);
  return promise;
}

/** The place goes to who has waited longest. */
function givePlace(): void {
  const next = waiting.shift();
  if (next) next();
  else pending--;
}
