/**
 * From a URL to an established connection, in a page or a worker.
 */

import { timerLength } from "../protocol/timer-length.ts";
import { parseUrl } from "../reconnecting/parse-url.ts";
import type { Resume, ResumedSocket } from "../reconnecting/resume.ts";
import { Connection, type ConnectionHandlers, type MessageData, type PageSocket } from "./connection.ts";
import { HandshakeError } from "./handshake-error.ts";

/** The options of `connect`, handlers of the connection included. */
export interface ConnectOptions extends ConnectionHandlers {
  /** Offered in order of preference. Default none. */
  readonly subprotocols?: readonly string[];
  /** Topics that go on where they were on the connection before: what `resumeTopics` of `openline/resume` returned. Default none. */
  readonly resume?: Resume<MessageData>;
  /** Gives up the handshake with the signal's reason; no effect once the connection is open. */
  readonly signal?: AbortSignal;
  /** How long the opening handshake may take, in milliseconds; `Infinity` for no limit. Default 10 s. */
  readonly handshakeTimeout?: number;
  /** From this many queued bytes on `send` returns false. Default 1 MiB. */
  readonly outboxHighWaterMark?: number;
}

interface Page {
  readonly WebSocket: new (url: string, protocols: string[]) => PageSocket;
}

/**
 * Opens a connection to a ws or wss URL, absolute or relative to the page; http and https stand for them.
 *
 * Rejects with a `HandshakeError`, with the signal's reason when it aborts, and with what the browser throws for
 * subprotocols that cannot be, and for ws in a page of https.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Promise<Connection> {
  const { subprotocols = [], resume, signal, handshakeTimeout = 10_000, outboxHighWaterMark = 1024 * 1024 } = options;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const { WebSocket } = globalThis as unknown as Page;
    const socket = new WebSocket(targetOf(url), resume ? resume.offer(subprotocols) : [...subprotocols]);
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const fail = (reason: unknown) => {
      settle();
      reject(reason);
      socket.close();
    };
    const abort = () => fail(signal?.reason);
    const expire = () => fail(new HandshakeError("timed-out"));
    const timer = setTimeout(expire, timerLength(handshakeTimeout));
    signal?.addEventListener("abort", abort);
    socket.binaryType = "arraybuffer";
    socket.onclose = () => fail(new HandshakeError("connection-failed"));
    socket.onopen = () => {
      try {
        resume?.first(socket as ResumedSocket);
      } catch (error) {
        return fail(error);
      }
      settle();
      resolve(new Connection(socket, options, outboxHighWaterMark));
    };
  });
}

function targetOf(url: string | URL): string {
  try {
    return parseUrl(url);
  } catch (cause) {
    throw new HandshakeError("invalid-url", { cause });
  }
}
