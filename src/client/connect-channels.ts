/**
 * The steps of opening handshakes, published on channels of `node:diagnostics_channel`.
 *
 * Without a subscriber nothing is made or kept. All messages of one handshake have the same object as `attempt`, which
 * tells apart handshakes that run together and has the time of each step.
 */

import { type Channel, channel } from "node:diagnostics_channel";

/** The steps of an opening handshake, in their order; `secure` is missing without TLS. */
export type ConnectStep = "start" | "socket" | "secure" | "response" | "open" | "failed";

/** An opening handshake in the messages of the channels; a redirect that is followed begins another one. */
export interface ConnectAttempt {
  /** The URL, without credentials. */
  readonly url: string;
  /** The time at which each step was reached, in milliseconds of `performance.now()`. */
  readonly times: Readonly<Partial<Record<ConnectStep, number>>>;
}

/**
 * The channels by step; their names are `openline:connect:start` and so on. Every message has `attempt`.
 *
 * Besides, `socket` and `secure` have `{ socket }`, the stream to the server behind a proxy's tunnel, before and after
 * TLS; `response` has `{ response }`, the head of the final response; `open` has `{ connection }`; `failed` has
 * `{ error }`.
 */
export const connectChannels: Readonly<Record<ConnectStep, Channel>> = {
  start: channel("openline:connect:start"),
  socket: channel("openline:connect:socket"),
  secure: channel("openline:connect:secure"),
  response: channel("openline:connect:response"),
  open: channel("openline:connect:open"),
  failed: channel("openline:connect:failed"),
};

const all = Object.values(connectChannels);

/** The messages of one opening handshake. */
export class ConnectTrace {
  /** Undefined where no channel had a subscriber when the handshake began. */
  readonly #attempt: { readonly url: string; readonly times: Partial<Record<ConnectStep, number>> } | undefined;

  /** Begins a handshake with the server of this URL. */
  constructor(url: URL) {
    if (!all.some(({ hasSubscribers }) => hasSubscribers)) return;
    const shown = new URL(url);
    shown.username = shown.password = "";
    this.#attempt = { url: shown.href, times: {} };
    this.reached("start", undefined);
  }

  /** Publishes a step. `detail` gets the name that the messages of the step's channel have for it. */
  reached(step: ConnectStep, detail: unknown): void {
    const attempt = this.#attempt;
    if (!attempt) return;
    attempt.times[step] = performance.now();
    const name = detailNames[step];
    connectChannels[step].publish({ attempt, ...(name !== undefined && { [name]: detail }) });
  }
}

/** The name of each step's detail; undefined for a step without one. */
const detailNames: Readonly<Record<ConnectStep, string | undefined>> = {
  start: undefined,
  socket: "socket",
  secure: "socket",
  response: "response",
  open: "connection",
  failed: "error",
};
