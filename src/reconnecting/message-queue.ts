/**
 * What is sent while there is no connection: kept in order, up to a size and an age, and given out once.
 *
 * Each message that was taken either leaves by `flush` or is told to `unsent` with the reason, never both.
 */

import type { Clock } from "./clock.ts";
import { withDefaults } from "./policy/with-defaults.ts";

/** What can be sent. */
export type SocketData = string | ArrayBuffer | ArrayBufferView | Blob;

/** How much is kept while there is no connection, and for how long. */
export interface QueueOptions {
  /** Bytes of payload, UTF-8 for text. Default 1 MiB. */
  readonly maxSize?: number;
  /** Milliseconds; `Infinity` for no limit. Default 30 s. */
  readonly maxAge?: number;
  /** What happens to a message for which there is no room. Default `"refuse"`: `send` returns false. */
  readonly overflow?: "refuse" | "drop-oldest";
}

/** Why a message that was taken was not sent: others took its place, it was too old, or the end came first. */
export type UnsentReason = "full" | "expired" | "closed";

interface Entry {
  readonly data: SocketData;
  readonly size: number;
  readonly expiresAt: number;
}

/** See the head of this file. */
export interface MessageQueue {
  /** Bytes of payload. */
  readonly size: number;
  /** Takes a message, and copies its bytes; false when there is no room for it. */
  add(data: SocketData): boolean;
  /** Gives out all that is not too old, in order, for as long as `send` returns true. */
  flush(send: (data: SocketData) => boolean): void;
  /** Gives all back as unsent: the end has come. */
  close(): void;
}

/** Makes an empty queue; false stands for one that takes nothing. Throws a RangeError for a number that cannot be. */
export function messageQueue(
  options: QueueOptions | false | undefined,
  clock: Clock,
  unsent: (data: SocketData, reason: UnsentReason) => void,
): MessageQueue {
  const { maxSize, maxAge, overflow } = withDefaults(options || {}, { maxSize: 1024 * 1024, maxAge: 30_000 });
  const entries: Entry[] = [];
  let size = 0;
  let timer: unknown;

  /** Takes from the first on while `isOut` says so, and tells them with the reason, if there is one. */
  const take = (isOut: (entry: Entry) => boolean, reason?: UnsentReason) => {
    const out: Entry[] = [];
    while (entries[0] && isOut(entries[0])) {
      size -= entries[0].size;
      out.push(entries.shift()!);
    }
    // A timer may be early by less than a millisecond, and would find nothing.
    if (entries[0]) timer = clock.setTimer(expire, entries[0].expiresAt - clock.now() + 1, timer);
    else clock.clearTimer(timer);
    for (const { data } of reason ? out : []) unsent(data, reason!);
  };
  const expire = () => {
    const now = clock.now();
    take(({ expiresAt }) => expiresAt <= now, "expired");
  };

  return {
    get size() {
      return size;
    },
    add(data) {
      const copy = copyOf(data);
      const added = sizeOf(copy);
      if (options === false || added > maxSize || (size + added > maxSize && overflow !== "drop-oldest")) return false;
      entries.push({ data: copy, size: added, expiresAt: clock.now() + maxAge });
      size += added;
      take(() => size > maxSize, "full");
      return true;
    },
    flush(send) {
      expire();
      take(({ data }) => send(data));
    },
    close: () => take(() => true, "closed"),
  };
}

/** Bytes of payload, UTF-8 for text. */
function sizeOf(data: SocketData): number {
  if (typeof data === "string") return new TextEncoder().encode(data).length;
  return (data as Blob).size ?? (data as ArrayBuffer).byteLength;
}

/** The caller may change its bytes once `send` has returned; what is no data is sent as a string. */
function copyOf(data: SocketData): SocketData {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return data instanceof ArrayBuffer || data instanceof Blob ? data.slice(0) : String(data);
}
