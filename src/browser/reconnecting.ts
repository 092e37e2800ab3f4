/** Connections one after another, in a page or a worker. */

import { runtimeClock } from "../reconnecting/clock.ts";
import { parseUrl } from "../reconnecting/parse-url.ts";
import { type Provided, provide } from "../reconnecting/policy/attempt.ts";
import { type ReconnectOptions, resolveReconnect } from "../reconnecting/policy/backoff.ts";
import { sessions } from "../reconnecting/reconnecting.ts";
import { watchWakes } from "../reconnecting/retry-triggers.ts";
import { type ConnectOptions, connect } from "./connect.ts";
import type { Connection } from "./connection.ts";

/** The options of `reconnecting`: those of `connect`, and when to come back. */
export interface ReconnectingOptions extends Omit<ConnectOptions, "handshakeTimeout" | "subprotocols"> {
  /** Offered in order of preference; a function is asked before each attempt. Default none. */
  readonly subprotocols?: Provided<readonly string[] | undefined>;
  /** When and how often to come back. */
  readonly reconnect?: ReconnectOptions;
}

/**
 * Connections one after another: `for await (const connection of reconnecting(url))` comes round again, later, whenever
 * the connection has ended.
 *
 * Coming round closes the connection, and so does leaving the loop. Throws a `ReconnectError` into the loop when the server
 * has judged this client or the attempts are used up, and the signal's reason when it aborts. The call itself throws a
 * SyntaxError for a URL that cannot be, a RangeError or a TypeError for options that cannot.
 */
export function reconnecting(
  url: Provided<string | URL>,
  options: ReconnectingOptions = {},
): AsyncIterable<Connection> {
  const { subprotocols, reconnect, signal: aborts, ...rest } = options;
  if (typeof url !== "function") parseUrl(url);
  return sessions({
    clock: runtimeClock,
    watchWakes,
    settings: resolveReconnect(reconnect),
    provides: [url, subprotocols].some((provided) => typeof provided === "function"),
    resume: options.resume,
    signal: aborts,
    dial: async (attempt) => {
      const target = await provide(url, attempt);
      const offered = await provide(subprotocols, attempt);
      const { signal } = attempt;
      return connect(target, {
        ...rest,
        subprotocols: offered ?? [],
        signal,
        handshakeTimeout: 1 / 0,
      });
    },
  });
}
