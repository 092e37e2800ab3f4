/**
 * A TCP connection to a host of several addresses: the first to connect is taken (Happy Eyeballs, RFC 8305 section 5).
 *
 * An address that takes longer does not lose its chance when the next one is tried: all go on until one is connected, all
 * have failed or the attempt is given up. Then every other socket is destroyed. Node's own racing gives each address
 * 250 ms.
 */

import type { LookupAddress } from "node:dns";
import { connect, type Socket } from "node:net";
import { arrival, failed } from "./dial.ts";
import type { Attempt } from "./pending-handshake.ts";

/** How long an address is tried alone before the next one is tried beside it, in milliseconds. */
export const headStart = 250;

/** Connects to the first of the addresses that answers; fails with an `AggregateError` as the cause when several fail. */
export async function dialTcp(attempt: Attempt, port: number, addresses: readonly LookupAddress[]): Promise<Socket> {
  const waiting = alternate(addresses);
  const racing = new Set<Socket>();
  const errors: Error[] = [];
  let timer: NodeJS.Timeout | undefined;
  attempt.step = "the connection";
  const first = new Promise<Socket>((resolve, reject) => {
    const startNext = () => {
      clearTimeout(timer);
      const address = waiting.shift();
      if (address === undefined || attempt.signal.aborted) return;
      const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
      racing.add(socket);
      attempt.own(socket);
      arrival(socket, "connect", "connection-failed").then(
        () => resolve(socket),
        (error: Error) => {
          racing.delete(socket);
          errors.push((error.cause as Error | undefined) ?? error);
          startNext();
          if (racing.size === 0) reject(failed("connection-failed", inOne(errors)));
        },
      );
      if (waiting.length > 0) timer = setTimeout(startNext, headStart);
    };
    startNext();
  });
  try {
    const winner = await attempt.until(first);
    racing.delete(winner);
    return winner;
  } finally {
    clearTimeout(timer);
    waiting.length = 0;
    for (const socket of racing) socket.destroy();
  }
}

/** In the order of the resolver, but with the families by turns, so that one that is broken does not hold up the other. */
function alternate(addresses: readonly LookupAddress[]): string[] {
  const preferred = addresses.filter(({ family }) => family === addresses[0]!.family);
  const others = addresses.filter(({ family }) => family !== addresses[0]!.family);
  return Array.from({ length: Math.max(preferred.length, others.length) }, (_, index) => [
    ...preferred.slice(index, index + 1),
    ...others.slice(index, index + 1),
  ]).flatMap((pair) => pair.map(({ address }) => address));
}

/** What all addresses failed with; the code is that of the first, as of Node's own. */
function inOne(errors: readonly Error[]): Error {
  const [first] = errors as [NodeJS.ErrnoException];
  if (errors.length === 1) return first;
  return Object.assign(new AggregateError(errors), { code: first.code });
}
