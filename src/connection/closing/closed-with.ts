/** One question about how a connection ended. */

/**
 * Whether a connection ended with one of these close codes: asks a `CloseReport`, or a `CloseEvent` of `WebSocket`. The code
 * is that of the peer's Close; 1005 if it had none, 1006 if none came (RFC 6455 section 7.1.5).
 */
export function closedWith({ code }: { readonly code: number }, ...codes: readonly number[]): boolean {
  return codes.includes(code);
}
