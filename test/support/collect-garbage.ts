/** Garbage collected when a test says so, whichever runtime it runs on and however that was started. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects all garbage before it returns. */
export const collectGarbage: () => void = collector();

function collector(): () => void {
  const { Bun } = globalThis as { readonly Bun?: { gc(synchronously: boolean): void } };
  if (Bun !== undefined) return () => Bun.gc(true);
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
