/** Waits for something that happens elsewhere; the limit of the runner ends what never does. */
import { setTimeout as sleep } from "node:timers/promises";

/** Resolves when the condition holds. */
export async function eventually(holds: () => unknown): Promise<void> {
  while (!(await holds())) await sleep(5);
}
