/** The exports of `ws`, its own and ours: what holds for one holds for the other, and `ws` is the control. */

import * as theirs from "ws";
import { extension } from "../../src/ws/parts/extension.ts";
import { PerMessageDeflate } from "../../src/ws/parts/permessage-deflate.ts";
import { Receiver } from "../../src/ws/parts/receiver.ts";
import { Sender } from "../../src/ws/parts/sender.ts";
import { subprotocol } from "../../src/ws/parts/subprotocol.ts";

/** The classes and objects beside the WebSocket itself. */
export interface Exports {
  readonly extension: typeof extension;
  readonly PerMessageDeflate: typeof PerMessageDeflate;
  readonly Receiver: typeof Receiver;
  readonly Sender: typeof Sender;
  readonly subprotocol: typeof subprotocol;
}

/** Ours. */
export const ours: Exports = { extension, PerMessageDeflate, Receiver, Sender, subprotocol };

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
