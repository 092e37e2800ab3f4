/**
 * The handle of a TCP connection as the system's events call it, before Node has made a socket of it.
 *
 * A read tells its length by the growth of `bytesRead`; what it was when nothing grew, a socket is asked that has no handle
 * of the system's below it: Node keeps the result of the last read for whichever handle's function is called. Nothing here
 * is deprecated, but not all of it is documented, so a trial when this file is loaded decides whether it is used at all.
 */

import type { Buffer } from "node:buffer";
import { Socket } from "node:net";
import { readBuffer } from "../../protocol/frames/mask-wasm.ts";
import { canWriteToHandles, type WritableHandle } from "../streams/direct-writes.ts";
import { canShareReads } from "../streams/shared-reads.ts";

/** What is used of a handle; the numbers that its methods return are zero or an error of the system's. */
export interface TcpHandle extends WritableHandle {
  /** Called for each read, of whatever result. It must return nothing: Node would read into that next. */
  onread: (this: TcpHandle) => void;
  readonly bytesRead: number;
  readonly writeQueueSize: number;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  shutdown(request: ShutdownRequest): number;
  close(closed?: (this: TcpHandle) => void): void;
  reset(closed?: (this: TcpHandle) => void): number;
  unref(): void;
  setNoDelay(on: boolean): number;
  getpeername(into: Partial<Place>): number;
  getsockname(into: Partial<Place>): number;
}

/** One end of a connection. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

/** The request to end a side. */
export interface ShutdownRequest {
  oncomplete?: (status: number) => void;
}

/** The result of a read that brought no bytes: nothing came yet, the peer's end, or the error with Node's own words. */
export type EmptyRead = "nothing" | "end" | Error;

interface Trial {
  readonly ShutdownRequest: new () => ShutdownRequest;
  readonly emptyRead: () => EmptyRead;
}

const trial = tryHandles();

/** Whether the runtime's handles may be used. */
export const canUseHandles: boolean = trial !== undefined;

/** Whether a handle that was accepted is one of TCP, and can do all that is asked of it. */
export function isTcpHandle(handle: object): handle is TcpHandle {
  const { bytesRead, writeQueueSize } = handle as Partial<TcpHandle>;
  return (
    bytesRead === 0 &&
    writeQueueSize === 0 &&
    methods.every((name) => typeof (handle as TcpHandle)[name] === "function")
  );
}

const methods = [
  ...([
    "useUserBuffer",
    "readStart",
    "readStop",
    "writeBuffer",
    "writev",
    "shutdown",
    "close",
    "reset",
    "unref",
  ] as const),
  ...(["setNoDelay", "getpeername", "getsockname"] as const),
];

/** The beginning of the shared buffer, as long as the buffers that Node reads into: what is read is perhaps kept. */
export const firstBuffer: Buffer = readBuffer.subarray(0, 64 * 1024) as Buffer;

/** Lets the handle read into `firstBuffer`. */
export function readFirst(handle: TcpHandle, onread: (this: TcpHandle) => void): void {
  handle.useUserBuffer(firstBuffer);
  handle.onread = onread;
}

/** The result of the read for which the system just called a handle, and by which its `bytesRead` did not grow. */
export function emptyRead(): EmptyRead {
  return trial!.emptyRead();
}

/** Makes the request to end a side. */
export function shutdownRequest(ended: () => void): ShutdownRequest {
  const request = new trial!.ShutdownRequest();
  request.oncomplete = ended;
  return request;
}

/** Undefined where the runtime's sockets do not use their handles in the way that is known. */
function tryHandles(): Trial | undefined {
  // On Windows a read is under way before its bytes are there; nobody has tried this on it.
  if (process.platform === "win32") return undefined;
  if (process.versions.bun !== undefined || process.versions.deno !== undefined) return undefined;
  if (!canWriteToHandles || !canShareReads) return undefined;
  try {
    const ShutdownRequest = findShutdownRequest();
    const emptyRead = findEmptyRead();
    if (ShutdownRequest === undefined || emptyRead === undefined) return undefined;
    emptyRead();
    return { ShutdownRequest, emptyRead };
  } catch {
    return undefined;
  }
}

/** The class of the request is taken from a socket that was made to end. */
function findShutdownRequest(): Trial["ShutdownRequest"] | undefined {
  let found: Trial["ShutdownRequest"] | undefined;
  const shutdown = (request: object): number => {
    found = request.constructor as Trial["ShutdownRequest"];
    return 0;
  };
  new Socket({ handle: { ...stillHandle(), shutdown } } as object).end();
  return found === Object || found === undefined ? undefined : found;
}

/** A socket that only says what it is told of the last read. */
function findEmptyRead(): Trial["emptyRead"] | undefined {
  const handle: { onread?: () => void } = stillHandle();
  const witness = new Socket({ handle, manualStart: true } as object);
  let said: EmptyRead = "nothing";
  witness.push = (chunk: Buffer | null) => {
    if (chunk === null) said = "end";
    return true;
  };
  witness.destroy = (error?: Error) => {
    if (error !== undefined) said = error;
    return witness;
  };
  witness.read = () => null;
  witness.on = () => witness;
  if (typeof handle.onread !== "function") return undefined;
  return () => {
    said = "nothing";
    handle.onread!();
    return said;
  };
}

/** The handle of a socket on which nothing happens. */
function stillHandle(): object {
  return { readStart: () => 0, readStop: () => 0, close: () => {}, getAsyncId: () => 0 };
}
