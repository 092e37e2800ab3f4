/** Connections one after another, in Node: each is opened by `connect`, with what that can. */

import type { Connection } from "../../connection/connection.ts";
import type { TextForm } from "../../connection/options/connection-options.ts";
import type { AcceptedMessages } from "../../protocol/endpoint/endpoint-options.ts";
import { runtimeClock } from "../../reconnecting/clock.ts";
import { type Attempt, type Provided, provide } from "../../reconnecting/policy/attempt.ts";
import { type ReconnectOptions, resolveReconnect } from "../../reconnecting/policy/backoff.ts";
import { statusRules } from "../../reconnecting/policy/close-policy.ts";
import { sessions } from "../../reconnecting/reconnecting.ts";
import { connectAs } from "../connect.ts";
import { type ConnectOptions, resolveConnectOptions } from "../connect-options.ts";
import type { GivenHeaders } from "../dialing/http-request.ts";
import { parseWebSocketUrl } from "../dialing/url.ts";
import { checkProtocols } from "../whatwg/websocket-arguments.ts";
import { checkReconnect, refusalOf } from "./reconnect-options.ts";

/** The options of `reconnecting`: those of `connect`, and when to come back. */
export interface ReconnectingOptions<
  Accepted extends AcceptedMessages = AcceptedMessages,
  Text extends TextForm = TextForm,
> extends Omit<ConnectOptions<Accepted, Text>, "handshakeTimeout" | "headers" | "subprotocols"> {
  /** Fields to add to the request, such as `Authorization`; a function is asked before each attempt. */
  readonly headers?: Provided<GivenHeaders | undefined>;
  /** Offered in order of preference; a function is asked before each attempt. Default none. */
  readonly subprotocols?: Provided<readonly string[] | undefined>;
  /** When and how often to come back; `handshakeTimeout` stands here. */
  readonly reconnect?: ReconnectOptions;
}

/**
 * Connections one after another: `for await (const connection of reconnecting(url))` comes round again, later, whenever
 * the connection has ended.
 *
 * Coming round closes the connection with 1000, and so does leaving the loop. Throws a `ReconnectError` into the loop
 * when the server has judged this client or the attempts are used up, and the signal's reason when it aborts. The call
 * itself throws as `connect` rejects for a URL and for options that cannot be, and a SyntaxError for subprotocols that
 * are no tokens or given twice.
 */
export function reconnecting<Accepted extends AcceptedMessages = "any", Text extends TextForm = "string">(
  url: Provided<string | URL>,
  options: ReconnectingOptions<Accepted, Text> = {},
): AsyncIterable<Connection> {
  const { headers, subprotocols, reconnect, signal, ...rest } = options as ReconnectingOptions;
  if (typeof url !== "function") parseWebSocketUrl(url);
  if ("handshakeTimeout" in options) {
    throw new TypeError('Cannot reconnect: there is no option "handshakeTimeout" here; it stands in reconnect');
  }
  checkReconnect(reconnect);
  const optionsFor = (fields: ConnectOptions["headers"], offered: readonly string[] | undefined): ConnectOptions => ({
    ...rest,
    ...(fields && { headers: fields }),
    ...(offered && { subprotocols: offered }),
  });
  const isFunction = (value: unknown) => typeof value === "function";
  const fixed = <Value>(value: Provided<Value>) => (typeof value === "function" ? undefined : (value as Value));
  resolveConnectOptions({ ...optionsFor(fixed(headers), fixed(subprotocols)), ...(signal && { signal }) });
  checkProtocols(fixed(subprotocols) ?? []);
  const dial = async (attempt: Attempt) => {
    const [target, fields, offered] = await Promise.all([
      provide(url, attempt),
      provide(headers, attempt),
      provide(subprotocols, attempt),
    ]);
    // The attempt has a time of its own.
    const handshake = { signal: attempt.signal, handshakeTimeout: Number.POSITIVE_INFINITY };
    return connectAs(
      target,
      { ...optionsFor(fields, offered), ...handshake },
      { entry: reconnecting, asBrowsers: false },
    );
  };
  return sessions({
    clock: runtimeClock,
    settings: resolveReconnect(reconnect),
    provides: [url, headers, subprotocols].some(isFunction),
    resume: rest.resume,
    signal,
    statusRules,
    refusalOf,
    dial,
  });
}
