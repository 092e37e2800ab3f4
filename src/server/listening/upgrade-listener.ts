/**
 * One `upgrade` listener for all servers of ours on one HTTP server, which other libraries may share.
 *
 * A path without a route is refused only when no other library listens: otherwise the request may be theirs. A request
 * for another protocol than WebSocket may be theirs as well; if none of them touches it, it is answered as plain HTTP.
 */

import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { ignoreError } from "../../transport/ignore-error.ts";
import { setImmediate } from "../../transport/scheduling.ts";
import { isUntouched } from "../handshake/claim.ts";
import { refuse } from "../handshake/refuse.ts";
import { Refused } from "../handshake/refused.ts";
import { answerUnderWay, type UpgradeRequest } from "../handshake/upgrade-request.ts";
import { asksForWebSocket, giveBack, type IsOurs, isPlain, leavePlainRequests } from "./plain-request.ts";

/** A server whose upgrade requests come through the listener. */
export interface AttachedServer {
  /** The paths of its routes; none while it lets no clients in. */
  readonly paths: readonly string[];
  /** Whether a request is for one of its paths. */
  hasPath(request: IncomingMessage): boolean;
  /**
   * Answers an upgrade request, now or later. Returns false, with the request untouched, when no route has its path.
   */
  takeUpgrade(exchange: UpgradeRequest): boolean;
  /** Refuses a request whose path no server has. */
  refuseUnknown(exchange: UpgradeRequest): void;
}

interface Attachment {
  readonly servers: AttachedServer[];
  readonly listener: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Lets the runtime hand plain requests over again. */
  readonly takePlainRequests: () => void;
}

const attachments = new WeakMap<HttpServer, Attachment>();

/**
 * Gives a server the upgrade requests of an HTTP server; servers that were attached before come first.
 *
 * Throws a TypeError for a path that one of those has already, since no request would reach it.
 */
export function attach(http: HttpServer, server: AttachedServer): void {
  const attachment = attachments.get(http);
  if (attachment) {
    const taken = attachment.servers.flatMap(({ paths }) => paths);
    const twice = server.paths.find((path) => taken.includes(path));
    if (twice !== undefined) {
      throw new TypeError(
        `Cannot serve "${twice}": the HTTP server has a route of that path already; close the other first, or give all routes to one serve`,
      );
    }
    attachment.servers.push(server);
    return;
  }
  const servers: AttachedServer[] = [server];
  const isOurs: IsOurs = (request) => servers.some((each) => each.hasPath(request));
  const listener: Attachment["listener"] = (request, socket, head) => {
    const exchange = { request, socket, head };
    if (asksForWebSocket(request)) dispatch(http, servers, exchange);
    else if (isPlain(http, request, isOurs)) answerAsPlain(http, exchange);
    else if (http.listenerCount("upgrade") === 1 || isOurs(request)) refuse(exchange, Refused.by("missing-upgrade"));
    else answerUnlessTouched(http, exchange);
  };
  http.on("upgrade", listener);
  attachments.set(http, { servers, listener, takePlainRequests: leavePlainRequests(http, isOurs) });
}

/** Takes a server off an HTTP server; the listener is removed with the last one. */
export function detach(http: HttpServer, server: AttachedServer): void {
  const attachment = attachments.get(http);
  const index = attachment?.servers.indexOf(server) ?? -1;
  if (!attachment || index < 0) return;
  attachment.servers.splice(index, 1);
  if (attachment.servers.length > 0) return;
  attachments.delete(http);
  http.off("upgrade", attachment.listener);
  attachment.takePlainRequests();
}

function dispatch(http: HttpServer, servers: readonly AttachedServer[], exchange: UpgradeRequest): void {
  for (const server of servers) if (server.takeUpgrade(exchange)) return;
  if (http.listenerCount("upgrade") === 1) servers[0]?.refuseUnknown(exchange);
}

/**
 * Answers a request once all listeners have seen it and none has touched it; otherwise it would wait for ever.
 *
 * The answer ends the connection, since another listener may still write to it.
 */
function answerUnlessTouched(http: HttpServer, exchange: UpgradeRequest): void {
  const { request, socket } = exchange;
  socket.on("error", ignoreError);
  setImmediate(() => {
    if (!isUntouched(socket)) return;
    // Newer runtimes read the body and hand over a stream of their own, which cannot be given back.
    if (http.listenerCount("request") === 0 || socket !== request.socket) {
      return refuse(exchange, Refused.by("missing-upgrade"));
    }
    socket.off("error", ignoreError);
    answerAsPlain(http, exchange, { close: true });
  });
}

function answerAsPlain(http: HttpServer, exchange: UpgradeRequest, options?: { readonly close: boolean }): void {
  if (answerUnderWay(exchange)) {
    exchange.socket.on("error", ignoreError);
    refuse(exchange, Refused.behindUnanswered());
  } else {
    giveBack(http, exchange, options);
  }
}
