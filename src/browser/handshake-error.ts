/** The opening handshake as a page sees it fail: a browser tells neither status nor reason. */

/** What a page can know, under the names that it has in Node, where there are more. */
export type HandshakeRule = "invalid-url" | "connection-failed" | "timed-out";

/**
 * The opening handshake failed; `rule` says how far a browser tells it, and `cause` holds the error beneath, if any.
 *
 * A page that shall know why it is refused is let in and closed with a code, such as 4401 or 4403.
 */
export class HandshakeError extends Error {
  override readonly name = "HandshakeError";
  /** What went wrong. */
  readonly rule: HandshakeRule;

  constructor(rule: HandshakeRule, options?: { readonly cause?: unknown }) {
    super(`Cannot open the connection: ${rule}`, options);
    this.rule = rule;
  }
}
