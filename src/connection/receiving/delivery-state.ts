/**
 * The states of receiving: when the pump works, and whether a message is handed on.
 *
 * The two are independent. The message pump runs on these tables, and the reference prints them.
 */

import { type LinkedState, linkStates, type StateTable } from "../../protocol/state-table.ts";

/**
 * When the pump works. `idle`: when bytes come or a reader asks. `working`: it is on the stack now. `yielded`: it has
 * worked for long enough and goes on in the next turn. `held`: neither parsed nor delivered until it is released;
 * `holding` is the rest of the step in which that began, `heldYielded` where a turn is due as well.
 */
export type PumpState = "idle" | "working" | "holding" | "yielded" | "held" | "heldYielded";

/**
 * `begun` and `ended`: the pump is called, and returns. `yielded`: more is to be done in the next turn. `turned`: that
 * turn has come. `held` and `released`: the application has to wait, or wants to, and has waited.
 */
export type PumpEvent = "begun" | "ended" | "yielded" | "turned" | "held" | "released";

/** Where each event of the pump leads. */
export const pumpTransitions: StateTable<PumpState, PumpEvent> = {
  idle: { begun: "working", yielded: "yielded", held: "held" },
  working: { ended: "idle", yielded: "yielded", held: "holding" },
  holding: { ended: "held", released: "working" },
  yielded: { turned: "idle", held: "heldYielded" },
  held: { begun: "holding", released: "idle" },
  heldYielded: { turned: "held", released: "yielded" },
};

/** The states of the pump, linked. */
export const pumpStates: Readonly<Record<PumpState, LinkedState<PumpState, PumpEvent>>> = linkStates(pumpTransitions, {
  begun: true,
  ended: true,
  yielded: true,
  turned: true,
  held: true,
  released: true,
});

/**
 * Whether a message is handed on. `delivering`: to the handler or to a reader that asks. `awaiting`: not before the
 * promise of each handler has settled. `discarding`: messages are thrown away. `finishing`: they are, and a promise is
 * awaited still.
 */
export type DeliveryState = "delivering" | "awaiting" | "discarding" | "finishing";

/**
 * `promised` and `settled`: a handler has returned a promise, and all that were returned have settled. `discarded`: no
 * message is wanted any more.
 */
export type DeliveryEvent = "promised" | "settled" | "discarded";

/** Where each event of delivery leads. */
export const deliveryTransitions: StateTable<DeliveryState, DeliveryEvent> = {
  delivering: { promised: "awaiting", discarded: "discarding" },
  awaiting: { promised: "awaiting", settled: "delivering", discarded: "finishing" },
  discarding: { promised: "finishing", discarded: "discarding" },
  finishing: { promised: "finishing", settled: "discarding", discarded: "finishing" },
};

/** The states of delivery, linked. */
export const deliveryStates: Readonly<Record<DeliveryState, LinkedState<DeliveryState, DeliveryEvent>>> = linkStates(
  deliveryTransitions,
  { promised: true, settled: true, discarded: true },
);
