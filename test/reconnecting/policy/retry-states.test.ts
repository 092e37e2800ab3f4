import { expect, test } from "vitest";
import {
  nextState,
  type RetryState,
  type RetryTransition,
  retryReadyStates,
  retryTransitions,
} from "../../../src/reconnecting/policy/retry-states.ts";

const states = Object.keys(retryTransitions) as RetryState[];
const inputs: readonly RetryTransition[] = ["opened", "lost", "due", "leaving", "ended"];

/** The states that the design names for each; every other way is a mistake. */
const ways: Readonly<Record<RetryState, readonly RetryState[]>> = {
  connecting: ["open", "waiting", "closed"],
  open: ["waiting", "closing", "closed"],
  waiting: ["connecting", "closed"],
  closing: ["closed"],
  closed: [],
};

test.each(states)("from %s only the ways of the table lead on, and every other transition throws", (state) => {
  const reached = new Set<RetryState>();
  for (const input of inputs) {
    if (retryTransitions[state][input] === undefined) {
      expect(() => nextState(state, input)).toThrow(`${state} cannot be ${input}`);
    } else reached.add(nextState(state, input));
  }
  expect([...reached].sort()).toEqual([...ways[state]].sort());
});

test("what waits is connecting to those who read readyState", () => {
  expect(retryReadyStates).toEqual({ connecting: 0, open: 1, waiting: 0, closing: 2, closed: 3 });
});
