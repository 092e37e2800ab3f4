/** The functions that an application gives for what happens on a connection. */

import type { OptionTable } from "../../protocol/check-options.ts";
import type { CloseReport } from "../closing/close-report.ts";
import type { MessageData, MessageInfo } from "../options/delivery-options.ts";

/**
 * Handlers of one connection; a promise that `open` or `message` returns is awaited before the next message.
 *
 * An exception in one of them closes its connection with 1011 and goes to `error`.
 */
export interface ConnectionHandlers<Connection, Data = MessageData> {
  /**
   * The connection is established. No message goes to `message` before it is done; without that, it may read them
   * itself.
   */
  open?(connection: Connection): unknown;
  /** A whole message; with the option `borrow` its bytes are the handler's only until it returns. */
  message?(connection: Connection, data: Data, info: MessageInfo): unknown;
  /** The outbox is below its high-water mark again, after `send` returned false. */
  drain?(connection: Connection): unknown;
  /** @internal The peer's Close was parsed, or it ended without one; the answer waits for a promise, at most 2 s. */
  closing?(connection: Connection): PromiseLike<void> | undefined;
  /** The connection is over, and its last message was handled; the last call. */
  close?(connection: Connection, report: CloseReport): unknown;
  /** A handler threw; without this handler, and without `log`, the first such error of a route goes to stderr. */
  error?(connection: Connection, error: Error): unknown;
  /** A Ping came; it has been answered. */
  ping?(connection: Connection, payload: Uint8Array): unknown;
  /** A Pong came. */
  pong?(connection: Connection, payload: Uint8Array): unknown;
}

/** The handlers by name. */
export const handlerTable: OptionTable<ConnectionHandlers<never>> = {
  open: "function",
  message: "function",
  drain: "function",
  closing: "function",
  close: "function",
  error: "function",
  ping: "function",
  pong: "function",
};
