/** What a page or a worker gives to what reconnects: its class, its clock and its wakes. */

import { runtimeClock } from "../reconnecting/clock.ts";
import type { SocketClass, SocketSurroundings } from "../reconnecting/reconnecting-websocket.ts";
import { watchWakes } from "../reconnecting/retry-triggers.ts";

/** Nothing of the page is touched before it is used. */
export const page: SocketSurroundings = {
  clock: runtimeClock,
  watchWakes,
  dial: async (given, url, protocols) =>
    new (given ?? (globalThis as unknown as { readonly WebSocket: SocketClass }).WebSocket)(url, protocols),
};
