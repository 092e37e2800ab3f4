/**
 * How an opening handshake goes, step by step, for whoever listens on `node:diagnostics_channel`.
 *
 * Nothing is made or kept while nobody listens. All messages of an attempt have the same `attempt`, which tells apart
 * several that run together and knows the time of each step.
 */

import { type Channel, channel } from "node:diagnostics_channel";

/** The steps of an attempt, in their order; one that the way to the server does not have is left out. */
export type ConnectStep = "start" | "socket" | "secure" | "response" | "open" | "failed";

/** One opening handshake, as the channels tell of it; a redirect that is followed begins another one. */
export interface ConnectAttempt {
  /** Where it goes, without credentials. */
  readonly url: string;
  /** When each step was reached, in milliseconds as `performance.now()` counts them. */
  readonly times: Readonly<Partial<Record<ConnectStep, number>>>;
}

/**
 * The channels, by what is published on them besides `attempt`:
 * `start` nothing; `socket` `{ socket }`, the stream to the server, through a proxy once its tunnel is there; `secure`
 * `{ socket }`, the same after TLS; `response` `{ response }`, the head of the final response; `open` `{ connection }`;
 * `failed` `{ error }`. Their names are `openline:connect:start` and so on.
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

/** Tells of one attempt; made when the attempt begins. */
export class ConnectTrace {
  readonly #attempt: { readonly url: string; readonly times: Partial<Record<ConnectStep, number>> } | undefined;

  /** Begins an attempt at this URL; nobody is told of one that began while nobody listened. */
  constructor(url: URL) {
    if (!all.some(({ hasSubscribers }) => hasSubscribers)) return;
    const shown = new URL(url);
    shown.username = shown.password = "";
    this.#attempt = { url: shown.href, times: {} };
    this.reached("start", undefined);
  }

  /** Publishes a step with what it brought, under the name that the step's channel has for it. */
  reached(step: ConnectStep, detail: unknown): void {
    const attempt = this.#attempt;
    if (!attempt) return;
    attempt.times[step] = performance.now();
    const name = detailNames[step];
    connectChannels[step].publish({ attempt, ...(name !== undefined && { [name]: detail }) });
  }
}

const detailNames: Readonly<Record<ConnectStep, string | undefined>> = {
  start: undefined,
  socket: "socket",
  secure: "socket",
  response: "response",
  open: "connection",
  failed: "error",
};
