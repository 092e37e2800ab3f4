/** The exports of `ws`, its own and ours: what holds for one holds for the other, and `ws` is the control. */

import * as theirs from "ws";
import {
  createWebSocketStream,
  extension,
  PerMessageDeflate,
  Receiver,
  Sender,
  subprotocol,
  WebSocket,
  WebSocketServer,
} from "../../src/ws/index.ts";

/** What is exported. */
export interface Exports {
  readonly createWebSocketStream: typeof createWebSocketStream;
  readonly extension: typeof extension;
  readonly PerMessageDeflate: typeof PerMessageDeflate;
  readonly Receiver: typeof Receiver;
  readonly Sender: typeof Sender;
  readonly subprotocol: typeof subprotocol;
  readonly WebSocket: typeof WebSocket;
  readonly WebSocketServer: typeof WebSocketServer;
}

/** Ours. */
export const ours: Exports = {
  ...{ createWebSocketStream, extension, PerMessageDeflate, Receiver, Sender, subprotocol },
  ...{ WebSocket, WebSocketServer },
};

/** Those of `ws`, of which the declarations know nothing. */
export const control: Exports = theirs as unknown as Exports;

/** Both, for `describe.each`. */
export const both: readonly (readonly [name: string, exports: Exports])[] = [
  ["ws", control],
  ["openline/ws", ours],
];

/** Returns what a function returned or threw, as text. */
export function outcomeOf(call: () => unknown): string {
  try {
    const result = call();
    return JSON.stringify(result instanceof Set ? [...result] : result);
  } catch (error) {
    return String(error);
  }
}
