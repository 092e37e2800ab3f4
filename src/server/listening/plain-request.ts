/**
 * Plain requests: those that ask for an upgrade to a protocol other than WebSocket, such as `h2c`.
 *
 * They are answered as if they had not asked (RFC 9110 section 7.8), with their body, and with the timeouts and in the
 * lists of `node:http` (fault C17). Newer runtimes ask which requests to hand over, and keep these. Older ones hand
 * over every request as soon as its head is read, without the body; it is given back to them without the upgrade.
 */

import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { parseTokenList } from "../../protocol/handshake/header-fields.ts";
import type { UpgradeRequest } from "../handshake/upgrade-request.ts";
import { nodeListener } from "./fast-handshake.ts";

/** An HTTP server of a runtime that asks which requests to hand over, as Node does since 22.21 and 24.9. */
interface AskingServer extends HttpServer {
  shouldUpgradeCallback?: (request: IncomingMessage) => boolean;
}

/** Whether a request asks for WebSocket, perhaps among other protocols. */
export function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return /websocket/i.test(headers.upgrade ?? "");
}

/** Tells whether a request is for a path of our routes. */
export type IsOurs = (request: IncomingMessage) => boolean;

/**
 * Whether a request that asks for an upgrade goes to the `request` listeners all the same.
 *
 * Where others listen for `upgrade`, only requests for our paths do, since the rest may be theirs. Without a `request`
 * listener none does, since it would get no answer.
 */
export function isPlain(http: HttpServer, request: IncomingMessage, isOurs: IsOurs): boolean {
  if (asksForWebSocket(request) || http.listenerCount("request") === 0) return false;
  return http.listenerCount("upgrade") === 1 || isOurs(request);
}

/** Answers the runtime's question for plain requests, where it asks; the returned function ends that. */
export function leavePlainRequests(http: HttpServer, isOurs: IsOurs): () => void {
  const server = http as AskingServer;
  const before = server.shouldUpgradeCallback;
  if (before === undefined) return () => {};
  const asked = (request: IncomingMessage): boolean => before.call(http, request) && !isPlain(http, request, isOurs);
  server.shouldUpgradeCallback = asked;
  return () => {
    if (server.shouldUpgradeCallback === asked) server.shouldUpgradeCallback = before;
  };
}

/**
 * Gives a request back to `node:http`, which reads it again with its body. With `close`, the answer ends the
 * connection.
 */
export function giveBack(
  http: HttpServer,
  { request, socket, head }: UpgradeRequest,
  options?: { readonly close: boolean },
): void {
  // `node:http` starts to read only where it finds a socket that is not being read.
  socket.pause();
  socket.unshift(Buffer.concat([headWithoutUpgrade(request, options?.close === true), head]));
  nodeListener(http)(socket as Socket);
  socket.resume();
}

/** The head as it came, without `Upgrade` among the options of `Connection`; the field `Upgrade` means nothing then. */
function headWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage, close: boolean): Buffer {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    const value = name.toLowerCase() === "connection" ? otherOptions(rawHeaders[index + 1]!) : rawHeaders[index + 1]!;
    text += `${name}: ${value}\r\n`;
  }
  return Buffer.from(`${text}${close ? "Connection: close\r\n" : ""}\r\n`, "latin1");
}

function otherOptions(connection: string): string {
  const options = parseTokenList([connection]);
  if (typeof options === "string") return connection.replace(/upgrade/gi, "");
  return options.filter((option) => option.toLowerCase() !== "upgrade").join(", ");
}
