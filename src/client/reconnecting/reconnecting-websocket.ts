/** The WebSocket that comes back, in Node: it dials through our own class, with what that can. */

import { checkOptions, type OptionTable } from "../../protocol/check-options.ts";
import { runtimeClock } from "../../reconnecting/clock.ts";
import { type Provided, provide } from "../../reconnecting/policy/attempt.ts";
import { statusRules } from "../../reconnecting/policy/close-policy.ts";
import {
  ReconnectingWebSocket as Portable,
  type ReconnectingWebSocketOptions as PortableOptions,
} from "../../reconnecting/reconnecting-websocket.ts";
import { checkResume } from "../resume-layer.ts";
import { WebSocket } from "../whatwg/websocket.ts";
import { checkProtocols, toConnectOptions, type WebSocketOptions } from "../whatwg/websocket-arguments.ts";
import { checkHeartbeat, checkQueue, checkReconnect, reconnectingForeign, refusalOf } from "./reconnect-options.ts";

/** The options of a `ReconnectingWebSocket` in Node. */
export interface ReconnectingWebSocketOptions extends PortableOptions {
  /**
   * The options of each `WebSocket`, such as `headers`, `proxy`, `tls` or `cookieJar`; a function is asked before each
   * attempt. Default none.
   */
  readonly socket?: Provided<WebSocketOptions>;
}

const table: OptionTable<ReconnectingWebSocketOptions> = {
  reconnect: "object",
  queue: ["object", "boolean"],
  prepare: "function",
  resume: "object",
  heartbeat: "object",
  signal: "object",
  WebSocket: "function",
  socket: ["object", "function"],
};

/**
 * A WebSocket that comes back: all members of the browser's, over as many connections as it takes.
 *
 * The constructor throws a SyntaxError for a URL or subprotocols that no WebSocket takes, a RangeError or a TypeError
 * for options that cannot be. Everything else that goes wrong is an event.
 */
export class ReconnectingWebSocket extends Portable {
  /** `protocols` are offered in order of preference; functions are asked before each attempt. */
  constructor(
    url: Provided<string | URL>,
    protocols: Provided<string | readonly string[]> = [],
    options: ReconnectingWebSocketOptions = {},
  ) {
    checkOptions("reconnect", options, table, reconnectingForeign);
    checkReconnect(options.reconnect);
    checkQueue(options.queue);
    checkHeartbeat(options.heartbeat);
    checkResume("reconnect", options.resume);
    if (typeof protocols !== "function") checkProtocols([protocols].flat().map(String));
    const { socket = {} } = options;
    if (typeof socket !== "function") toConnectOptions(socket);
    super(url, protocols, options, {
      clock: runtimeClock,
      provides: typeof socket === "function",
      statusRules,
      refusalOf,
      dial: async (given, target, offered, attempt) => {
        // The attempt has a time of its own.
        const init = { handshakeTimeout: Number.POSITIVE_INFINITY, ...(await provide(socket, attempt)) };
        const Class = (given ?? WebSocket) as typeof WebSocket;
        return new Class(target, offered, init);
      },
    });
  }
}
