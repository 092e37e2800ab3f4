/**
 * One opening handshake per remote address and port at a time (RFC 6455 section 4.1, R6455-4.1-2).
 *
 * A handshake that may go to several addresses waits for all of them. Places in the line are taken in one step, so two
 * handshakes never wait for each other.
 */

import { deferred } from "../connection/deferred.ts";

const last = new Map<string, Promise<void>>();

/** A place in line: `come` resolves when it is this handshake's turn, `leave` lets the next one on and may come early. */
export interface Turn {
  readonly come: Promise<unknown>;
  leave(): void;
}

/** Takes a place in the line of each key, such as `127.0.0.1:80`. */
export function queue(keys: readonly string[]): Turn {
  const before = keys.map((key) => last.get(key));
  const come = Promise.all(before);
  const { promise, resolve } = deferred<void>();
  // Who leaves before its turn has come must not let the next one pass those that are still at it.
  const left = Promise.all([come, promise]).then(() => {
    for (const key of keys) if (last.get(key) === left) last.delete(key);
  });
  for (const key of keys) last.set(key, left);
  return { come, leave: resolve };
}
