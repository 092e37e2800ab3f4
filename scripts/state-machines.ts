/** The tables of states that a connection runs on, with what each state and event means, for the reference and for tests. */
import { closingTransitions, peerEndTransitions } from "../src/connection/closing/closing-state.ts";
import { deliveryTransitions, pumpTransitions } from "../src/connection/receiving/delivery-state.ts";
import { readyStates, transitions } from "../src/protocol/endpoint/endpoint-state.ts";
import type { StateTable } from "../src/protocol/state-table.ts";

/** One table of states, in words. */
export interface Machine {
  readonly title: string;
  readonly about: string;
  readonly table: StateTable<string, string>;
  readonly begins: string;
  /** What each state means. */
  readonly states: Readonly<Record<string, string>>;
  /** What each event is. */
  readonly events: Readonly<Record<string, string>>;
  /** The `readyState` of each state, where it decides that. */
  readonly numbers?: Readonly<Record<string, number>>;
}

/** Sees to it that each state and each event of a table is explained, and no other. */
function machine<State extends string, Event extends string>(
  described: Machine & {
    readonly table: StateTable<State, Event>;
    readonly begins: State;
    readonly states: Readonly<Record<State, string>>;
    readonly events: Readonly<Record<Event, string>>;
  },
): Machine {
  return described;
}

const mustNotHappen =
  "An event without an arrow cannot happen in a state; if it did, the library would be at fault and throw.";

/** All tables, the protocol's first. */
export const machines: readonly Machine[] = [
  machine({
    title: "The endpoint",
    about: "Where the two closing handshakes stand, RFC 6455 section 7. An event without an arrow changes nothing.",
    table: transitions,
    begins: "open",
    numbers: readyStates,
    states: {
      open: "messages flow both ways",
      closing: "our Close is sent and theirs awaited; we still read, and still answer a Ping",
      peerClosing: "their Close has come; the application finishes its replies, then our echo is sent",
      discarding: "both Close frames are done, or the connection failed; what still arrives is thrown away",
      closed: "the transport is gone",
    },
    events: {
      closeSent: "our Close is in the output",
      closeReceived: "the peer's Close was read",
      failed: "the peer broke a rule, see [protocol errors](protocol-errors.md)",
      peerEnded: "the peer ended its side of the TCP connection without a Close, and all that it sent was handled",
      transportEnded: "the TCP connection ended, in whatever way",
    },
  }),
  machine({
    title: "The message pump",
    about: `When what was received is parsed and delivered. ${mustNotHappen}`,
    table: pumpTransitions,
    begins: "idle",
    states: {
      idle: "it works when bytes come or a reader asks",
      working: "it works now",
      holding: "it works now, and will wait for a publication when this step is done",
      yielded: "it has worked for `readBudget`, and goes on in the next turn of the event loop",
      held: "it waits until what the connection published is delivered",
      heldYielded: "it waits for that, and the next turn is due as well",
    },
    events: {
      begun: "it is called",
      ended: "it returns",
      yielded: "there is more to do, in the next turn",
      turned: "the next turn has come",
      held: "delivery to a topic's subscribers is behind",
      released: "it has caught up",
    },
  }),
  machine({
    title: "Delivery",
    about: `Whether the next message is handed on. ${mustNotHappen}`,
    table: deliveryTransitions,
    begins: "delivering",
    states: {
      delivering: "it goes to the handler, or to a reader that asks",
      awaiting: "it waits for the promise of a handler",
      discarding: "it is thrown away",
      finishing: "it is thrown away, and the promise of a handler is awaited still",
    },
    events: {
      promised: "`open` or `message` has returned a promise",
      settled: "that promise has settled, and no other is awaited",
      discarded:
        "no message is wanted any more: after `terminate`, after an exception, or after `close` without a handler",
    },
  }),
  machine({
    title: "This side's end",
    about: `How far the end of the connection has come on this side. ${mustNotHappen}`,
    table: closingTransitions,
    begins: "open",
    states: {
      open: "messages may be sent",
      closeRequested:
        "our Close, or our end, stands behind what was sent, by `close` or as the answer to the peer's; or the transport is destroyed",
      ended: "the transport is gone, and what came before may still be with a handler or a reader",
      unread: "the same, and the reader has asked for nothing during `closeTimeout`",
      told: "the `close` handler is called",
      handled: "the `close` handler is done",
    },
    events: {
      closeRequested: "nothing more is to be sent",
      transportClosed: "the transport is gone; `closed` resolves",
      readerLate: "the reader was waited for long enough",
      told: "all that came before the end is handled",
      handled: "the promise of the `close` handler has settled",
    },
  }),
  machine({
    title: "The peer's end",
    about: `How far the end of what the peer sends has come. ${mustNotHappen}`,
    table: peerEndTransitions,
    begins: "none",
    states: {
      none: "the peer may send",
      received: "it has ended its side of the transport, and not all that it sent is parsed",
      withoutClose: "all is parsed, and there was no Close",
      answered: "all is handled, and our end follows",
    },
    events: {
      received: "the transport tells that the peer has ended its side",
      parsed: "all that came before is parsed",
      handled: "all that came before is handled",
    },
  }),
];
