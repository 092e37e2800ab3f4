/**
 * One `upgrade` listener for all that we serve on an HTTP server, which others may share.
 *
 * A path that none of ours claims is refused only when nobody else listens: else it is theirs to answer.
 */

import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { asksForWebSocket, giveBack, isPlain, leavePlainRequests } from "./plain-request.ts";
import { answerUnderWay, behindUnanswered, ignoreError, Refused, refuse, type UpgradeRequest } from "./refuse.ts";

/** A server as the listener sees it. */
export interface AttachedServer {
  /** The paths that it answers while it lets clients in. */
  readonly paths: readonly string[];
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
  const listener: Attachment["listener"] = (request, socket, head) => {
    dispatch(http, servers, { request, socket, head });
  };
  http.on("upgrade", listener);
  attachments.set(http, { servers, listener, takePlainRequests: leavePlainRequests(http) });
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
  if (isPlain(http, exchange.request)) return answerAsPlain(http, exchange);
  const alone = http.listenerCount("upgrade") === 1;
  if (asksForWebSocket(exchange.request)) {
    for (const server of servers) if (server.takeUpgrade(exchange)) return;
    if (alone) servers[0]?.refuseUnknown(exchange);
  } else if (alone) {
    refuse(exchange, Refused.by("missing-upgrade"));
  }
}

function answerAsPlain(http: HttpServer, exchange: UpgradeRequest): void {
  if (answerUnderWay(exchange)) {
    exchange.socket.on("error", ignoreError);
    refuse(exchange, behindUnanswered());
  } else {
    giveBack(http, exchange);
  }
}
