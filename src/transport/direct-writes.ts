/**
 * Writes to a socket's handle, past the queue and the callbacks of its stream: a tenth of the cost of a small message
 * (measured).
 *
 * The stream must be idle then, and stay so until the write is complete; what fails, it is left to report. The request
 * that a handle wants is taken from a socket that was made to write one; newer handles make their own when a write has to
 * wait. Where the runtime has neither, sockets are written to as streams.
 */

import { Buffer } from "node:buffer";
import { Socket } from "node:net";
import { getSystemErrorName } from "node:util";

/** What is used of a socket's handle. */
interface Handle {
  /** Zero or an error's number; where no request is given and it has to wait, the request. */
  writeBuffer(request: Request | null, bytes: Uint8Array): number | Request;
  /** The same for several pieces, which leave in one system call. */
  writev(request: Request | null, pieces: Uint8Array[], allBytes: true): number | Request;
  /** Bytes that wait until the peer takes more; undefined where another stream than the system's takes them. */
  readonly writeQueueSize?: number;
  /** Below TLS, where what was encrypted waits. */
  readonly _parent?: Handle | null;
}

interface Request {
  /** Holds the bytes while they wait. */
  buffer?: Uint8Array | Uint8Array[];
  oncomplete?: (status: number) => void;
  getAsyncId(): number;
}

/** Null where handles make their requests themselves. */
const RequestClass = findRequestClass();
/** A request is used up by a write that the system did not take at once; to use it again would end the process. */
let unused: Request | undefined;
/** What one says that is not used up. */
const noAsyncId = -1;

/** Whether `writeDirectly` may be called for the socket: it is an ordinary one, and nobody else's. */
export function canWriteDirectly(socket: Socket): boolean {
  if (RequestClass === undefined || Object.getPrototypeOf(socket) !== Socket.prototype) return false;
  const handle = handleOf(socket);
  if (typeof handle?.writeBuffer !== "function" || typeof handle.writev !== "function") return false;
  return typeof handle.writeQueueSize === "number";
}

/**
 * Writes the bytes, or several pieces of them, and returns how many wait; undefined, and nothing done, when the socket's
 * stream has to do it.
 *
 * While some wait none may change, and the socket emits `drain` when it has taken them.
 */
export function writeDirectly(socket: Socket, bytes: Uint8Array | Uint8Array[]): number | undefined {
  const handle = handleOf(socket);
  if (!handle || socket.writableLength > 0) return undefined;
  if (RequestClass) unused ??= new RequestClass();
  const result = Array.isArray(bytes)
    ? handle.writev(unused ?? null, bytes, true)
    : handle.writeBuffer(unused ?? null, bytes);
  const request = result === 0 ? unused : result;
  if (typeof request === "number") {
    // The error may have come after the request was used.
    unused = undefined;
    return undefined;
  }
  const waiting = handle.writeQueueSize!;
  if (waiting > 0 && request) {
    unused = undefined;
    request.buffer = bytes;
    request.oncomplete = (status) => completed(socket, status);
  } else if (unused && unused.getAsyncId() !== noAsyncId) {
    // What the system did not take at once it may take a moment later, while the rest is queued: nothing waits then.
    unused = undefined;
  }
  return waiting;
}

/** Bytes that wait in the socket's handle; undefined when it has none any more. */
export function waitingIn(socket: Socket): number | undefined {
  return handleOf(socket)?.writeQueueSize;
}

/**
 * The sum of what waits in all layers of a socket, where the same bytes count in each layer of TLS: it falls as they leave.
 *
 * Where the lowest is another stream than the system's, it does not before they have all left.
 */
export function waitingBelow(socket: Socket): number {
  let waiting = 0;
  for (let handle = handleOf(socket); handle; handle = handle._parent ?? null) waiting += handle.writeQueueSize ?? 0;
  return waiting;
}

function completed(socket: Socket, status: number): void {
  if (socket.destroyed) return;
  if (status === 0) return void socket.emit("drain");
  const code = getSystemErrorName(status);
  socket.destroy(Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: "write" }));
}

function handleOf(socket: Socket): Handle | null {
  return (socket as unknown as { readonly _handle: Handle | null })._handle;
}

function findRequestClass(): (new () => Request) | null | undefined {
  let found: (new () => Request) | null | undefined;
  const handle = {
    writeBuffer: (request: Request | null) => {
      found = request && (request.constructor as new () => Request);
      return 0;
    },
    getAsyncId: () => 0,
  };
  try {
    Object.assign(new Socket(), { _handle: handle }).write(Buffer.alloc(1));
  } catch {
    return undefined;
  }
  if (found && typeof (found.prototype as Partial<Request> | undefined)?.getAsyncId !== "function") return undefined;
  return found;
}
