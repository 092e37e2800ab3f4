/**
 * The states of what reconnects, and the only ways between them.
 *
 * The retry loop runs on this table; a transition that is not in it is a mistake of ours, and throws.
 */

/** What can happen to what reconnects. */
export type RetryTransition = "opened" | "lost" | "due" | "leaving" | "ended";

/**
 * `connecting`: provider, handshake or `prepare` is under way. `open`: there is a connection. `waiting`: until the next
 * attempt is due. `closing`: the program closed, and the connection has still to end. `closed`: for good.
 */
export type RetryState = "connecting" | "open" | "waiting" | "closing" | "closed";

/** Where each transition leads. */
export const retryTransitions: Readonly<Record<RetryState, Readonly<Partial<Record<RetryTransition, RetryState>>>>> = {
  connecting: { opened: "open", lost: "waiting", ended: "closed" },
  open: { lost: "waiting", leaving: "closing", ended: "closed" },
  waiting: { due: "connecting", ended: "closed" },
  closing: { ended: "closed" },
  closed: {},
};

/** The `readyState` of the WHATWG standard, section 3.1: what waits is about to connect. */
export const retryReadyStates: Readonly<Record<RetryState, 0 | 1 | 2 | 3>> = {
  connecting: 0,
  open: 1,
  waiting: 0,
  closing: 2,
  closed: 3,
};

/** The state after the transition; throws where the table has none. */
export function nextState(state: RetryState, transition: RetryTransition): RetryState {
  const next = retryTransitions[state][transition];
  if (!next) throw new Error(`${state} cannot be ${transition}`);
  return next;
}
