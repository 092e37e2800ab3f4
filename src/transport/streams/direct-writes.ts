/**
 * Writes to a handle, past the queue and the callbacks of a stream: a tenth of the cost of a small message (measured).
 *
 * A socket's stream must be idle then, and stay so until the write is complete; what fails, it is left to report. The
 * request that a handle wants is taken from a socket that was made to write one; newer handles make their own when a write
 * has to wait. Where the runtime has neither, sockets are written to as streams.
 */

import { Buffer } from "node:buffer";
import { Socket } from "node:net";
import { getSystemErrorName } from "node:util";

/** What is used of a handle to write to it. */
export interface WritableHandle {
  /** Zero, or the number of an error; where no request is given and the write has to wait, the handle's own request. */
  writeBuffer(request: Request | null, bytes: Uint8Array): number | Request;
  /** The same for several pieces, which leave in one system call. */
  writev(request: Request | null, pieces: Uint8Array[], allBytes: true): number | Request;
  /** Bytes that wait until the peer takes more; undefined where another stream than the system's takes them. */
  readonly writeQueueSize?: number;
  /** Below TLS, where what was encrypted waits. */
  readonly _parent?: WritableHandle | null;
}

interface Request {
  /** Holds the bytes while they wait. */
  buffer?: Uint8Array | Uint8Array[];
  oncomplete?: (status: number) => void;
  getAsyncId(): number;
}

/** Null where handles make their requests themselves, undefined where none could be found. */
const RequestClass = findRequestClass();
/** What a request says that is not used up. */
const noAsyncId = -1;

/**
 * The request that every write is lent, and that most give back: only a write that waits, or that the system did not take
 * at once, uses it up. To lend a used one would end the process.
 */
class SpareRequest {
  #spare: Request | undefined;

  /** The request for one write; null where the handle makes its own. */
  lend(): Request | null {
    if (!RequestClass) return null;
    this.#spare ??= new RequestClass();
    return this.#spare;
  }

  /** The write left at once. What the system took a moment later was queued meanwhile, and has used the request. */
  takeBack(): void {
    if (this.#spare !== undefined && this.#spare.getAsyncId() !== noAsyncId) this.#spare = undefined;
  }

  /** The write has used the request, or may have. */
  giveUp(): void {
    this.#spare = undefined;
  }
}

const requests = new SpareRequest();

/** What became of a direct write; "refused" says that nothing was done, and that the socket's stream has to do it. */
export type DirectOutcome = "left" | "waits" | "refused";

/** Whether handles can be written to. */
export const canWriteToHandles: boolean = RequestClass !== undefined;

/** Hears that a direct write that waited is over: zero, or the number of the system's error. */
export interface DirectWriter {
  writeCompleted(status: number): void;
}

/** Whether `writeDirectly` may be called for the socket: it is an ordinary one, and used by nothing else. */
export function canWriteDirectly(socket: Socket): boolean {
  if (!canWriteToHandles || Object.getPrototypeOf(socket) !== Socket.prototype) return false;
  const handle = handleOf(socket);
  if (typeof handle?.writeBuffer !== "function" || typeof handle.writev !== "function") return false;
  return typeof handle.writeQueueSize === "number";
}

/**
 * Writes the bytes, or several pieces of them, of which none may change while some wait; `waitingIn` says how many do.
 * Nothing may wait in the socket's stream.
 */
export function writeDirectly(socket: Socket, bytes: Uint8Array | Uint8Array[], writer: DirectWriter): DirectOutcome {
  const handle = handleOf(socket);
  if (!handle) return "refused";
  const outcome = writeTo(handle, bytes, writer);
  return typeof outcome === "number" ? "refused" : outcome;
}

/** The same for a handle that is nobody's stream: in place of "refused", the number of the system's error. */
export function writeTo(
  handle: WritableHandle,
  bytes: Uint8Array | Uint8Array[],
  writer: DirectWriter,
): "left" | "waits" | number {
  const lent = requests.lend();
  const answer = Array.isArray(bytes) ? handle.writev(lent, bytes, true) : handle.writeBuffer(lent, bytes);
  if (typeof answer === "number" && answer !== 0) {
    // The error may have come after the request was used.
    requests.giveUp();
    return answer;
  }
  if (handle.writeQueueSize === 0) {
    requests.takeBack();
    return "left";
  }
  const request = answer === 0 ? lent : answer;
  if (request !== null) {
    requests.giveUp();
    request.buffer = bytes;
    request.oncomplete = tellsOf(writer);
  }
  return "waits";
}

/** A function of its own, since one that makes a closure takes memory for it in every call. */
function tellsOf(writer: DirectWriter): (status: number) => void {
  return (status) => writer.writeCompleted(status);
}

/** The system's error of a direct write. */
export function directWriteError(status: number): Error {
  return systemError("write", status);
}

/** An error of the system with the text and the fields that Node gives it. */
export function systemError(syscall: string, status: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: status, syscall });
}

/** Whether the socket is not destroyed yet. */
export function hasHandle(socket: Socket): boolean {
  return handleOf(socket) != null;
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

function handleOf(socket: Socket): WritableHandle | null {
  return (socket as unknown as { readonly _handle: WritableHandle | null })._handle;
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
