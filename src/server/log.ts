/**
 * The records of the option `log`: the events that an operator wants to read about, each with a level and a sentence.
 *
 * Without a hook, only exceptions of the application are reported, to stderr. A hook that throws is reported there as
 * well, and changes nothing.
 */

import type { IncomingMessage } from "node:http";
import type { CloseReport } from "../connection/closing/close-report.ts";
import { errorOf, messageOf, print } from "../connection/handlers/handler-errors.ts";
import { CloseCode } from "../protocol/close-code.ts";
import { otherEnd } from "./handshake/client-address.ts";
import { placeOf, type RefusedRecord } from "./handshake/refuse.ts";
import { pathOf } from "./handshake/upgrade-request.ts";
import type { ServerConnection } from "./server-connection.ts";

interface LogEntry {
  /** `info` for acts of clients, `warn` for events that may need a look, `error` for exceptions of the application. */
  readonly level: "info" | "warn" | "error";
  /** A sentence. The path is the only part of it that a client chose. */
  readonly message: string;
}

/** The record of a connection that failed: its client broke a rule or did not read, or a message of it failed here. */
export interface FailedRecord extends LogEntry {
  /** The kind of the record. */
  readonly event: "failed";
  /** The connection, which is closed. */
  readonly connection: ServerConnection;
  /** How the connection ended; the same as the `close` handler gets. */
  readonly report: CloseReport;
}

/** The record of an exception of a handler, after which its connection is closed with 1011. */
export interface HandlerErrorRecord extends LogEntry {
  /** The kind of the record. */
  readonly event: "handler-error";
  /** The connection whose handler threw. */
  readonly connection: ServerConnection;
  /** The exception; a thrown value that is no Error is the `cause` of one. */
  readonly error: Error;
}

/** The record of a connection that the listener could not accept. */
export interface ListenerErrorRecord extends LogEntry {
  /** The kind of the record. */
  readonly event: "listener-error";
  /** The error of the listener, such as one with the code `EMFILE`. */
  readonly error: Error;
}

/**
 * The record of an exception or a rejection of `request`: 500 was answered, or an answer that had begun was cut off.
 */
export interface RequestErrorRecord extends LogEntry {
  /** The kind of the record. */
  readonly event: "request-error";
  /** The request that was to be answered. */
  readonly request: IncomingMessage;
  /** The exception; a thrown value that is no Error is the `cause` of one. */
  readonly error: Error;
}

/** A record for the option `log`; `event` tells the kinds apart. */
export type LogRecord = RefusedRecord | FailedRecord | HandlerErrorRecord | ListenerErrorRecord | RequestErrorRecord;

/** A logging hook. Its exceptions and rejections go to stderr and change nothing. */
export type Log = (record: LogRecord) => void;

/** Wraps a hook so that it neither throws nor rejects; undefined stays undefined. */
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
  print("The logging hook threw:", error);
}

/** The record of a connection that failed; undefined for one that ended in any other way. */
export function failureOf(connection: ServerConnection, report: CloseReport): FailedRecord | undefined {
  const { violation, sent, error } = report;
  const because = violation ?? (sent?.code === CloseCode.TryAgainLater ? error?.message : undefined);
  if (because === undefined) return undefined;
  const message = `Failed the connection ${placeOf(connection.path, connection.remoteAddress)}: ${because}`;
  return { event: "failed", level: "warn", message, connection, report };
}

/** The record of a handler's exception. */
export function handlerError(connection: ServerConnection, error: Error): HandlerErrorRecord {
  const place = placeOf(connection.path, connection.remoteAddress);
  const message = `A handler threw on the connection ${place}: ${messageOf(error)}`;
  return { event: "handler-error", level: "error", message, connection, error };
}

/** Logs a connection that could not be accepted; without a hook it goes to stderr. The server goes on. */
export function listenerFailed(error: Error, log: Log | undefined): void {
  const message = `The server could not accept a connection: ${messageOf(error)}`;
  if (log) guardedLog(log)?.({ event: "listener-error", level: "error", message, error });
  else print("A server could not accept a connection:", error);
}

/** A function that logs exceptions of the option `request`; without a hook, the first one goes to stderr. */
export function requestFailed(log: Log | undefined): (request: IncomingMessage, thrown: unknown) => void {
  const record = guardedLog(log);
  let printed = false;
  return (request, thrown) => {
    const error = errorOf(thrown) ?? (thrown as Error);
    record?.(requestError(request, error));
    if (record || printed) return;
    printed = true;
    print("The request listener of a server threw; the request was answered with 500:", error);
  };
}

function requestError(request: IncomingMessage, error: Error): RequestErrorRecord {
  const place = placeOf(pathOf(request.url ?? ""), otherEnd({ request, socket: request.socket }));
  const message = `The request listener threw ${place}: ${messageOf(error)}`;
  return { event: "request-error", level: "error", message, request, error };
}
