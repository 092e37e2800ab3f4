/** The table of states, judged as a graph. */
import { expect, test } from "vitest";
import {
  type EndpointState,
  readyStates,
  type Transition,
  transitions,
} from "../../../src/protocol/endpoint/endpoint-state.ts";

const states = Object.keys(transitions) as EndpointState[];

function path(...taken: Transition[]): EndpointState {
  return taken.reduce<EndpointState>((state, transition) => transitions[state][transition] ?? state, "open");
}

test("both Close frames lead to the same end, in either order [R6455-7.1.4-1]", () => {
  expect(path("closeSent")).toBe("closing");
  expect(path("closeReceived")).toBe("peerClosing");
  expect(path("closeSent", "closeReceived")).toBe("discarding");
  expect(path("closeReceived", "closeSent")).toBe("discarding");
});

test("a failure leads from every living state to one where nothing is read [R6455-7.1.7-3]", () => {
  for (const state of ["open", "closing", "peerClosing"] as const) expect(transitions[state].failed).toBe("discarding");
  expect(path("failed", "closeReceived")).toBe("discarding");
  expect(path("failed", "closeSent")).toBe("discarding");
});

test("the end of the transport closes from every state, and closed is final [R6455-7.2.1-1]", () => {
  for (const state of states) {
    const end = transitions[state].transportEnded ?? state;
    expect(end).toBe("closed");
  }
  expect(transitions.closed).toEqual({});
});

test("the peer's end without a Close leads to where nothing is sent or read; after its Close the answer is still owed", () => {
  expect(path("peerEnded")).toBe("discarding");
  expect(path("closeSent", "peerEnded")).toBe("discarding");
  expect(path("closeReceived", "peerEnded")).toBe("peerClosing");
});

test("no transition leads back [R6455-5.5.1-3]", () => {
  const rank: Record<EndpointState, number> = { open: 0, closing: 1, peerClosing: 1, discarding: 2, closed: 3 };
  for (const state of states) {
    for (const next of Object.values(transitions[state])) expect(rank[next]).toBeGreaterThan(rank[state]);
  }
});

test("readyState is 1 while open, 3 when closed and 2 between [WHATWG-3.1-3]", () => {
  expect(readyStates).toEqual({ open: 1, closing: 2, peerClosing: 2, discarding: 2, closed: 3 });
});
