/**
 * The server's side of one opening handshake: verify the request, ask the application, agree on an answer (RFC 6455
 * section 4.2).
 *
 * Nothing that a peer sends makes it throw. The 101 is left to the caller to write, together with the connection's
 * start.
 */

import { Buffer } from "node:buffer";
import { type AsyncContext, captureContext } from "../../connection/event-loop/async-context.ts";
import type { ServerLimits } from "../../connection/options/limits.ts";
import { acceptDeflate, type CompressionSettings } from "../../protocol/handshake/permessage-deflate.ts";
import { type VerifiedRequest, verifyRequest } from "../../protocol/handshake/request.ts";
import { createResponse } from "../../protocol/handshake/response.ts";
import { ignoreError } from "../../transport/ignore-error.ts";
import { type DecidingRoute, type Decision, type DecisionTarget, decide, type UpgradeResult } from "./decide.ts";
import { checkOrigin, isHostAllowed, type OriginPolicy } from "./origin.ts";
import { type RefusableRequest, refuse, refuseByClose } from "./refuse.ts";
import { Refused } from "./refused.ts";
import type { RequestHead } from "./request-head.ts";
import { chooseSubprotocol } from "./subprotocols.ts";
import { answerUnderWay, handshakeOf, type UpgradeRequest } from "./upgrade-request.ts";
import { StreamClient, type WaitingClient } from "./waiting-client.ts";

/** The parts of a route that a handshake needs. */
export interface HandshakeRoute extends DecidingRoute {
  readonly hosts: ReadonlySet<string> | undefined;
  /** The subprotocols that the route lists. */
  readonly subprotocols: readonly string[];
  /** Undefined where permessage-deflate is not accepted. */
  readonly compression: CompressionSettings | undefined;
  /** Whether the resume protocol is spoken with clients that offer it. */
  readonly resumes: boolean;
  readonly limits: Pick<ServerLimits, "upgradeTimeout" | "maxHeaderFields" | "maxHeaderSize" | "closeTimeout">;
  /** Whether pages are refused by a Close, so that they learn why. */
  readonly refuseByClose: boolean;
}

/** The target of a handshake. */
export interface HandshakeTarget extends DecisionTarget {
  readonly route: HandshakeRoute;
}

/** The terms on which both sides agree. */
export interface Agreement {
  /** The head of the 101. */
  readonly response: string;
  /** The application's. */
  readonly subprotocol: string | undefined;
  /** Whether the resume protocol is spoken. */
  readonly resumes: boolean;
  /** The parameters of permessage-deflate, and the extension field of the 101; undefined without compression. */
  readonly compression: ReturnType<typeof acceptDeflate>;
}

/** A client that is let in; its 101 is still to be written. */
export interface Admission extends Agreement, Pick<UpgradeRequest, "head" | "remoteAddress"> {
  readonly verified: VerifiedRequest;
  /** The value of `connection.data`. */
  readonly data?: unknown;
  /** The async context of the connection's handlers; undefined unless the route asks for one. */
  readonly context?: AsyncContext | undefined;
}

/**
 * Lets the client of an upgrade request in, or refuses it and returns undefined.
 *
 * Where the application has nothing to decide, the answer is not a promise. Rejects, with nothing written, when another
 * listener has answered the request while the application decided.
 */
export function admit(
  exchange: RefusableRequest,
  target: HandshakeTarget,
): Admission | undefined | Promise<Admission | undefined> {
  exchange.socket.on("error", ignoreError);
  const { route } = target;
  const verified = verifyFor(exchange, route);
  if (verified instanceof Refused) return refuse(exchange, verified);
  const origins = fixedOrigins(route);
  const client = new StreamClient(exchange);
  if (origins === undefined) return admitDecided(exchange, client, target, verified);
  if (!checkOrigin(verified.origin, verified.host, origins, undefined)) {
    return refuse(exchange, Refused.by("origin-not-allowed"));
  }
  const context = route.asyncContext ? captureContext() : undefined;
  return admitVerified(exchange, client, route, { verified, result: {}, context, head: exchange.head });
}

/** Refuses the client of a request before it is read: a page whose request is in order is told by a Close. */
export function refuseUnread(exchange: RefusableRequest, route: HandshakeRoute, refused: Refused): undefined {
  const verified = route.refuseByClose ? verifyFor(exchange, route) : refused;
  if (verified instanceof Refused) return refuse(exchange, refused);
  return refuseVerified(exchange, route, { verified, refused, early: exchange.head });
}

/** The request as the route's limits and hosts have it, or why it is refused. */
function verifyFor(exchange: RefusableRequest, route: HandshakeRoute): VerifiedRequest | Refused {
  if (answerUnderWay(exchange)) return Refused.behindUnanswered();
  const verified = verifyRequest(handshakeOf(exchange.request), route.limits);
  if (!verified.ok) return new Refused(verified.rule, verified.refusal);
  return isHostAllowed(verified.host, route.hosts) ? verified : Refused.by("host-not-allowed");
}

/** Lets the client of a verified request in where the application says so; else as `admit`. */
export function admitDecided(
  exchange: RefusableRequest,
  client: WaitingClient,
  target: HandshakeTarget,
  verified: VerifiedRequest,
): Admission | undefined | Promise<Admission | undefined> {
  const settle = ({ verdict, head: later, context }: Decision): Admission | undefined => {
    const head = later.length === 0 ? exchange.head : Buffer.concat([exchange.head, later]);
    if (verdict instanceof Refused) {
      return refuseVerified(exchange, target.route, { verified, refused: verdict, early: head });
    }
    if (verdict) return admitVerified(exchange, client, target.route, { verified, result: verdict, context, head });
    client.destroy();
    return undefined;
  };
  const decision = decide(exchange, client, target, verified);
  return decision instanceof Promise ? decision.then(settle) : settle(decision);
}

/** Lets a client in whose request is in order; a result of the application that cannot be written becomes a 500. */
function admitVerified(
  exchange: RefusableRequest,
  client: WaitingClient,
  route: HandshakeRoute,
  {
    verified,
    result,
    context,
    head,
  }: {
    readonly verified: VerifiedRequest;
    readonly result: UpgradeResult<unknown>;
    readonly context: AsyncContext | undefined;
    readonly head: Uint8Array;
  },
): Admission | undefined {
  const { remoteAddress } = exchange;
  if (!client.writable) {
    client.destroy();
    return undefined;
  }
  try {
    return { head, remoteAddress, verified, ...agree(route, verified, result), data: result.data, context };
  } catch (error) {
    return refuseVerified(exchange, route, { verified, refused: Refused.applicationFailed(error), early: head });
  }
}

/**
 * Refuses a request that is in order; a page by a Close, where the route and the refusal have one for it. An exception
 * of the application goes to stderr where there is no log.
 */
function refuseVerified(
  exchange: RefusableRequest,
  route: HandshakeRoute,
  {
    verified,
    refused,
    early,
  }: { readonly verified: VerifiedRequest; readonly refused: Refused; readonly early: Uint8Array },
): undefined {
  if (refused.reason === "application-failed" && !exchange.log) {
    console.error("A server could not answer an opening handshake:", refused.error);
  }
  const isTold = route.refuseByClose && refused.close && verified.origin !== undefined;
  if (!isTold || !isOriginKnown(verified, route, refused)) return refuse(exchange, refused);
  const { secWebSocketKey, subprotocols } = verified;
  // A browser fails the handshake if none is chosen of those that it offers (WHATWG WebSockets section 2.2).
  const subprotocol = chooseSubprotocol(subprotocols, route, undefined).name ?? subprotocols[0];
  const response = createResponse({ secWebSocketKey, subprotocol });
  return refuseByClose(exchange, refused, { response, early, closeTimeout: route.limits.closeTimeout });
}

/** Whether the origin is let in, as far as the application need not be asked: `upgrade` was asked only if it is. */
function isOriginKnown({ origin, host }: VerifiedRequest, route: HandshakeRoute, { reason }: Refused): boolean {
  if (reason === "application") return true;
  return typeof route.origin !== "function" && checkOrigin(origin, host, route.origin, undefined) === true;
}

/**
 * Verifies a regular request. Undefined leaves it to `admit`: something of it is to be refused, or more is needed than its
 * head.
 */
export function verifyFast(
  { target, rawHeaders }: RequestHead,
  route: HandshakeRoute & { readonly trust: unknown },
): VerifiedRequest | undefined {
  if (route.trust || route.asyncContext) return undefined;
  const verified = verifyRequest({ method: "GET", httpVersion: "1.1", target, rawHeaders }, route.limits);
  if (!verified.ok || !isHostAllowed(verified.host, route.hosts)) return undefined;
  const origins = fixedOrigins(route);
  if (origins === undefined) return verified;
  return checkOrigin(verified.origin, verified.host, origins, undefined) ? verified : undefined;
}

/** Whether a route asks its application about each request. */
export function asksApplication(route: HandshakeRoute): boolean {
  return fixedOrigins(route) === undefined;
}

/** The origin policy of a route that asks its application nothing; undefined where the application decides. */
function fixedOrigins({ origin, handlers }: HandshakeRoute): OriginPolicy | undefined {
  return typeof origin === "function" || handlers.upgrade ? undefined : origin;
}

/** Chooses the extension and the subprotocol, and writes the 101. Throws for a result that cannot be written. */
export function agree(
  route: Pick<HandshakeRoute, "compression" | "subprotocols" | "resumes">,
  verified: VerifiedRequest,
  result: UpgradeResult<unknown>,
): Agreement {
  const compression = route.compression && acceptDeflate(verified.extensions, route.compression);
  const { subprotocol, name } = chooseSubprotocol(verified.subprotocols, route, result.subprotocol);
  const response = createResponse({
    secWebSocketKey: verified.secWebSocketKey,
    subprotocol: name,
    extensions: compression?.response,
    headers: headerEntries(result.headers),
  });
  return { response, subprotocol, resumes: name !== subprotocol, compression };
}

function headerEntries(headers: UpgradeResult<unknown>["headers"]): Iterable<readonly [string, string]> | undefined {
  if (headers === undefined || Symbol.iterator in headers) return headers;
  return Object.entries(headers);
}
