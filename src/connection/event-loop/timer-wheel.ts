/**
 * One timer for all connections: a wheel of one-second slots, turned only while something is on it.
 *
 * Time is counted in ticks of the wheel, not read from a clock, so a process that was suspended does not take its own
 * absence for its peers' silence; and each tick comes after what waits in the sockets was read (fault D19). A tick is
 * never shorter than a second: what happened n + 1 ticks ago is more than n seconds ago.
 */

import { setImmediate } from "../../transport/scheduling.ts";
import { cleanContext } from "./async-context.ts";

const slotCount = 64;

/** Milliseconds a tick stands for. */
export const tickLength = 1000;

/** Something that wants to be looked at after some ticks. */
export interface Watched {
  /** The wheel's slot that holds it, -1 when none does; the wheel's own. */
  slot: number;
  /** Looks after itself; returns after how many ticks to be called again, 0 for never. */
  watch(): number;
}

const slots: Set<Watched>[] = Array.from({ length: slotCount }, () => new Set());
let timer: NodeJS.Timeout | undefined;
let watchedCount = 0;
/** Whether a turn is to come, before which the timer may be due again. */
let turning = false;
/** Ticks since the process began to watch. */
let now = 0;

/** The current tick. */
export function currentTick(): number {
  return now;
}

/** Calls `watch` after `ticks`, at the earliest the next and at the latest after a full turn of the wheel. */
export function watchAfter(watched: Watched, ticks: number): void {
  unwatch(watched);
  watched.slot = (now + Math.min(Math.max(Math.ceil(ticks), 1), slotCount - 1)) % slotCount;
  slots[watched.slot]!.add(watched);
  watchedCount++;
  timer ??= cleanContext(() => setInterval(turnAfterReading, tickLength).unref());
}

/** Takes it off the wheel. */
export function unwatch(watched: Watched): void {
  if (watched.slot < 0) return;
  slots[watched.slot]!.delete(watched);
  watched.slot = -1;
  if (--watchedCount > 0) return;
  clearInterval(timer);
  timer = undefined;
}

/** The event loop polls its sockets between timers and immediates; a second time where the process stood still between. */
function turnAfterReading(): void {
  if (turning) return;
  turning = true;
  const begun = performance.now();
  setImmediate(() => {
    if (performance.now() - begun < tickLength) turn();
    else setImmediate(turn);
  });
}

function turn(): void {
  turning = false;
  // Counted from here, a turn that comes late does not shorten the next tick.
  timer?.refresh();
  now++;
  const slot = slots[now % slotCount]!;
  for (const watched of [...slot]) {
    if (watched.slot !== now % slotCount) continue;
    const ticks = watched.watch();
    if (ticks > 0) watchAfter(watched, ticks);
    else unwatch(watched);
  }
}
