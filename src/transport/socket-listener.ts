/**
 * How a connection hears its socket.
 *
 * The same functions listen to all sockets and find the connection as a property of theirs, so that a connection that
 * idles holds no closure for any of them.
 */

import { Buffer } from "node:buffer";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Endpoint } from "../protocol/endpoint.ts";
import { shareReads } from "./shared-reads.ts";

/** What a connection is told of its socket. */
export interface SocketListener {
  readonly endpoint: Endpoint;
  /** The first `length` bytes of the chunk came; a borrowed chunk is overwritten later. */
  received(chunk: Buffer, borrowed?: boolean, length?: number): void;
  /** The peer sends nothing more. */
  receivedEnd(): void;
  /** The socket takes bytes again. */
  socketDrained(): void;
  /** The socket took no byte, nor did one arrive, for as long as its timeout. */
  socketTimedOut(): void;
  socketFailed(error: Error): void;
  socketClosed(): void;
}

type HeardSocket = Duplex & { [listenerKey]?: SocketListener };

const listenerKey = Symbol("connection");

/**
 * Tells `listener` of all that happens on `socket` from now on, but see `listenForDrain`; reading is to be turned on.
 *
 * `ownSocket` is nobody else's: where it can be, it reads into a buffer that many share.
 */
export function listenTo(socket: Duplex, listener: SocketListener, ownSocket: boolean): void {
  (socket as HeardSocket)[listenerKey] = listener;
  if (!(socket instanceof Socket)) socket.on("data", onForeignData);
  else if (!ownSocket || !shareReads(socket, onSharedRead)) socket.on("data", onData);
  socket.on("end", onEnd);
  socket.on("error", onError);
  socket.on("close", onClose);
}

/** Until the socket takes bytes again, its listener is told of its timeout, and then that it does. */
export function listenForDrain(socket: Duplex): void {
  socket.on("drain", onDrain).on("timeout", onTimeout);
}

function onData(this: HeardSocket, chunk: Buffer): void {
  this[listenerKey]!.received(chunk);
}

function onSharedRead(this: HeardSocket, length: number, buffer: Buffer): boolean {
  const listener = this[listenerKey]!;
  listener.received(buffer, true, length);
  listener.endpoint.releaseChunk();
  return true;
}

/** Another stream's chunk may be somebody else's memory, which unmasking would change. */
function onForeignData(this: HeardSocket, chunk: Uint8Array): void {
  this[listenerKey]!.received(Buffer.from(chunk));
}

function onEnd(this: HeardSocket): void {
  this[listenerKey]!.receivedEnd();
}

function onDrain(this: HeardSocket): void {
  this.off("drain", onDrain).off("timeout", onTimeout);
  this[listenerKey]!.socketDrained();
}

function onTimeout(this: HeardSocket): void {
  this[listenerKey]!.socketTimedOut();
}

function onError(this: HeardSocket, error: Error): void {
  this[listenerKey]!.socketFailed(error);
}

function onClose(this: HeardSocket): void {
  this[listenerKey]!.socketClosed();
}
