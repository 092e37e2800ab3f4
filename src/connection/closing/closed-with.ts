/** One question about how a connection ended. */

import { describe } from "../../protocol/check-options.ts";

/**
 * Whether a connection ended with one of these close codes: asks a `CloseReport`, or a `CloseEvent` of `WebSocket`. The
 * code is that of the peer's Close; 1005 if it had none, 1006 if none came (RFC 6455 section 7.1.5).
 *
 * Throws a TypeError for what has no code, such as the promise of a report.
 */
export function closedWith(report: { readonly code: number }, ...codes: readonly number[]): boolean {
  const code: unknown = (report as { readonly code?: unknown } | null | undefined)?.code;
  if (typeof code !== "number") {
    throw new TypeError(
      `Cannot tell the close code: ${describe(report)} is no report; \`await connection.closed\` gives one`,
    );
  }
  return codes.includes(code);
}
