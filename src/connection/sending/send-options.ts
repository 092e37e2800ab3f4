/** The options of `send`, and what is none of them. */

import { checkNumber } from "../../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../../protocol/check-options.ts";
import { foreignNames } from "../../protocol/foreign-names.ts";

/** The options of `send`. */
export interface SendOptions {
  /** Whether to compress, where permessage-deflate was agreed. Default: from the threshold on. */
  readonly compress?: boolean;
  /**
   * Server only: copy a payload over 64 KiB, so that its memory is the caller's again at once. Default false: it is
   * written when `send` is called, but inside a handler of this connection when that has returned, and what the system
   * did not take then is read later. So it must not be changed, transferred or resized before `bufferedAmount` says
   * that it has left.
   */
  readonly copy?: boolean;
  /**
   * Milliseconds in which the message has to leave the process, with what was sent before it and in the same turn of
   * the event loop; when it has not, the connection is given up. At least 1. Default: none, only the limit
   * `writeTimeout`.
   */
  readonly timeout?: number;
}

/** Whether there is nothing to say against them; the table takes as long as the sending itself (0.8 µs). */
function areUsual(options: SendOptions): boolean {
  if (typeof options !== "object" || options === null) return false;
  for (const name in options) {
    if (name !== "compress" && name !== "copy" && name !== "timeout") return false;
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== (name === "timeout" ? "number" : "boolean")) return false;
  }
  return true;
}

const sendTable: OptionTable<SendOptions> = { compress: "boolean", copy: "boolean", timeout: "any" };

/**
 * The timeout among the options of `send`. Throws a TypeError for what are none of them, such as the callback or the
 * options of other libraries, and a RangeError for a timeout that cannot be.
 */
export function checkSendOptions(options: SendOptions): number | undefined {
  if (!areUsual(options)) refuseUnusual(options);
  const { timeout } = options;
  return timeout === undefined ? undefined : checkNumber("send", "timeout", timeout, { least: 1, endless: true });
}

function refuseUnusual(options: SendOptions): void {
  if (typeof options === "function") {
    throw new TypeError(
      "Cannot send: there is no callback; `await connection.ready` waits until there is room for more",
    );
  }
  checkOptions("send", options, sendTable, foreignNames.send);
}
