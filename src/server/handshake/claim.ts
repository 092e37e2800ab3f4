/**
 * Who answers an upgrade request: one of us, once, and nobody where another has answered already (fault C18).
 *
 * What we take is remembered by its transport. Of other libraries we know what the transport shows: that it was ended, that
 * somebody who wrote to it reads it, or that bytes were written while we decided.
 */

import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ignoreError, type UpgradeRequest } from "./refuse.ts";

/** The transports of requests that are answered, or about to be. */
const claimed = new WeakSet<object>();

/** The listener that Node leaves on a socket of TLS. */
const ofNodeTls = "onSocketTLSError";

type Transport = Pick<UpgradeRequest, "request" | "socket">;

/** Makes a request ours to answer; throws an Error, with nothing written, when it is another's. */
export function claim({ request, socket }: Transport): void {
  const transports = [socket, request.socket ?? socket];
  if (transports.some((transport) => claimed.has(transport) || isOthers(transport as Socket))) throw alreadyAnswered();
  for (const transport of transports) claimed.add(transport);
}

/** Whether nobody has taken a transport that was handed over: claimed, ended, read, or listens to it. */
export function isUntouched(socket: Duplex): boolean {
  if (claimed.has(socket) || socket.destroyed || socket.writableEnded || socket.readableFlowing) return false;
  if (socket.listenerCount("data") > 0 || socket.listenerCount("readable") > 0) return false;
  return socket.listeners("error").every((listener) => listener === ignoreError || listener.name === ofNodeTls);
}

/** How many bytes have been written to a transport; undefined for a stream that does not count them. */
export function bytesWrittenTo(socket: Duplex): number | undefined {
  return (socket as Partial<Socket>).bytesWritten;
}

/** Throws an Error when another has written to a transport that had written so many bytes. */
export function requireUnanswered(socket: Duplex, bytesWritten: number | undefined): void {
  if (socket.destroyed || bytesWrittenTo(socket) === bytesWritten) return;
  // We paused it, and it is the other's to read.
  socket.resume();
  throw alreadyAnswered();
}

/** Node stops the flow of what it hands over: when it flows, somebody has begun to read. */
function isOthers(transport: Socket): boolean {
  if (transport.destroyed) return false;
  if (transport.writableEnded) return !transport.readableEnded;
  return transport.readableFlowing === true && transport.listenerCount("data") > 0 && transport.bytesWritten > 0;
}

function alreadyAnswered(): Error {
  return new Error(
    "Cannot accept: the request was answered already; of several listeners and routes, one may take a path, and call accept once",
  );
}
