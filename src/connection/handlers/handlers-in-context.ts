/**
 * Handlers that run in the async context of their connection's beginning, so that an `AsyncLocalStorage` (a trace, a
 * request's log) is there in each of them.
 *
 * An option, since the runtime does not say whether any context is active, and capturing one costs some microseconds a
 * connection and a third of a microsecond a call (measured on Node 20): without it nothing is done at all.
 */

import type { AsyncContext } from "../event-loop/async-context.ts";
import type { ConnectionSettings } from "./connection-settings.ts";
import type { ConnectionHandlers } from "./handlers.ts";

const names: Record<keyof ConnectionHandlers<unknown> | "gap", true> = {
  open: true,
  message: true,
  drain: true,
  closing: true,
  gap: true,
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
