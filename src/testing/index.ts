/// <reference types="node" preserve="true" />
/**
 * The entry `openline/testing`: handlers without a port, and a clock that a test turns.
 */

export { type ConnectionPair, connectionPair, type PairOptions } from "./connection-pair.ts";
export { VirtualClock } from "./virtual-clock.ts";
