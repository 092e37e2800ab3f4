/**
 * Tables of states: where each event leads from each state.
 *
 * An event that a table does not have for a state must not happen there. If it does, the library is at fault, and what
 * follows could not be trusted: the transition throws.
 */

/** Where each event leads from each state; one that is missing must not happen there. */
export type StateTable<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>;

/** An event that must not happen in a state did: a fault of this library, whatever the application or the peer does. */
export class IllegalTransition extends Error {
  constructor(event: string, state: string) {
    super(`Illegal transition: ${event} while ${state}`);
  }
}

/** The state after an event; throws an `IllegalTransition` for one that must not happen in the state. */
export function stateAfter<State extends string, Event extends string>(
  table: StateTable<State, Event>,
  state: State,
  event: Event,
): State {
  const next = table[state][event];
  if (next === undefined) throw new IllegalTransition(event, state);
  return next;
}
