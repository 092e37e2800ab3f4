/** The WebSocket that comes back, in a page or a worker. */

import type { Provided } from "../reconnecting/policy/attempt.ts";
import {
  ReconnectingWebSocket as Portable,
  type ReconnectingWebSocketOptions,
} from "../reconnecting/reconnecting-websocket.ts";
import { page } from "./surroundings.ts";

/**
 * A WebSocket that comes back: all members of the browser's, over as many connections as it takes.
 *
 * The constructor throws a SyntaxError for a URL or subprotocols that no WebSocket takes, a RangeError or a TypeError for
 * options that cannot be. Everything else that goes wrong is an event.
 */
export class ReconnectingWebSocket extends Portable {
  /** `protocols` are offered in order of preference; functions are asked before each attempt. */
  constructor(
    url: Provided<string | URL>,
    protocols: Provided<string | readonly string[]> = [],
    options: ReconnectingWebSocketOptions = {},
  ) {
    super(url, protocols, options, page);
  }
}
