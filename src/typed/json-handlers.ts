/**
 * Handlers that get messages with a type, and the same as those that a connection calls.
 */

import { describe, isPlain } from "../protocol/check-options.ts";
import {
  type InvalidHandler,
  type InvalidMessage,
  type JsonConnection,
  type Pick,
  receiveJson,
} from "./json-connection.ts";

/** The values of the key that tells kinds of messages apart. */
export type KindOf<Message, Kind extends string> = Message extends { readonly [Key in Kind]: infer Value }
  ? Value & (string | number)
  : never;

/** The messages of one kind. */
export type OfKind<Message, Kind extends string, Value> = Message extends { readonly [Key in Kind]: infer Own }
  ? Value extends Own
    ? Message
    : never
  : never;

/** Handlers of messages with a type; a promise that one returns is awaited before the next message. */
export interface JsonMessageHandlers<Connection, Received, Kind extends string> {
  /** A message that fits. */
  message?(connection: Connection, message: Received): unknown;
  /** In place of `message`: a handler for each kind of message. */
  readonly on?: {
    readonly [Value in KindOf<Received, Kind>]: (
      connection: Connection,
      message: OfKind<Received, Kind, Value>,
    ) => unknown;
  };
  /**
   * A message that does not fit: it goes nowhere else, and the connection goes on. Default: the connection is closed,
   * with 1007 in Node and 4400 in a page, and the first issue as the reason.
   */
  invalid?(connection: Connection, message: InvalidMessage): unknown;
}

interface Given {
  readonly message?: unknown;
  readonly on?: unknown;
  readonly invalid?: unknown;
}

type Handler = (connection: object, ...values: unknown[]) => unknown;

/** Those handlers of a connection that get nothing else of a message than the connection. */
const others = ["open", "drain", "gap", "close", "error", "ping", "pong"];

/**
 * The options with handlers for the connection underneath. `faceOf` gives the connection that the handlers get.
 *
 * Throws a TypeError where both `message` and `on` are given, and for a kind whose handler is no function.
 */
export function rawHandlers(
  action: string,
  options: object,
  kind: string,
  faceOf: (raw: object) => JsonConnection<unknown, never>,
): object {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Cannot ${action}: it takes an object of options and handlers, not ${describe(options)}`);
  }
  const { on, invalid, message, ...plain } = options as Given;
  const handlers: Record<string, unknown> = {};
  for (const name of others) {
    const handler = (options as Readonly<Record<string, unknown>>)[name];
    if (typeof handler !== "function") continue;
    handlers[name] = (raw: object, ...values: unknown[]) => (handler as Handler).call(options, faceOf(raw), ...values);
  }
  if (on !== undefined) {
    if (message !== undefined)
      throw new TypeError(`Cannot ${action}: messages go either to message or to on, not to both`);
    checkKinds(action, on);
  }
  if (invalid !== undefined && typeof invalid !== "function") {
    throw new TypeError(`Cannot ${action}: invalid must be a function`);
  }
  const handlerOf =
    on === undefined ? (typeof message === "function" ? () => message : undefined) : kindPicker(on, kind);
  if (handlerOf) {
    handlers.message = (raw: object, data: string | Uint8Array) => {
      const face = faceOf(raw);
      const pick: Pick<unknown> = (value) => {
        const handler = handlerOf(value) as Handler | undefined;
        return handler && ((given) => handler.call(options, face, given));
      };
      return receiveJson(face as JsonConnection<unknown, never>, data, pick);
    };
  }
  if (isPlain(options)) return { ...plain, ...handlers };
  // An object of a class keeps its handlers in its prototype, and may have what is no option.
  return Object.setPrototypeOf(handlers, options);
}

/** The `invalid` handler of the options, bound to them. */
export function invalidHandlerOf(options: object): InvalidHandler | undefined {
  const { invalid } = Object(options) as { readonly invalid?: InvalidHandler };
  return invalid && ((connection, message) => invalid.call(options, connection, message));
}

function checkKinds(action: string, on: unknown): asserts on is object {
  if (typeof on !== "object" || on === null) {
    throw new TypeError(`Cannot ${action}: on must be an object with a handler for each kind of message`);
  }
  for (const [name, handler] of Object.entries(on)) {
    if (typeof handler !== "function")
      throw new TypeError(`Cannot ${action}: the handler of "${name}" must be a function`);
  }
}

/** Kinds are own keys alone: a peer may send the name of anything that objects inherit. */
function kindPicker(on: object, kind: string): (value: unknown) => unknown {
  const byKind = new Map(Object.entries(on));
  return (value) => {
    const own: unknown = Object(value)[kind];
    return typeof own === "string" || typeof own === "number" ? byKind.get(String(own)) : undefined;
  };
}
