/**
 * What this process keeps open, so that tests can tell that nothing is left behind.
 */
import { setTimeout as delay } from "node:timers/promises";

const counted = /^(?:TCPSocketWrap|TLSWrap|PipeWrap|TCPConnectWrap|PipeConnectWrap|GetAddrInfoReqWrap|Timeout)$/;

/** How many of each kind. */
export type Resources = Readonly<Record<string, number>>;

/** How many sockets, timers and pending calls of the network there are now, by kind; one timer may be Vitest's. */
export function resources(): Resources {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    if (counted.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/**
 * What there is before something begins, for `leftovers` to compare with. Vitest reports what tests do by a timer of 100 ms,
 * one at a time: noted with the rest, it would hide one that is left behind, so this waits until it is over.
 */
export async function noteResources(): Promise<Resources> {
  for (let waited = 0; resources().Timeout !== undefined && waited <= 200; waited += 10) await delay(10);
  return resources();
}

/** Waits until no kind has more than it had in `before`; returns what is too many when that takes over two seconds. */
export async function leftovers(before: Resources): Promise<Record<string, number>> {
  for (let waited = 0; ; waited += 10) {
    const more: Record<string, number> = {};
    for (const [kind, count] of Object.entries(resources())) {
      const had = before[kind] ?? 0;
      if (count > had) more[kind] = count - had;
    }
    if (Object.keys(more).length === 0 || waited > 2000) return more;
    await delay(10);
  }
}
