/**
 * What this process keeps open, so that tests can tell that nothing is left behind.
 */
import { setTimeout as delay } from "node:timers/promises";

const counted = /^(?:TCPSocketWrap|TLSWrap|PipeWrap|TCPConnectWrap|PipeConnectWrap|GetAddrInfoReqWrap|Timeout)$/;

/** How many sockets, timers and pending calls of the network there are, by kind. */
export function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    if (counted.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Waits until no kind has more than it had in `before`; returns what is too many when that takes over two seconds. */
export async function leftovers(before: Record<string, number>): Promise<Record<string, number>> {
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
