/**
 * Handlers that run in the async context of their connection's beginning, so that an `AsyncLocalStorage` (a trace, a
 * request's log) is there in each of them.
 *
 * An option, since the runtime does not say whether any context is active, and capturing one costs some microseconds a
 * connection and a third of a microsecond a call (measured on Node 20): without it nothing is done at all.
 */

import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import type { ConnectionHandlers, ConnectionSettings } from "./handlers.ts";

/** Calls a function in the async context in which it was made. */
export type AsyncContext = <Result>(call: () => Result) => Result;

/**
 * Calls a function in the async context of the time when this module was loaded, which is nobody's: for work that many
 * connections share, which would else run in the context of the one that happened to begin it.
 */
export const cleanContext: AsyncContext = AsyncLocalStorage.snapshot();

/**
 * Calls a function in an async resource of its own, in the context of the moment: what it enters (`enterWith`) stays
 * with it and with what follows from it.
 *
 * Where a promise was made before the process first used an `AsyncLocalStorage`, Node continues it in the resource of the
 * whole process; a store that is entered there would be every later connection's.
 */
export function inOwnContext<Result>(call: () => Result): Result {
  return new AsyncResource("OPENLINE").runInAsyncScope(call);
}

/** The async context of the moment. */
export function captureContext(): AsyncContext {
  return AsyncLocalStorage.snapshot();
}

const names: Record<keyof ConnectionHandlers<unknown>, true> = {
  open: true,
  message: true,
  drain: true,
  closing: true,
  close: true,
  error: true,
  ping: true,
  pong: true,
};

/** The settings with handlers that run in the given context, for one connection. */
export function settingsIn<Connection>(
  context: AsyncContext,
  settings: ConnectionSettings<Connection>,
): ConnectionSettings<Connection> {
  const handlers = settings.handlers as Readonly<Record<string, unknown>>;
  const bound: Record<string, unknown> = {};
  for (const name of Object.keys(names)) {
    const handler = handlers[name];
    if (typeof handler === "function") {
      bound[name] = (...values: unknown[]) => context(() => handler.apply(handlers, values));
    }
  }
  return { ...settings, handlers: bound, sharedHandlers: handlers };
}
