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
  options: QueueOptions | false,
  clock: Clock,
  unsent: (data: SocketData, reason: UnsentReason) => void,
): MessageQueue {
  const { maxSize, maxAge, overflow } = withDefaults("queue", options || {}, { maxSize: 1024 * 1024, maxAge: 30_000 });
  const entries: Entry[] = [];
  let size = 0;
  let timer: unknown;

  /** Gives back from the first on while `isOut` says so, and watches the age of the one that is first then. */
  const giveBack = (reason: UnsentReason, isOut: (entry: Entry) => boolean) => {
    const out: Entry[] = [];
    while (entries[0] && isOut(entries[0])) out.push(take());
    watch();
    for (const { data } of out) unsent(data, reason);
  };
  const take = () => {
    const entry = entries.shift()!;
    size -= entry.size;
    return entry;
  };
  const watch = () => {
    clock.clearTimer(timer);
    // A timer may be early by less than a millisecond, and would find nothing.
    const delay = entries[0] && entries[0].expiresAt - clock.now() + 1;
    if (delay! < 2 ** 31) timer = clock.setTimer(expire, delay!);
  };
  const expire = () => {
    const now = clock.now();
    giveBack("expired", ({ expiresAt }) => expiresAt <= now);
  };

  return {
    get size() {
      return size;
    },
    add(data) {
      const added = typeof data === "string" ? utf8Length(data) : data instanceof Blob ? data.size : data.byteLength;
      if (!options || added > maxSize || (size + added > maxSize && overflow !== "drop-oldest")) return false;
      entries.push({ data: copyOf(data), size: added, expiresAt: clock.now() + maxAge });
      size += added;
      giveBack("full", () => size > maxSize);
      return true;
    },
    flush(send) {
      expire();
      while (entries[0] && send(entries[0].data)) take();
      watch();
    },
    close: () => giveBack("closed", () => true),
  };
}

/** Bytes of UTF-8. */
export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** The caller may change its bytes once `send` has returned. */
function copyOf(data: SocketData): SocketData {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
    : (data.slice(0) as SocketData);
}
