/** What the program form throws when there is no next connection. */

import type { End } from "./policy/attempt.ts";

/** There will be no other connection: `end` says how the last attempt or connection ended, `cause` what it threw. */
export class ReconnectError extends Error {
  override readonly name = "ReconnectError";
  /** How the last attempt or connection ended. */
  readonly end: End;

  constructor(end: End) {
    super(`Cannot reconnect: the end was ${end.status ?? end.code} ${end.reason}`.trimEnd(), { cause: end.error });
    this.end = end;
  }
}
