/**
 * The states of the end of a connection: how far this side has come, and how far the end of the peer's side has. The
 * endpoint has states of its own for the two Close frames.
 *
 * The two are independent. The close sequence runs on these tables, and the reference prints them.
 */

import { type LinkedState, linkStates, type StateTable } from "../../protocol/state-table.ts";

/**
 * How far this side has come. `open`: messages may be sent. `closeRequested`: no more, since our Close or our end stands
 * behind what was sent, by `close` or as the answer to the peer's, or since the transport was destroyed. `ended`: the
 * transport is gone, and what came before may still be with a handler or a reader; `unread`: the reader was waited for
 * long enough. `told`: the `close` handler is called. `handled`: it is done.
 */
export type ClosingState = "open" | "closeRequested" | "ended" | "unread" | "told" | "handled";

/** The events of this side, in the words of the states they lead to. */
export type ClosingEvent = "closeRequested" | "transportClosed" | "readerLate" | "told" | "handled";

/** Where each event of this side leads. */
export const closingTransitions: StateTable<ClosingState, ClosingEvent> = {
  open: { closeRequested: "closeRequested", transportClosed: "ended" },
  closeRequested: { transportClosed: "ended" },
  ended: { readerLate: "unread", told: "told" },
  unread: { told: "told" },
  told: { handled: "handled" },
  handled: {},
};

/** The states of this side, linked. */
export const closingStates: Readonly<Record<ClosingState, LinkedState<ClosingState, ClosingEvent>>> = linkStates(
  closingTransitions,
  { closeRequested: true, transportClosed: true, readerLate: true, told: true, handled: true },
);

/**
 * How far the end of the peer's side has come. `none`: it may send. `received`: nothing more comes, and not all that
 * came is parsed. `withoutClose`: all is parsed, and there was no Close. `answered`: all is handled, and our end
 * follows.
 */
export type PeerEnd = "none" | "received" | "withoutClose" | "answered";

/** `received`: the transport has told of the end. `parsed` and `handled`: all before it was, without a Close. */
export type PeerEndEvent = "received" | "parsed" | "handled";

/** Where each event of the peer's end leads. */
export const peerEndTransitions: StateTable<PeerEnd, PeerEndEvent> = {
  none: { received: "received" },
  received: { parsed: "withoutClose" },
  withoutClose: { handled: "answered" },
  answered: {},
};

/** The states of the peer's end, linked. */
export const peerEnds: Readonly<Record<PeerEnd, LinkedState<PeerEnd, PeerEndEvent>>> = linkStates(peerEndTransitions, {
  received: true,
  parsed: true,
  handled: true,
});
