/** Events whose listeners cannot harm the connection: what they throw is uncaught, as with any emitter. */

import { nextTick } from "../../transport/scheduling.ts";

/** What can emit an event of any name. */
interface Emitting {
  // biome-ignore lint/suspicious/noExplicitAny: as with any emitter
  emit(event: string, ...values: any[]): boolean;
}

/** Emits an event; what a listener throws is thrown again in a tick of its own. */
export function tell(emitter: Emitting, event: string, ...values: readonly unknown[]): void {
  try {
    emitter.emit(event, ...values);
  } catch (error) {
    throwLater(error);
  }
}

/** Throws where nothing else is on the stack. */
export function throwLater(error: unknown): void {
  nextTick(() => {
    throw error;
  });
}
