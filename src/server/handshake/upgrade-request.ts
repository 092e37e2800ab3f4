/**
 * Questions about a request that has not been answered: an `upgrade` listener of the application's asks them before it
 * gives the request to `accept` or to another library.
 */

import type { IncomingMessage } from "node:http";
import { fieldLimits, fieldValues, parseProductList, parseTokenList } from "../../protocol/handshake/header-fields.ts";

/**
 * Whether a request asks for WebSocket: `Connection` has the token `upgrade` and `Upgrade` the product `websocket`, in
 * whatever case (RFC 6455 section 4.2.1). A request that does may still be refused for what else it says.
 */
export function isWebSocketUpgrade({ rawHeaders }: Pick<IncomingMessage, "rawHeaders">): boolean {
  const connection = parseTokenList(fieldValues(rawHeaders, "connection"));
  const upgrade = parseProductList(fieldValues(rawHeaders, "upgrade"));
  return names(connection, "upgrade") && names(upgrade, "websocket");
}

/**
 * The subprotocols that a request offers, in its order of preference (RFC 6455 section 11.3.4). Empty when it offers none,
 * and when `Sec-WebSocket-Protocol` is no list of at most 32 tokens, for which its handshake is refused.
 */
export function subprotocolsOf({ rawHeaders }: Pick<IncomingMessage, "rawHeaders">): readonly string[] {
  const offered = parseTokenList(fieldValues(rawHeaders, "sec-websocket-protocol"), fieldLimits.maxSubprotocols);
  return typeof offered === "string" ? [] : offered;
}

function names(list: readonly string[] | string, wanted: string): boolean {
  return typeof list !== "string" && list.some((name) => name.toLowerCase() === wanted);
}
