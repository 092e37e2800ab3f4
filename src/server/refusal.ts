/**
 * `refuse`: what a route's `upgrade` returns so that every client learns why it is refused, a program by an HTTP status
 * and a page by a close code.
 */

import { checkNumber } from "../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../protocol/check-options.ts";
import { isSendableCloseCode } from "../protocol/close-code.ts";
import { maxReasonLength } from "../protocol/close-payload.ts";
import { utf8Length } from "../protocol/runtime/text.ts";
import { Refused, refusalUntil, withRetryAfter } from "./handshake/refused.ts";

/** What a refused client is told. */
export interface RefuseOptions {
  /** The status of the HTTP response, from 400 to 599. Default: that of `code`, such as 401 for 4401; else 403. */
  readonly status?: number;
  /** The close code for a page, where the route has `refuseByClose`. Default: that of `status`, such as 4401 for 401. */
  readonly code?: number;
  /** The reason of the Close, and the body of the response; at most 123 bytes of UTF-8. Default: none. */
  readonly reason?: string;
  /**
   * When the client may come back, in whole seconds: the `Retry-After` of the response, and the end of the Close's
   * reason, `retry-after=5`, where there is room for it. Default: not said.
   */
  readonly retryAfter?: number;
}

const refuseTable: OptionTable<RefuseOptions> = {
  status: "number",
  code: "number",
  reason: "string",
  retryAfter: "number",
};

/** The codes that say what a status says, the first of several by default; beside them, 4000 more is that of each 4xx. */
const codes: readonly (readonly [status: number, code: number])[] = [
  [401, 3000],
  [403, 3003],
  [403, 1008],
  [408, 3008],
  [500, 1011],
  [502, 1014],
  [503, 1013],
  [503, 1012],
];

/**
 * Refuses a client; for `upgrade` to return.
 *
 * Without options it is 403, and 4403 for a page. Throws a TypeError for an unknown option or one of another type, and
 * a RangeError for a status or a `retryAfter` that cannot be, a code that a Close may not carry, and a reason of more
 * than 123 bytes of UTF-8.
 */
export function refuse(options: RefuseOptions = {}): Refused {
  checkOptions("refuse", options, refuseTable);
  const { reason = "", retryAfter } = options;
  const status = checkNumber("refuse", "status", options.status ?? statusOf(options.code), {
    least: 400,
    most: 599,
    whole: true,
  });
  const code = options.code ?? codeOf(status);
  if (!isSendableCloseCode(code)) {
    throw new RangeError(`Cannot refuse: ${code} is not a code that a Close frame may carry`);
  }
  const length = utf8Length(reason);
  if (length > maxReasonLength) {
    throw new RangeError(
      `Cannot refuse: the reason is ${length} bytes of UTF-8, at most ${maxReasonLength} are allowed`,
    );
  }
  if (retryAfter !== undefined) checkNumber("refuse", "retryAfter", retryAfter, "delaySeconds");
  const response = refusalUntil(status, reason || "Cannot open the connection: the server refused it", retryAfter);
  const hinted = retryAfter === undefined ? reason : withRetryAfter(reason, retryAfter);
  return new Refused("application", response, { close: { code, reason: hinted } });
}

function statusOf(code = 4403): number {
  return codes.find((row) => row[1] === code)?.[0] ?? (code >= 4400 && code <= 4499 ? code - 4000 : 403);
}

function codeOf(status: number): number {
  return status < 500 ? status + 4000 : (codes.find((row) => row[0] === status)?.[1] ?? 1011);
}
