/**
 * The options of an endpoint. All connections of a route have the same ones, and share one object with them.
 */

import { checkNumber } from "../check-number.ts";
import type { Role } from "../frames/frame.ts";
import { createMaskingKey } from "../frames/mask.ts";
import { defaultAllotment } from "../messages/message-assembler.ts";
import { longestString } from "../runtime/text.ts";

/** The type of messages that an endpoint takes from its peer. */
export type AcceptedMessages = "text" | "binary" | "any";

/** The options of an endpoint. */
export interface EndpointOptions {
  /** The side of the connection that the endpoint is. */
  readonly role: Role;
  /**
   * The longest message in bytes, inclusive, before and after inflating. Default 16 MiB; never more than a string can
   * have.
   */
  readonly maxMessageSize?: number;
  /** How many empty fragments may follow one another. Default 1024. */
  readonly maxEmptyFragments?: number;
  /** Whether permessage-deflate was agreed, so that RSV1 has a meaning. Default false. */
  readonly compression?: boolean;
  /** The type of messages that are taken; others fail the connection with 1003 at their first frame. Default `any`. */
  readonly accepts?: AcceptedMessages;
  /** Whether text is delivered as its validated bytes instead of a string. Default false. */
  readonly textAsBytes?: boolean;
  /**
   * Whether the bytes of a message are only lent: views of the chunk in which they came, whose owner may use it again
   * after `releaseChunk`. Default false: the bytes are the application's.
   */
  readonly lendsBytes?: boolean;
  /** Whether text that is delivered as bytes is validated before. Default true; where not, that is left to others. */
  readonly validatesText?: boolean;
  /**
   * Whether Pings are answered (section 5.5.2). Default true; where not, the application has to, by `answerPing` or
   * `pong`.
   */
  readonly answersPings?: boolean;
  /** Whether the Close of a failed connection says which rule was broken. Default true. */
  readonly explainsFailures?: boolean;
  /** Makes the masking key of each frame that a client sends, a signed 32-bit integer. Default: keys that nobody can guess. */
  readonly maskingKey?: () => number;
  /** Text of one frame and up to this many bytes comes whole, also where messages are streamed. Default 0. */
  readonly longestWhole?: number;
  /**
   * How much memory the unfinished long messages of the process may have, in bytes, for one of them to have memory for all
   * of its frame before that has come. Default 16 MiB.
   */
  readonly maxProcessAllotment?: number;
}

/** Options with their defaults, which many endpoints can share. Throws a RangeError for an invalid limit. */
export class EndpointSettings implements Required<EndpointOptions> {
  readonly role: Role;
  readonly maxMessageSize: number;
  readonly maxEmptyFragments: number;
  readonly compression: boolean;
  readonly accepts: AcceptedMessages;
  readonly textAsBytes: boolean;
  readonly lendsBytes: boolean;
  readonly validatesText: boolean;
  readonly answersPings: boolean;
  readonly explainsFailures: boolean;
  readonly maskingKey: () => number;
  readonly longestWhole: number;
  readonly maxProcessAllotment: number;

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
    this.validatesText = options.validatesText ?? true;
    this.answersPings = options.answersPings ?? true;
    this.explainsFailures = options.explainsFailures ?? true;
    this.maskingKey = options.maskingKey ?? createMaskingKey;
    this.longestWhole = options.longestWhole ?? 0;
    const { maxProcessAllotment = defaultAllotment } = options;
    this.maxProcessAllotment = checkNumber("make an endpoint", "maxProcessAllotment", maxProcessAllotment, "size");
  }
}
