/**
 * A socket that becomes an ordinary stream when it is written to or listened to from outside.
 *
 * A connection reads and writes past the stream of its socket, which users of `ws` do not know: they write to `_socket`,
 * or listen for its `data`. Reading addresses, options and the end of the socket changes nothing.
 */

import { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Events that a stream does not emit while a connection goes past it. */
const bypassed: readonly (string | symbol)[] = ["data", "readable", "drain"];
/** Methods to add a listener; Node gives the sockets of HTTP servers some of them as properties of their own. */
const adders = ["on", "addListener", "once", "prependListener", "prependOnceListener"] as const;
const movers = ["write", "unshift", "push"] as const;

/** The WebSocket over a socket. */
export interface SocketOwner {
  /** Others are about to write to the socket or to listen to it: it has to become an ordinary stream. */
  socketTouched(): void;
}

/** Where a socket has its owner: a property holds less than an entry of a map, and most connections idle. */
const ownerKey = Symbol("owner");

type OwnedSocket = Duplex & { [ownerKey]?: SocketOwner };

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

/** Whether a socket has an owner. */
export function isOwned(socket: Duplex): boolean {
  return (socket as OwnedSocket)[ownerKey] !== undefined;
}

/**
 * Gives a socket its owner, and watches it, once its transport listens. A stream that is no socket, and a socket of a class
 * of its own, is no other for being used, and so is not watched.
 */
export function watch(socket: Duplex, owner: SocketOwner): void {
  (socket as OwnedSocket)[ownerKey] = owner;
  if (Object.getPrototypeOf(socket) === Socket.prototype) wear(socket as Socket, watchedPrototype);
}

/** Whether nothing has written to a socket or listened to it since it is watched. */
export function isWatched(socket: object): boolean {
  return Object.getPrototypeOf(socket) === watchedPrototype;
}

function unwatch(socket: Socket): void {
  wear(socket, Socket.prototype);
  (socket as OwnedSocket)[ownerKey]!.socketTouched();
}

function wear(socket: Socket, prototype: object): void {
  Object.setPrototypeOf(socket, prototype);
  for (const name of adders) if (Object.hasOwn(socket, name)) socket[name] = (prototype as Socket)[name] as never;
}
