/**
 * The states of an established connection and the only ways between them, RFC 6455 sections 5.5.1 and 7.1.
 *
 * The endpoint runs on this table, and the picture of the states in the reference is drawn from it.
 */

/** An event that can change the state of an endpoint. */
export type Transition = "closeSent" | "closeReceived" | "failed" | "peerEnded" | "transportEnded";

/**
 * `open`: messages flow both ways. `closing`: our Close is sent, theirs awaited. `peerClosing`: theirs was received,
 * our echo is owed. `discarding`: both are done, or the connection failed, or the peer ended its side without a Close;
 * nothing more is sent, and what still arrives is thrown away.
 * `closed`: the transport is gone.
 */
export type EndpointState = "open" | "closing" | "peerClosing" | "discarding" | "closed";

/** Where each transition leads; one that is missing leaves the state as it is. */
export const transitions: Readonly<Record<EndpointState, Readonly<Partial<Record<Transition, EndpointState>>>>> = {
  open: {
    closeSent: "closing",
    closeReceived: "peerClosing",
    failed: "discarding",
    peerEnded: "discarding",
    transportEnded: "closed",
  },
  closing: { closeReceived: "discarding", failed: "discarding", peerEnded: "discarding", transportEnded: "closed" },
  peerClosing: { closeSent: "discarding", failed: "discarding", transportEnded: "closed" },
  discarding: { transportEnded: "closed" },
  closed: {},
};

/** The `readyState` of the WHATWG standard, section 3.1; an endpoint exists from 1 on. */
export const readyStates: Readonly<Record<EndpointState, 1 | 2 | 3>> = {
  open: 1,
  closing: 2,
  peerClosing: 2,
  discarding: 2,
  closed: 3,
};
