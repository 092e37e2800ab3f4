/** When a silent peer is asked and given up, as an application says it. */

import { checkNumber } from "../../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../../protocol/check-options.ts";
import { foreignNames } from "../../protocol/foreign-names.ts";

/** When a silent peer is asked, and when it is given up; milliseconds, looked after once a second. */
export interface KeepaliveOptions {
  /** After how long without a byte received a Ping is sent. Default 25 s, below every usual proxy's limit. */
  readonly interval?: number;
  /** How long after that Ping the connection is given up if still no byte came. Default 20 s. */
  readonly timeout?: number;
}

const keepaliveTable: OptionTable<KeepaliveOptions> = { interval: "number", timeout: "number" };

/** The keepalive that an option stands for: on by default, off when false. */
export function resolveKeepalive(
  option: KeepaliveOptions | boolean | undefined,
): Required<KeepaliveOptions> | undefined {
  if (option === false) return undefined;
  const given = option === true || option === undefined ? {} : option;
  checkOptions("keep alive", given, keepaliveTable, foreignNames.keepalive);
  const { interval = 25_000, timeout = 20_000 } = given;
  checkNumber("keep alive", "interval", interval, "wheelTime");
  checkNumber("keep alive", "timeout", timeout, "wheelTime");
  return { interval, timeout };
}
