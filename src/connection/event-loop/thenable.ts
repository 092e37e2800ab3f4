/** Promises of an application, of whatever make. */

/** Whether what a handler returned is to be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/**
 * Calls `done` when `result` has settled, after `failed` if it was rejected. A thenable of a stranger may call back at
 * once or twice, throw, or have a constructor that throws: here each comes to one of the two, later and once.
 */
export function whenSettled(result: PromiseLike<unknown>, done: () => void, failed: (error: unknown) => void): void {
  const settled = new Promise((resolve) => resolve(result));
  void settled.catch(failed).then(done);
}
