/**
 * The way from an upgrade request to a connection: the handshake, then the 101, then the connection's start.
 */

import { MessageDeflate } from "../connection/compression/message-deflate.ts";
import { coreOf } from "../connection/connection.ts";
import { inOwnContext } from "../connection/event-loop/async-context.ts";
import type { ConnectionSettings } from "../connection/handlers/connection-settings.ts";
import { settingsIn } from "../connection/handlers/handlers-in-context.ts";
import { Endpoint } from "../protocol/endpoint/endpoint.ts";
import type { VerifiedRequest } from "../protocol/handshake/request.ts";
import type { Topics } from "../topics/topics.ts";
import { type Opening, StreamOpening } from "./handshake/opening.ts";
import type { RefusableRequest } from "./handshake/refuse.ts";
import { type Admission, admit, admitDecided } from "./handshake/server-handshake.ts";
import { pathOf } from "./handshake/upgrade-request.ts";
import type { ResolvedRoute } from "./resolved-route.ts";
import { ResumeLayer } from "./resume-layer.ts";
import { beginTopics, ServerConnection } from "./server-connection.ts";

/** The close code for a client that breaks the resume protocol: it is not to come back as it is. */
const resumeBroken = 4400;

/** The target of an upgrade request: its route, and the things that the route's connections share. */
export interface UpgradeTarget {
  readonly route: ResolvedRoute;
  readonly settings: ConnectionSettings<ServerConnection>;
  /** The values of the names in the route's path. */
  readonly params: Readonly<Record<string, string>>;
  /** The topics to which the connection can subscribe; undefined where there are none. */
  readonly topics?: Topics | undefined;
  /** Whether the socket belongs to a listener of our own, so that it may be read into a shared buffer. */
  readonly ownSockets?: boolean | undefined;
  /** Aborts a decision under way when the server closes. */
  readonly closing?: AbortSignal | undefined;
}

/**
 * Answers an upgrade request. The result is undefined when the request was refused or the client has left.
 *
 * Never throws for anything that a peer sends. Rejects, with nothing written, when another listener has answered the
 * request while the application decided.
 */
export function upgrade(
  exchange: RefusableRequest,
  target: UpgradeTarget,
): ServerConnection | undefined | Promise<ServerConnection | undefined> {
  const opening = new StreamOpening(exchange.socket, target.ownSockets === true);
  return openAdmitted(admit(exchange, target), target, opening);
}

/** The same for a verified request that `node:http` has not read, about which the application is asked. */
export function upgradeOver(
  opening: Opening,
  exchange: RefusableRequest,
  target: UpgradeTarget,
  verified: VerifiedRequest,
): ReturnType<typeof upgrade> {
  return openAdmitted(admitDecided(exchange, opening.clientOf(exchange), target, verified), target, opening);
}

function openAdmitted(
  admission: ReturnType<typeof admit>,
  target: UpgradeTarget,
  opening: Opening,
): ReturnType<typeof upgrade> {
  if (admission instanceof Promise) return upgradeDecided(admission, target, opening);
  return admission && openConnection(admission, target, opening);
}

async function upgradeDecided(
  deciding: Promise<Admission | undefined>,
  target: UpgradeTarget,
  opening: Opening,
): Promise<ServerConnection | undefined> {
  const admission = await deciding;
  return admission && inOwnContext(() => openConnection(admission, target, opening));
}

/** Writes the 101 of an admitted client and starts its connection. */
export function openConnection(
  { head, remoteAddress, verified, response, subprotocol, resumes, compression, data, context }: Admission,
  target: UpgradeTarget,
  opening: Opening,
): ServerConnection {
  const { route, settings, params } = target;
  const layer = resumes
    ? new ResumeLayer({
        began: (request) => beginTopics(connection, request),
        failed: (because) => connection.close(resumeBroken, `Resuming: ${because}`),
      })
    : undefined;
  const connection: ServerConnection = new ServerConnection({
    endpoint: new Endpoint(compression === undefined ? route.endpoints.plain : route.endpoints.compressed),
    transport: opening.answer(response),
    settings: context === undefined ? settings : settingsIn(context, settings),
    deflate:
      route.compression && compression && new MessageDeflate("server", compression.parameters, route.compression),
    subprotocol,
    layer,
    extensions: compression?.response,
    data,
    params,
    topics: target.topics,
    remoteAddress,
    path: pathOf(verified.resourceName),
  });
  coreOf(connection).start(head);
  return connection;
}
