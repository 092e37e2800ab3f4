/**
 * An upgrade request as `node:http` hands it over, and what can be read from it and its transport.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { describe } from "../../protocol/check-options.ts";
import { parseCookies } from "../../protocol/handshake/cookies.ts";
import { fieldLimits, fieldValues, parseProductList, parseTokenList } from "../../protocol/handshake/header-fields.ts";
import type { HandshakeRequest } from "../../protocol/handshake/request.ts";

/** An upgrade request: the arguments of the `upgrade` event, and the client's address. */
export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** Bytes that came behind the request's head. */
  readonly head: Uint8Array;
  /** The client's address as far as proxies are trusted; undefined where only the socket may tell it. */
  readonly remoteAddress?: string | undefined;
}

/**
 * Whether a request asks for WebSocket, in any case of letters: `Connection` has the token `upgrade` and `Upgrade` the
 * product `websocket` (RFC 6455 section 4.2.1).
 *
 * Such a request may still break another rule and be refused. Throws a TypeError for what is no request of `node:http`,
 * and never because of what the client sent.
 */
export function isWebSocketUpgrade(request: Pick<IncomingMessage, "rawHeaders">): boolean {
  const connection = parseTokenList(linesOf(request, "connection"));
  const upgrade = parseProductList(linesOf(request, "upgrade"));
  return isNamedIn(connection, "upgrade") && isNamedIn(upgrade, "websocket");
}

/**
 * The subprotocols that a request offers, in the client's order of preference (RFC 6455 section 11.3.4).
 *
 * Empty when it offers none, and when `Sec-WebSocket-Protocol` is no list of at most 32 tokens, for which a handshake
 * is refused. Throws as `isWebSocketUpgrade` does.
 */
export function subprotocolsOf(request: Pick<IncomingMessage, "rawHeaders">): readonly string[] {
  const offered = parseTokenList(linesOf(request, "sec-websocket-protocol"), fieldLimits.maxSubprotocols);
  return typeof offered === "string" ? [] : offered;
}

/**
 * The cookies of a request by name, each as it was set: nothing is decoded. Of several with one name the first counts,
 * which is the one with the longest path (RFC 6265 section 5.4); what is no `name=value` is passed over.
 *
 * Throws as `isWebSocketUpgrade` does.
 */
export function cookiesOf(request: Pick<IncomingMessage, "rawHeaders">): ReadonlyMap<string, string> {
  return parseCookies(linesOf(request, "cookie").join(";"));
}

function linesOf(request: Pick<IncomingMessage, "rawHeaders">, name: string): readonly string[] {
  const fields: unknown = (request as Partial<IncomingMessage> | null | undefined)?.rawHeaders;
  if (Array.isArray(fields)) return fieldValues(fields, name);
  throw new TypeError(`Cannot look at the request: it has to be one of node:http, not ${describe(request)}`);
}

/** Whether a parsed list has a name; a string in place of the list is the reason why it could not be parsed. */
function isNamedIn(list: readonly string[] | string, wanted: string): boolean {
  return typeof list !== "string" && list.some((name) => name.toLowerCase() === wanted);
}

/** The path of a request target, without its query. The target may be a whole URL (RFC 9112 section 3.2.2). */
export function pathOf(target: string): string {
  const path = target.startsWith("/") ? target : target.replace(/^(?:http|ws)s?:\/\/[^/?]*/i, "");
  const query = path.indexOf("?");
  return (query < 0 ? path : path.slice(0, query)) || "/";
}

/** The request of `node:http` in the form in which the protocol verifies it. */
export function handshakeOf({
  method = "",
  httpVersion,
  url = "",
  rawHeaders,
  socket,
}: IncomingMessage): HandshakeRequest {
  return {
    method,
    httpVersion,
    target: url,
    rawHeaders,
    get overUnixSocket() {
      return socket instanceof Socket && !socket.destroyed && socket.localAddress === undefined;
    },
  };
}

/**
 * The response of `node:http` that is being written to the socket; undefined where none is.
 *
 * Node hands a request over also while an earlier request of the same socket is unanswered. That answer would stand
 * between the frames (fault C08).
 */
export function answerUnderWay({
  request,
  socket,
}: {
  readonly request?: IncomingMessage;
  readonly socket: Duplex;
}): ServerResponse | undefined {
  // Only this field of Node tells it; other streams lack the field. While a body is still to come, Node 26 hands over a
  // stream of its own, and only the request has the socket.
  for (const stream of [socket, request?.socket]) {
    const answer = (stream as { readonly _httpMessage?: ServerResponse | null } | undefined)?._httpMessage;
    if (answer) return answer;
  }
  return undefined;
}
