/**
 * The logging hook: what an operator wants to read about, as records with a level and a sentence.
 *
 * Without a hook nothing is logged but the application's own exceptions, which go to stderr. A hook that throws is
 * itself reported there and changes nothing.
 */

import type { IncomingMessage } from "node:http";
import type { CloseReport } from "../connection/closing/close-report.ts";
import { CloseCode } from "../protocol/close-code.ts";
import { otherEnd, type RefusedRecord, whence } from "./handshake/refuse.ts";
import { pathOf } from "./handshake/router.ts";
import type { ServerConnection } from "./server-connection.ts";

interface LogEntry {
  /** `info` for what clients do, `warn` for what may need a look, `error` for exceptions of the application. */
  readonly level: "info" | "warn" | "error";
  /** A sentence; of the client's own words it holds only the path. */
  readonly message: string;
}

/** A connection ended because its client broke a rule, did not take what it was sent, or sent what failed here. */
export interface FailedRecord extends LogEntry {
  readonly event: "failed";
  readonly connection: ServerConnection;
  readonly report: CloseReport;
}

/** A handler of a connection threw, for which it was closed with 1011. */
export interface HandlerErrorRecord extends LogEntry {
  readonly event: "handler-error";
  readonly connection: ServerConnection;
  readonly error: Error;
}

/** The listener could not accept a connection. */
export interface ListenerErrorRecord extends LogEntry {
  readonly event: "listener-error";
  readonly error: Error;
}

/** The option `request` threw, or rejected; the request was answered with 500, or its answer cut off. */
export interface RequestErrorRecord extends LogEntry {
  readonly event: "request-error";
  readonly request: IncomingMessage;
  readonly error: Error;
}

/** What `log` is called with; `event` tells the kinds apart. */
export type LogRecord = RefusedRecord | FailedRecord | HandlerErrorRecord | ListenerErrorRecord | RequestErrorRecord;

/** A logging hook. */
export type Log = (record: LogRecord) => void;

/** A hook that never throws, nor rejects where it is an async function; undefined where there is none. */
export function guardedLog(log: Log | undefined): Log | undefined {
  if (log === undefined) return undefined;
  return (record) => {
    try {
      const logged: unknown = log(record);
      if (logged instanceof Promise) logged.catch(logFailed);
    } catch (error) {
      logFailed(error);
    }
  };
}

function logFailed(error: unknown): void {
  console.error("The logging hook threw:", error);
}

/** The record of a connection that failed; undefined for one that ended in any other way. */
export function failureOf(connection: ServerConnection, report: CloseReport): FailedRecord | undefined {
  const { violation, sent, error } = report;
  const because = violation ?? (sent?.code === CloseCode.TryAgainLater ? error?.message : undefined);
  if (because === undefined) return undefined;
  const message = `Failed the connection ${whence(connection.path, connection.remoteAddress)}: ${because}`;
  return { event: "failed", level: "warn", message, connection, report };
}

/** The record of a handler's exception. */
export function handlerError(connection: ServerConnection, error: Error): HandlerErrorRecord {
  const message = `A handler threw on the connection ${whence(connection.path, connection.remoteAddress)}: ${error.message}`;
  return { event: "handler-error", level: "error", message, connection, error };
}

/** The record of an exception of the option `request`. */
export function requestError(request: IncomingMessage, error: Error): RequestErrorRecord {
  const place = whence(pathOf(request.url ?? ""), otherEnd({ request, socket: request.socket }));
  return {
    event: "request-error",
    level: "error",
    message: `The request listener threw ${place}: ${error.message}`,
    request,
    error,
  };
}
