/**
 * A connection as a pair of web streams of whole messages, made when they are first asked for.
 *
 * A message is taken from the connection only when the readable stream is asked for it, and a write is done when the
 * outbox is below its high-water mark; so a pipe goes at the pace of its slowest part.
 */

import { CloseCode } from "../../protocol/close-code.ts";
import { violations } from "../../protocol/protocol-error.ts";
import { setImmediate } from "../../transport/scheduling.ts";
import type { CloseReport } from "../closing/close-report.ts";
import { type Deferred, deferred } from "../event-loop/deferred.ts";
import type { MessageData } from "../options/delivery-options.ts";
import type { MessageReader } from "../receiving/inbox.ts";
import type { SendOptions } from "../sending/send-options.ts";
import type { Sendable } from "../sending/sendable.ts";

/** The connection of the streams. */
export interface StreamedConnection {
  readonly readyState: 1 | 2 | 3;
  readonly ready: Promise<void>;
  readonly closed: Promise<CloseReport>;
  send(data: Sendable, options?: SendOptions): boolean;
  close(code?: number): void;
  terminate(): void;
}

/** The source that the streams read from. */
export interface StreamSource {
  /** Notes how many bytes wait in a stream that reads ahead. */
  holdInStream(length: number): void;
  /** The messages for a reader that is the only one; our Close does not end it, `return` does. */
  readToTheEnd(): MessageReader;
}

/** Close codes of a peer that has said all it had to say. */
export const finishedCodes: readonly number[] = [CloseCode.NormalClosure, CloseCode.NoStatusReceived];
/** The same, and the code of a page that is left, which to a stream of messages is a good end as well. */
const leftCodes: readonly number[] = [...finishedCodes, CloseCode.GoingAway];
const firstApplicationCode = 3000;

/** The two streams of one connection. */
export class WebStreams {
  readonly #connection: StreamedConnection;
  readonly #source: StreamSource;
  #readable: ReadableStream<MessageData> | undefined;
  #writable: WritableStream<Sendable> | undefined;
  /** Resolves when `readable` has ended; undefined while that was not asked for. */
  #read: Deferred<void> | undefined;

  constructor(connection: StreamedConnection, source: StreamSource) {
    this.#connection = connection;
    this.#source = source;
  }

  /** See `Connection`. */
  get readable(): ReadableStream<MessageData> {
    if (this.#readable === undefined) {
      const read = deferred<void>();
      this.#readable = readableOf(this.#connection, this.#source.readToTheEnd(), () => read.resolve());
      this.#read = read;
    }
    return this.#readable;
  }

  /** See `Connection`. */
  get writable(): WritableStream<Sendable> {
    this.#writable ??= writableOf(this.#connection, () => this.#read?.promise);
    return this.#writable;
  }
}

/** The error of a stream of the connection; undefined when that ended with one of the codes, both sides agreeing. */
export function endError(report: CloseReport, codes: readonly number[]): Error | undefined {
  const { code, wasClean, error, violation } = report;
  if (wasClean && codes.includes(code)) return undefined;
  const why =
    error?.message ?? (violation && violations[violation].text) ?? (report.reason || `it was closed with ${code}`);
  return new Error(`The connection did not end as it should: ${why}`, { cause: report });
}

/** The error of a write that comes too late. */
export function tooLate(): Error {
  return new Error("Cannot write: the connection is closing or closed");
}

/** Whether messages can still be sent. */
export function isOpen(connection: StreamedConnection): boolean {
  return connection.readyState === 1;
}

/** Whether messages that were given and not sent are lost. */
export function isOver(connection: StreamedConnection): boolean {
  return connection.readyState === 3;
}

function messagesEndError(report: CloseReport): Error | undefined {
  const ofApplication = report.code >= firstApplicationCode ? [report.code] : [];
  return endError(report, [...leftCodes, ...ofApplication]);
}

function readableOf(
  connection: StreamedConnection,
  messages: MessageReader,
  ended: () => void,
): ReadableStream<MessageData> {
  let cancelled = false;
  const source = {
    pull: async (controller: ReadableStreamDefaultController<MessageData>): Promise<void> => {
      const { done, value } = await messages.next();
      if (cancelled) return;
      if (!done) return controller.enqueue(value);
      const error = messagesEndError(await connection.closed);
      if (cancelled) return;
      if (error) controller.error(error);
      else controller.close();
      ended();
    },
    cancel: (): void => {
      cancelled = true;
      ended();
      connection.close();
      void messages.return();
    },
  };
  return new ReadableStream(source, { highWaterMark: 0 });
}

/**
 * Once it has ended well, closing it still succeeds until `read` has: a pipe of both streams ends as the connection
 * does.
 */
function writableOf(connection: StreamedConnection, read: () => Promise<void> | undefined): WritableStream<Sendable> {
  let ended = false;
  return new WritableStream<Sendable>({
    start: (controller) => {
      const fail = (error: Error) => ended || controller.error(error);
      void connection.closed.then(async (report) => {
        const error = messagesEndError(report);
        if (error) return fail(error);
        await read();
        // A pipe of both streams has read the end and closes within this turn; another pipe must still be told.
        setImmediate(() => fail(tooLate()));
      });
    },
    write: async (data) => {
      if (!isOpen(connection)) throw tooLate();
      if (sendOrClose(connection, data)) return;
      await connection.ready;
      if (isOver(connection)) throw tooLate();
    },
    close: async () => {
      ended = true;
      connection.close();
      const error = messagesEndError(await connection.closed);
      if (error) throw error;
    },
    abort: () => {
      ended = true;
      connection.close(CloseCode.InternalError);
    },
  });
}

/** Sends; data that cannot be sent spoils the stream for good, and the peer is told as if it had been aborted. */
function sendOrClose(connection: StreamedConnection, data: Sendable): boolean {
  try {
    return connection.send(data, { copy: true });
  } catch (error) {
    connection.close(CloseCode.InternalError);
    throw error;
  }
}
