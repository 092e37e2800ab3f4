/**
 * Reads of many sockets into one buffer, which saves the 64 KiB that Node allocates for each read (a fifth of the cost of
 * a small message, measured).
 *
 * `onread` is documented for sockets that connect; an accepted socket's handle is given to a new socket that has it. Where
 * the runtime does not let that happen, the socket is left as it is and reads as Node does by default.
 */

import type { Buffer } from "node:buffer";
import { Socket } from "node:net";
import { readBuffer } from "../protocol/mask-kernel.ts";

/** What is used of a socket besides its public members. */
interface BareSocket {
  _handle: { useUserBuffer?: unknown } | null;
  _server?: unknown;
  server?: unknown;
}

/**
 * A socket with the same handle that calls `receive` for each read, whose bytes at the buffer's beginning are only there until it returns; or
 * `socket` itself, which then emits `data`. The old socket must not be used any more.
 */
export function shareReads(socket: Socket, receive: (this: Socket, buffer: Buffer, length: number) => void): Socket {
  if (!canShare(socket)) return socket;
  const buffer = readBuffer;
  const old = socket as unknown as BareSocket;
  const options = {
    handle: old._handle,
    allowHalfOpen: true,
    onread: {
      buffer,
      callback(this: Socket, length: number): boolean {
        receive.call(this, buffer, length);
        return true;
      },
    },
  };
  old._handle = null;
  const sharing = new Socket(options as object);
  // The server that accepted it counts it out by these when it closes.
  const bare = sharing as unknown as BareSocket;
  bare._server = old._server;
  bare.server = old.server;
  old._server = null;
  return sharing;
}

function canShare(socket: Socket): boolean {
  const { _handle: handle } = socket as unknown as BareSocket;
  return (
    Object.getPrototypeOf(socket) === Socket.prototype &&
    typeof handle?.useUserBuffer === "function" &&
    process.versions.bun === undefined &&
    !socket.destroyed &&
    !socket.readableEnded &&
    socket.readableLength === 0 &&
    socket.writableLength === 0
  );
}
