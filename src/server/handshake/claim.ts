/**
 * The claim on an upgrade request, so that one listener answers it, once (fault C18).
 *
 * Requests of our own are remembered by their transports. Other libraries leave traces on the transport: it was ended,
 * it is read and was written to, or bytes were written while our application decided.
 */

import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ignoreError } from "../../transport/ignore-error.ts";
import type { UpgradeRequest } from "./upgrade-request.ts";

/** The transports of the requests that are answered here, or will be. */
const claimed = new WeakSet<object>();

/** The name of the `error` listener that Node leaves on a TLS socket. */
const ofNodeTls = "onSocketTLSError";

type Transport = Pick<UpgradeRequest, "request" | "socket">;

/**
 * Claims a request. Throws an Error, with nothing written, when another listener or call has claimed or answered it.
 */
export function claim({ request, socket }: Transport): void {
  const transports = [socket, request.socket ?? socket];
  if (transports.some((transport) => claimed.has(transport) || isOthers(transport as Socket))) throw alreadyAnswered();
  for (const transport of transports) claimed.add(transport);
}

/** Whether no listener has taken a transport: it is not claimed, ended, read or listened to. */
export function isUntouched(socket: Duplex): boolean {
  if (claimed.has(socket) || socket.destroyed || socket.writableEnded || socket.readableFlowing) return false;
  if (socket.listenerCount("data") > 0 || socket.listenerCount("readable") > 0) return false;
  return socket.listeners("error").every((listener) => listener === ignoreError || listener.name === ofNodeTls);
}

/** The number of bytes written to a transport; undefined for a stream that does not count them. */
export function bytesWrittenTo(socket: Duplex): number | undefined {
  return (socket as Partial<Socket>).bytesWritten;
}

/** Throws an Error when bytes were written to a transport since `bytesWritten` was read of it. */
export function requireUnanswered(socket: Duplex, bytesWritten: number | undefined): void {
  if (socket.destroyed || bytesWrittenTo(socket) === bytesWritten) return;
  // The transport was paused for our decision, and now another listener reads it.
  socket.resume();
  throw alreadyAnswered();
}

/** Whether another listener has the transport: Node hands it over paused, so it flows only when it is read. */
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
