/**
 * Async contexts: what an application's `AsyncLocalStorage` holds where its code runs.
 */

import { AsyncResource } from "node:async_hooks";

/** Calls a function in the async context in which it was made. */
export type AsyncContext = <Result>(call: () => Result) => Result;

/**
 * Calls a function in the async context of the time when this module was loaded, which is no connection's: for work
 * that many connections share. Such work would else run in the context of the connection that happened to begin it.
 */
export const cleanContext: AsyncContext = captureContext();

/**
 * Calls a function in an async resource of its own, in the context of the moment: what it enters (`enterWith`) stays
 * with it and with what follows from it.
 *
 * Where a promise was made before the process first used an `AsyncLocalStorage`, Node continues it in the resource of
 * the whole process; a store that is entered there would be every later connection's.
 */
export function inOwnContext<Result>(call: () => Result): Result {
  return new AsyncResource("OPENLINE").runInAsyncScope(call);
}

/** The async context of the moment. `AsyncLocalStorage.snapshot` does the same for twenty times the time (measured on Node 20). */
export function captureContext(): AsyncContext {
  const resource = new AsyncResource("OPENLINE");
  return (call) => resource.runInAsyncScope(call);
}
