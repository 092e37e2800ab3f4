/** What a page or a worker gives to what reconnects: its class, its clock and its wakes. */

import { runtimeClock } from "../reconnecting/clock.ts";
import type { SocketClass, SocketSurroundings } from "../reconnecting/reconnecting-websocket.ts";
import { type WakeListener, type WakePlace, watchWakes } from "../reconnecting/retry-triggers.ts";

/** Tells of the wakes of this page or worker until the returned function is called. */
export function watchPage(woken: WakeListener): () => void {
  return watchWakes(globalThis as WakePlace, woken);
}

/** Nothing of the page is touched before it is used. */
export const page: SocketSurroundings = {
  clock: runtimeClock,
  watchWakes: watchPage,
  dial: async (given, url, protocols) => {
    const Class = given ?? (globalThis as unknown as { readonly WebSocket: SocketClass }).WebSocket;
    return new Class(url, protocols);
  },
};
