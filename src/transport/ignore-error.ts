/**
 * The `error` listener of streams whose end is noticed in another way.
 *
 * Without any listener, an `error` event ends the process: Node takes its own listeners off a socket at `upgrade`
 * (fault C04).
 */

/** Does nothing with an error. */
export function ignoreError(): void {}
