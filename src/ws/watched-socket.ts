/**
 * A socket that becomes an ordinary stream when it is written to or listened to from outside.
 *
 * A connection reads and writes past the stream of its socket, which users of `ws` do not know: they write to `_socket`,
 * listen for its `data`, or give it a timeout. Reading addresses, options and the end of the socket changes nothing.
 */

import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

/** Events that a stream does not emit while a connection goes past it. */
const bypassed: readonly (string | symbol)[] = ["data", "readable", "drain"];
/** Methods to add a listener; Node gives the sockets of HTTP servers some of them as properties of their own. */
const adders = ["on", "addListener", "once", "prependListener", "prependOnceListener"] as const;
const movers = ["write", "end", "unshift", "push"] as const;

/** The WebSocket over a socket. */
export interface SocketOwner {
  /** Others are about to write to the socket or to listen to it: it has to become an ordinary stream. */
  socketTouched(): void;
}

/** Where a socket has its owner: a property holds less than an entry of a map, and most connections idle. */
const ownerKey = Symbol("owner");

type OwnedSocket = Duplex & { [ownerKey]?: SocketOwner };

/** The prototypes of sockets under watch, by those that they had. */
const watchedPrototypes: ReadonlyMap<object, object> = new Map(
  [Socket.prototype, TLSSocket.prototype].map((prototype) => [prototype, watching(prototype)]),
);

/** What inherits from a prototype, and unwatches a socket before it is used. */
function watching(prototype: Socket): object {
  const watched = Object.create(prototype) as Socket & Record<string, unknown>;
  for (const name of adders) {
    const add = prototype[name] as (this: Socket, event: string | symbol, listener: unknown) => Socket;
    watched[name] = function (this: Socket, event: string | symbol, listener: unknown): Socket {
      if (bypassed.includes(event)) unwatch(this);
      return add.call(this, event, listener);
    } as never;
  }
  for (const name of movers) {
    const move = prototype[name] as (this: Socket, ...values: unknown[]) => unknown;
    watched[name] = function (this: Socket, ...values: unknown[]): unknown {
      // Node itself ends what is read with null; without data, nothing is written.
      if (values[0] !== null && values[0] !== undefined) unwatch(this);
      return move.apply(this, values);
    } as never;
  }
  const { setTimeout } = prototype;
  watched.setTimeout = function (this: Socket, milliseconds: number, listener?: () => void): Socket {
    // What is written past the stream would count as silence.
    if (milliseconds > 0) unwatch(this);
    return setTimeout.call(this, milliseconds, listener);
  } as never;
  return watched;
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
  const watched = watchedPrototypes.get(prototypeOf(socket));
  if (watched !== undefined) wear(socket as Socket, watched);
}

/** Whether nothing has written to a socket or listened to it since it is watched. */
export function isWatched(socket: object): boolean {
  const watched = prototypeOf(socket);
  return watchedPrototypes.get(prototypeOf(watched)) === watched;
}

function unwatch(socket: Socket): void {
  // What is called here may be called by what is called next.
  if (isWatched(socket)) wear(socket, prototypeOf(prototypeOf(socket)));
  (socket as OwnedSocket)[ownerKey]!.socketTouched();
}

function wear(socket: Socket, prototype: object): void {
  Object.setPrototypeOf(socket, prototype);
  for (const name of adders) if (Object.hasOwn(socket, name)) socket[name] = (prototype as Socket)[name] as never;
}

function prototypeOf(value: object): object {
  return Object.getPrototypeOf(value) as object;
}
