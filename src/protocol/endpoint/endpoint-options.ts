/**
 * What an endpoint is told when it is made. All connections of a route are told the same, and share one object of it.
 */

import { checkNumber } from "../check-number.ts";
import type { Role } from "../frames/frame.ts";
import { longestString } from "../runtime/text.ts";

/** Which messages an endpoint takes from its peer. */
export type AcceptedMessages = "text" | "binary" | "any";

/** What an endpoint needs to know from the start. */
export interface EndpointOptions {
  readonly role: Role;
  /**
   * The longest message in bytes, inclusive, before and after inflating. Default 16 MiB; never more than a string
   * holds.
   */
  readonly maxMessageSize?: number;
  /** How many empty fragments may follow one another. Default 1024. */
  readonly maxEmptyFragments?: number;
  /** Whether permessage-deflate was agreed, so that RSV1 has a meaning. Default false. */
  readonly compression?: boolean;
  /** Which messages are taken; the first frame of any other fails the connection with 1003 (section 7.4.1). Default any. */
  readonly accepts?: AcceptedMessages;
  /** Whether text is delivered as its validated bytes instead of a string. Default false. */
  readonly textAsBytes?: boolean;
  /**
   * Whether the bytes of a message are only lent: views of the chunk they came in, which its owner may use again after
   * `releaseChunk`. Default false: they are the application's.
   */
  readonly lendsBytes?: boolean;
}

/** Options with their defaults; endpoints that are made from the same ones share them. */
export class EndpointSettings implements Required<EndpointOptions> {
  readonly role: Role;
  readonly maxMessageSize: number;
  readonly maxEmptyFragments: number;
  readonly compression: boolean;
  readonly accepts: AcceptedMessages;
  readonly textAsBytes: boolean;
  readonly lendsBytes: boolean;

  constructor(options: EndpointOptions) {
    this.role = options.role;
    const { maxMessageSize = 16 * 1024 * 1024, maxEmptyFragments = 1024 } = options;
    checkNumber("make an endpoint", "maxMessageSize", maxMessageSize, "size");
    this.maxMessageSize = Math.min(maxMessageSize, longestString);
    this.maxEmptyFragments = checkNumber("make an endpoint", "maxEmptyFragments", maxEmptyFragments, "count");
    this.compression = options.compression ?? false;
    this.accepts = options.accepts ?? "any";
    this.textAsBytes = options.textAsBytes ?? false;
    this.lendsBytes = options.lendsBytes ?? false;
  }
}
