/**
 * A TCP connection to a host of several addresses: the first address that connects is taken (Happy Eyeballs, RFC 8305
 * section 5).
 *
 * A slow address goes on while the next one is tried, until one is connected, all have failed, or the handshake is
 * given up. Then every other socket is destroyed. Node's own racing would give up each address after 250 ms.
 */

import type { LookupAddress } from "node:dns";
import { connect, type Socket } from "node:net";
import { arrival, failed } from "./failure.ts";
import type { PendingHandshake } from "./pending-handshake.ts";

/** The time for which an address is tried alone before the next one is tried as well, in milliseconds. */
export const headStart = 250;

/** Resolves with a socket to the first address that connects; rejects when all fail, with the errors as the cause. */
export async function dialTcp(
  handshake: PendingHandshake,
  port: number,
  addresses: readonly LookupAddress[],
): Promise<Socket> {
  const waiting = alternate(addresses);
  const racing = new Set<Socket>();
  const errors: Error[] = [];
  let timer: NodeJS.Timeout | undefined;
  handshake.step = "the connection";
  const first = new Promise<Socket>((resolve, reject) => {
    const startNext = () => {
      clearTimeout(timer);
      const address = waiting.shift();
      if (address === undefined || handshake.signal.aborted) return;
      const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
      racing.add(socket);
      handshake.own(socket);
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
    const winner = await handshake.until(first);
    racing.delete(winner);
    return winner;
  } finally {
    clearTimeout(timer);
    waiting.length = 0;
    for (const socket of racing) socket.destroy();
  }
}

/**
 * The addresses in the resolver's order, with the families alternating, so that a broken one does not delay the other.
 */
function alternate(addresses: readonly LookupAddress[]): string[] {
  const preferred = addresses.filter(({ family }) => family === addresses[0]!.family);
  const others = addresses.filter(({ family }) => family !== addresses[0]!.family);
  return Array.from({ length: Math.max(preferred.length, others.length) }, (_, index) => [
    ...preferred.slice(index, index + 1),
    ...others.slice(index, index + 1),
  ]).flatMap((pair) => pair.map(({ address }) => address));
}

/** The errors of all addresses in one, with the code of the first, as in Node's own. */
function inOne(errors: readonly Error[]): Error {
  const [first] = errors as [NodeJS.ErrnoException];
  if (errors.length === 1) return first;
  return Object.assign(new AggregateError(errors), { code: first.code });
}
