/** How many messages and bytes a connection may receive in a time, as an application says it. */

import { checkNumber } from "../../protocol/check-number.ts";
import { checkOptions, describe, type OptionTable } from "../../protocol/check-options.ts";

/** How many messages and bytes each connection may send to us, by a token bucket for each of the two. */
export interface RateLimitOptions {
  /** Messages a second, also a part of one: 0.1 is one in ten seconds. Default: no limit. */
  readonly messages?: number;
  /** Bytes of messages a second; text counts by its UTF-16 units. Default: no limit. */
  readonly bytes?: number;
  /**
   * How many seconds' worth may come at once after a silence. Default 1. One message always may, and a message that is
   * larger than that is taken, and paid for by the silence behind it.
   */
  readonly burst?: number;
  /**
   * What is done with more: `"wait"` reads on when there is room again, so that TCP slows the peer down; `"close"` closes
   * with 1008 and drops what came. Default `"wait"`.
   */
  readonly exceeded?: "wait" | "close";
}

/** A limit with every default filled in; times in milliseconds. */
export interface RateLimit {
  /** The time in which room for one message comes; 0 for no limit. */
  readonly perMessage: number;
  /** The time in which room for one byte comes; 0 for no limit. */
  readonly perByte: number;
  /** The time in which an empty bucket fills up. */
  readonly burst: number;
  readonly closes: boolean;
}

const rateLimitTable: OptionTable<RateLimitOptions> = {
  messages: "number",
  bytes: "number",
  burst: "number",
  exceeded: "string",
};

const least = 0.001;

/** The limit that an option stands for; undefined for none. Throws a TypeError or a RangeError for what cannot be. */
export function resolveRateLimit(option: RateLimitOptions | false | undefined): RateLimit | undefined {
  if (option === undefined || option === false) return undefined;
  checkOptions("limit the rate", option, rateLimitTable);
  const {
    messages = Number.POSITIVE_INFINITY,
    bytes = Number.POSITIVE_INFINITY,
    burst = 1,
    exceeded = "wait",
  } = option;
  checkNumber("limit the rate", "messages", messages, { least, endless: true });
  checkNumber("limit the rate", "bytes", bytes, { least, endless: true });
  checkNumber("limit the rate", "burst", burst, { least });
  if (exceeded !== "wait" && exceeded !== "close") {
    throw new TypeError(`Cannot limit the rate: exceeded is "wait" or "close", not ${describe(exceeded)}`);
  }
  return { perMessage: 1000 / messages, perByte: 1000 / bytes, burst: burst * 1000, closes: exceeded === "close" };
}
