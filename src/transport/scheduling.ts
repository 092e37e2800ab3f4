/**
 * What puts work in order, as it was when this file was loaded.
 *
 * Tests replace the globals to stop time. What measures time shall stop then, and is looked up at each call; but what only
 * lets something else come first must go on, or a real connection between two ends would stand still.
 */

/** `setImmediate`: a task of its own, after what has been read. */
export const setImmediate: typeof globalThis.setImmediate = globalThis.setImmediate;

/** `process.nextTick`: after what runs now, before anything is read. */
export const nextTick: typeof process.nextTick = process.nextTick;

/** `queueMicrotask`: after what runs now, before a task of anybody's. */
export const queueMicrotask: typeof globalThis.queueMicrotask = globalThis.queueMicrotask;
