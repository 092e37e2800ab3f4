/**
 * One `upgrade` listener for all that we serve on an HTTP server, which others may share.
 *
 * A path that none of ours claims is refused only when nobody else listens: else it is theirs to answer. What asks for
 * another protocol than WebSocket is theirs as well, but nobody may want it: what they have not touched is answered as
 * plain HTTP.
 */

import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate } from "../../transport/scheduling.ts";
import { isUntouched } from "../handshake/claim.ts";
import {
  answerUnderWay,
  behindUnanswered,
  ignoreError,
  Refused,
  refuse,
  type UpgradeRequest,
} from "../handshake/refuse.ts";
import { asksForWebSocket, giveBack, type IsOurs, isPlain, leavePlainRequests } from "./plain-request.ts";

/** A server as the listener sees it. */
export interface AttachedServer {
  /** The paths that it answers while it lets clients in. */
  readonly paths: readonly string[];
  /** Whether a request is for one of its paths. */
  hasPath(request: IncomingMessage): boolean;
  /** Answers an upgrade request, now or later; false when its path is not the server's. */
  takeUpgrade(exchange: UpgradeRequest): boolean;
  /** Refuses a path that is nobody's. */
  refuseUnknown(exchange: UpgradeRequest): void;
}

interface Attachment {
  readonly servers: AttachedServer[];
  readonly listener: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Ends that plain requests are not handed over. */
  readonly takePlainRequests: () => void;
}

const attachments = new WeakMap<HttpServer, Attachment>();

/**
 * Gives a server the upgrade requests of an HTTP server, behind those that have them already.
 *
 * Throws a TypeError for a path that one of those has: no request would reach it.
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

/** Ends that; the listener goes with the last. */
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
 * Answers what none of the others has touched when all of them have seen it: nobody would, and nobody's time would end it.
 * The answer ends the connection, since one of them may still write to it.
 */
function answerUnlessTouched(http: HttpServer, exchange: UpgradeRequest): void {
  const { request, socket } = exchange;
  socket.on("error", ignoreError);
  setImmediate(() => {
    if (!isUntouched(socket)) return;
    // Newer runtimes read the body themselves and hand over a stream of their own, which cannot be given back.
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
    refuse(exchange, behindUnanswered());
  } else {
    giveBack(http, exchange, options);
  }
}
