/**
 * A call of one of the application's handlers: an exception fails the connection, and a promise is waited for where the
 * next step depends on it.
 */

import { isThenable, whenSettled } from "../event-loop/thenable.ts";
import type { ConnectionHandlers } from "./handlers.ts";

/** The connection whose handlers are called. */
export interface HandlerCaller {
  /** The public object, which handlers get. */
  readonly connection: object;
  readonly handlers: ConnectionHandlers<object>;
  /** No message is delivered before the promise of a handler has settled. */
  awaits(result: PromiseLike<unknown>): void;
  /** A handler has thrown, or its promise is rejected. */
  handlerThrew(thrown: unknown): void;
}

/** The handlers that are called here, a server's `gap` among them; messages have a shorter way. */
type HandlerName = Exclude<keyof ConnectionHandlers<object>, "message" | "error"> | "gap";

/**
 * Calls a handler if there is one, then `done`: at once, or when the promise of the handler has settled, unless it holds
 * back messages. Bytes are copied for the handler.
 */
export function callHandler(
  caller: HandlerCaller,
  name: HandlerName,
  argument?: object,
  done: () => void = () => {},
): void {
  const { handlers } = caller;
  const handler = (handlers as Readonly<Record<string, unknown>>)[name] as
    | ((connection: object, argument: unknown) => unknown)
    | undefined;
  if (!handler) return done();
  try {
    const own = argument instanceof Uint8Array ? new Uint8Array(argument) : argument;
    const result = handler.call(handlers, caller.connection, own);
    if (!isThenable(result)) return done();
    if (holdsMessages(handlers, name)) caller.awaits(result);
    else whenSettled(result, done, (error) => caller.handlerThrew(error));
  } catch (error) {
    caller.handlerThrew(error);
    done();
  }
}

/** Whether no message is delivered before the promise of such a handler has settled. */
function holdsMessages(handlers: ConnectionHandlers<object>, name: HandlerName): boolean {
  // Without a message handler, `open` may read them itself.
  return name === "closing" || (name === "open" && handlers.message !== undefined);
}
