/**
 * Who used which bytes of a kept-alive socket: hands out what a socket has read and written since it was last asked.
 * Asked once at the end of every exchange, the shares of a socket add up to its own counters, so nothing is estimated
 * and nothing is counted twice. A browser does not pipeline, so one exchange never holds bytes of the next.
 */

/** The two counters of `node:net`'s Socket. */
export interface CountingSocket {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Splits sockets' byte counters between the exchanges that ran on them. */
export class ByteMeter {
  readonly #marks = new WeakMap<CountingSocket, { read: number; written: number }>();

  /** Bytes read and written on `socket` since the last call for it, or since it was opened. */
  take(socket: CountingSocket): { read: number; written: number } {
    const mark = this.#marks.get(socket) ?? { read: 0, written: 0 };
    const { bytesRead, bytesWritten } = socket;
    this.#marks.set(socket, { read: bytesRead, written: bytesWritten });
    return { read: bytesRead - mark.read, written: bytesWritten - mark.written };
  }
}
