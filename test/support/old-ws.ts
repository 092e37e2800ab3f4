/**
 * The package `ws` as it was before several of its faults were mended (8.17.0): the control of tests that show a defence.
 *
 * A test that passes against openline and against it as well would not have seen the fault.
 */
import { createRequire } from "node:module";

/** What `ws` 8.17.0 exports, which comes without types of its own. */
export const oldWs = createRequire(import.meta.url)("ws-8.17.0") as typeof import("ws");
