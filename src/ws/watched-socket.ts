/**
 * A socket that becomes an ordinary stream when it is written to or listened to from outside.
 *
 * A connection reads and writes past the stream of its socket, which users of `ws` do not know: they write to `_socket`,
 * or listen for its `data`. Reading addresses, options and the end of the socket changes nothing.
 */

import { Socket } from "node:net";
import type { Transport } from "../transport/transport.ts";

/** Events that a stream does not emit while a connection goes past it. */
const bypassed: readonly (string | symbol)[] = ["data", "readable", "drain"];
/** Methods to add a listener; Node gives the sockets of HTTP servers some of them as properties of their own. */
const adders = ["on", "addListener", "once", "prependListener", "prependOnceListener"] as const;
const movers = ["write", "unshift", "push"] as const;

/** What is done for a socket before it becomes a stream. */
interface Watched {
  readonly transport: Transport;
  readonly touched: () => void;
}

const watched = new WeakMap<Socket, Watched>();

/** The prototype of sockets under watch. */
const watchedPrototype = Object.create(Socket.prototype) as Socket & Record<string, unknown>;

for (const name of adders) {
  const add = Socket.prototype[name] as (this: Socket, event: string | symbol, listener: unknown) => Socket;
  watchedPrototype[name] = function (this: Socket, event: string | symbol, listener: unknown): Socket {
    if (bypassed.includes(event)) unwatch(this);
    return add.call(this, event, listener);
  } as never;
}

for (const name of movers) {
  const move = Socket.prototype[name] as (this: Socket, ...values: unknown[]) => unknown;
  watchedPrototype[name] = function (this: Socket, ...values: unknown[]): unknown {
    // Node itself ends what is read with null.
    if (values[0] !== null) unwatch(this);
    return move.apply(this, values);
  } as never;
}

/**
 * Watches a socket whose transport has begun to listen: `touched` is called before the first use from outside. No-op for
 * every other stream, and for a socket of a class of its own.
 */
export function watch(socket: object, transport: Transport, touched: () => void): void {
  if (Object.getPrototypeOf(socket) !== Socket.prototype) return;
  watched.set(socket as Socket, { transport, touched });
  wear(socket as Socket, watchedPrototype);
}

/** Whether nothing has written to a socket or listened to it since it is watched. */
export function isWatched(socket: object): boolean {
  return Object.getPrototypeOf(socket) === watchedPrototype;
}

function unwatch(socket: Socket): void {
  const { transport, touched } = watched.get(socket)!;
  watched.delete(socket);
  wear(socket, Socket.prototype);
  touched();
  transport.becomeStream();
}

function wear(socket: Socket, prototype: object): void {
  Object.setPrototypeOf(socket, prototype);
  for (const name of adders) if (Object.hasOwn(socket, name)) socket[name] = (prototype as Socket)[name] as never;
}
