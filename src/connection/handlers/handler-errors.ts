/**
 * What becomes of the exceptions of an application's handlers (fault D09).
 *
 * Anything can be thrown, also what throws again when it is looked at: here nothing of it is called, and to tell of it
 * never throws.
 */

import { isThenable, whenSettled } from "../event-loop/thenable.ts";
import { channels } from "../process-wide/diagnostics.ts";
import type { ConnectionSettings } from "./connection-settings.ts";

/** Errors that a connection has failed for: thrown on by a handler, they are no news. */
const known = new WeakSet<object>();
/** Handlers of which an error has been printed. */
const reported = new WeakSet<object>();

/** Converts a thrown value to an Error; undefined if that value already failed a connection. */
export function errorOf(thrown: unknown): Error | undefined {
  if (typeof thrown === "object" && thrown !== null && known.has(thrown)) return undefined;
  return isError(thrown) ? thrown : new Error(`A handler threw ${describe(thrown)}`, { cause: thrown });
}

/** From now on `errorOf` knows what was thrown. */
export function makeKnown(thrown: unknown): void {
  if (typeof thrown === "object" && thrown !== null) known.add(thrown);
}

/** Gives an error to its listeners and handlers; without any, the first error of a route goes to stderr. */
export function tellOf<Self>(error: Error, connection: Self, settings: ConnectionSettings<Self>): void {
  if (channels.error.hasSubscribers) channels.error.publish({ connection, error });
  const { handlers, sharedHandlers = handlers } = settings;
  settings.threw?.(connection, error);
  const reportSecond = (second: unknown) => {
    if (settings.threw) settings.threw(connection, errorOf(second) ?? error);
    else print("A connection's error handler threw:", second);
  };
  if (handlers.error) {
    try {
      const result = handlers.error(connection, error);
      if (isThenable(result)) whenSettled(result, () => {}, reportSecond);
      return;
    } catch (second) {
      reportSecond(second);
    }
  }
  if (settings.threw || reported.has(sharedHandlers)) return;
  reported.add(sharedHandlers);
  print("A connection's handler threw; it was closed with 1011:", error);
}

/** The message of an error, also of one whose message cannot be read. */
export function messageOf(error: Error): string {
  try {
    return String(error.message);
  } catch {
    return "an error whose message cannot be read";
  }
}

/** A Proxy may throw when it is asked for its prototype. */
function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error;
  } catch {
    return false;
  }
}

/** A thrown value in words; none of its methods is called, since that may throw as well. */
function describe(thrown: unknown): string {
  if (typeof thrown === "function") return "a function";
  return typeof thrown === "object" && thrown !== null ? "an object that is no Error" : String(thrown);
}

/** Writes to stderr, also of what does not let itself be looked at. */
export function print(text: string, error: unknown): void {
  try {
    console.error(text, error);
  } catch {
    console.error(text, "an object that cannot be shown");
  }
}
