/**
 * Reads of many sockets into one buffer, which saves the 64 KiB that Node allocates for each read (a fifth of the cost of
 * a small message, measured).
 *
 * `onread` is documented for sockets that connect. An accepted socket keeps it under the same symbols, which are found on
 * a socket that was made with it; where the runtime has none, sockets read as Node does by default.
 */

import { Buffer } from "node:buffer";
import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { maskReadBuffer, readBuffer } from "../../protocol/frames/mask-wasm.ts";

/**
 * Whether an application may be lent what was read. The memory of WebAssembly cannot be given away; an ordinary buffer can,
 * and the system would go on writing to where it was (fault D21).
 */
export const canLendReads: boolean = maskReadBuffer !== undefined;

/** Called for each read; the bytes at the buffer's beginning are only there until it returns true. */
export type ReceiveShared = (this: Socket, length: number, buffer: Buffer) => boolean;

/** What is used of a socket besides its public members. */
interface BareSocket {
  _handle: { useUserBuffer?: (buffer: Uint8Array) => void } | null;
  [key: symbol]: unknown;
}

/** Where a socket keeps its buffer, and what it calls. */
interface ReadKeys {
  readonly buffer: symbol;
  readonly callback: symbol;
}

const keys = findKeys();

/** Whether sockets can read into the shared buffer. */
export const canShareReads: boolean = keys !== undefined;

/** Whether each read of this socket now calls `receive`, and it emits no `data`; else it is as it was. */
export function shareReads(socket: Socket, receive: ReceiveShared): boolean {
  if (keys === undefined || !canShare(socket)) return false;
  const bare = socket as unknown as BareSocket;
  bare[keys.buffer] = readBuffer;
  bare[keys.callback] = receive;
  bare._handle!.useUserBuffer!(readBuffer);
  return true;
}

/**
 * Makes a socket that shares its reads an ordinary stream again: what is read goes to the stream, in memory of its own.
 * False, and nothing done, where its reads are not shared.
 */
export function unshareReads(socket: Socket): boolean {
  const bare = socket as unknown as BareSocket;
  if (keys === undefined || bare[keys.buffer] !== readBuffer || bare[keys.callback] === pushCopy) return false;
  bare[keys.callback] = pushCopy;
  // The stream waits for what it asked for when reading began, which went past it: it may ask again.
  socket.push(Buffer.alloc(0));
  return true;
}

/** Makes a stream of a handle that reads into the shared buffer, and which has stopped to read. It reads nothing yet. */
export function streamOver(handle: object): Socket {
  const socket = new Socket({
    handle,
    allowHalfOpen: true,
    manualStart: true,
    readable: true,
    writable: true,
  } as object);
  readCopies(socket);
  return socket;
}

/** As long as the buffers in which Node reads, so that a chunk is no longer than of other sockets. */
const copyBuffer = readBuffer.subarray(0, 64 * 1024);

/**
 * Lets a socket that Node has made of a handle that reads into the shared buffer read in memory of its own.
 *
 * Node itself knows only of its own buffers, and would read empty chunks.
 */
export function readCopies(socket: Socket): void {
  const bare = socket as unknown as BareSocket;
  bare[keys!.buffer] = copyBuffer;
  bare[keys!.callback] = pushCopy;
  bare._handle!.useUserBuffer!(copyBuffer);
}

/** The handle goes on reading into the shared buffer, which nothing can take from it. */
const pushCopy: ReceiveShared = function (length, buffer) {
  return this.push(Buffer.from(buffer.subarray(0, length)));
};

function findKeys(): ReadKeys | undefined {
  if (process.versions.bun !== undefined) return undefined;
  const onread = { buffer: Buffer.alloc(1), callback: () => true };
  const example = new Socket({ onread } as object) as unknown as BareSocket;
  const plain = new Socket() as unknown as BareSocket;
  const symbols = Object.getOwnPropertySymbols(example);
  const buffer = symbols.filter((key) => example[key] === onread.buffer);
  const callback = symbols.filter((key) => example[key] === onread.callback);
  if (buffer.length !== 1 || callback.length !== 1) return undefined;
  // A socket without it must have a place for it, which no other socket's shape has to change for.
  if (!(buffer[0]! in plain && callback[0]! in plain)) return undefined;
  return { buffer: buffer[0]!, callback: callback[0]! };
}

/** Whether a socket is of a class of Node's itself, with or without TLS: one of another class may read in its own way. */
export function isOrdinary(socket: Socket): boolean {
  const prototype = Object.getPrototypeOf(socket);
  return prototype === Socket.prototype || prototype === TLSSocket.prototype;
}

function canShare(socket: Socket): boolean {
  const { _handle: handle } = socket as unknown as BareSocket;
  return (
    isOrdinary(socket) &&
    typeof handle?.useUserBuffer === "function" &&
    !socket.destroyed &&
    !socket.readableEnded &&
    socket.readableLength === 0
  );
}
