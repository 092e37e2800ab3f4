/**
 * A route with every option resolved over those of its server, once for all of its handshakes and connections.
 */

import type { IncomingMessage } from "node:http";
import type { ConnectionSettings } from "../connection/handlers/connection-settings.ts";
import { resolveDelivery } from "../connection/options/delivery-options.ts";
import { type HeartbeatSettings, resolveHeartbeat } from "../connection/options/heartbeat.ts";
import { type KeepaliveOptions, resolveKeepalive } from "../connection/options/keepalive-options.ts";
import {
  type ConnectionLimits,
  endpointLimits,
  resolveLimits,
  type ServerLimits,
  serverLimits,
} from "../connection/options/limits.ts";
import { type RateLimit, resolveRateLimit } from "../connection/options/rate-limit.ts";
import { type EndpointOptions, EndpointSettings } from "../protocol/endpoint/endpoint-options.ts";
import { isToken } from "../protocol/handshake/header-fields.ts";
import { type CompressionSettings, compressionSettings } from "../protocol/handshake/permessage-deflate.ts";
import { type ProxyTrust, resolveTrust } from "./handshake/client-address.ts";
import { checkOriginPolicy, hostSet, type OriginPolicy } from "./handshake/origin.ts";
import { failureOf, guardedLog, handlerError, type Log } from "./log.ts";
import type { Route, RouteOptions } from "./route.ts";
import { leaveTopics, type ServerConnection } from "./server-connection.ts";

/** A route as the server uses it: every option has a value. */
export interface ResolvedRoute {
  readonly handlers: Route;
  readonly limits: ServerLimits & ConnectionLimits;
  /** Undefined where connections are not kept alive. */
  readonly keepalive: Required<KeepaliveOptions> | undefined;
  /** Undefined where messages may come at any rate. */
  readonly rateLimit: RateLimit | undefined;
  /** Undefined where no message is a heartbeat. */
  readonly heartbeat: HeartbeatSettings | undefined;
  /** Undefined where permessage-deflate is not accepted. */
  readonly compression: CompressionSettings | undefined;
  readonly origin: OriginPolicy<IncomingMessage>;
  /** Undefined where the server answers to every host. */
  readonly hosts: ReadonlySet<string> | undefined;
  readonly subprotocols: readonly string[];
  /** Whether the resume protocol is spoken with clients that offer it: the server has a cluster. */
  readonly resumes: boolean;
  /** The settings that the endpoints of all connections share, without compression and with it. */
  readonly endpoints: { readonly plain: EndpointSettings; readonly compressed: EndpointSettings };
  /** Undefined where no proxy is trusted. */
  readonly trust: ProxyTrust | undefined;
  /** The hook of the option `log`; it never throws. Undefined where there is none. */
  readonly log: Log | undefined;
  readonly asyncContext: boolean;
  readonly refuseByClose: boolean;
}

/** Resolves a route's options over the server's. Throws a TypeError or a RangeError for a value that cannot be. */
export function resolveRoute(
  route: Route,
  defaults: RouteOptions & { readonly cluster?: unknown } = {},
): ResolvedRoute {
  const compression = route.compression ?? defaults.compression ?? false;
  const origin = route.origin ?? defaults.origin ?? "same-host";
  const subprotocols = route.subprotocols ?? defaults.subprotocols ?? [];
  checkOriginPolicy(origin);
  const hosts = route.hosts ?? defaults.hosts;
  for (const subprotocol of subprotocols) {
    if (!isToken(subprotocol)) throw new TypeError(`Cannot speak the subprotocol "${subprotocol}": it is not a token`);
  }
  const limits = resolveLimits(serverLimits, { ...defaults.limits, ...route.limits });
  const delivery = resolveDelivery(route, defaults);
  if (delivery.accepts === "text" && delivery.textAsBytes && route.text === undefined) {
    // TypeScript infers the type of the handler's data from the route alone, so an inherited option cannot be meant.
    throw new TypeError('Cannot accept text alone as bytes: the route itself has to say text: "bytes"');
  }
  const heartbeat = resolveHeartbeat(route.heartbeat ?? defaults.heartbeat);
  if (route.heartbeat && delivery.accepts === "binary") {
    throw new TypeError("Cannot answer heartbeats: they are text, and the route accepts binary messages alone");
  }
  const endpoint: EndpointOptions = {
    role: "server",
    ...endpointLimits(limits),
    ...delivery,
    ...(heartbeat && { longestWhole: heartbeat.bytes.length }),
  };
  return {
    handlers: route,
    limits,
    keepalive: resolveKeepalive(route.keepalive ?? defaults.keepalive),
    rateLimit: resolveRateLimit(route.rateLimit ?? defaults.rateLimit),
    heartbeat,
    compression: compression === false ? undefined : compressionSettings(compression),
    origin,
    hosts: hosts && hostSet(hosts),
    subprotocols,
    resumes: defaults.cluster !== undefined && delivery.accepts !== "binary",
    endpoints: {
      plain: new EndpointSettings(endpoint),
      compressed: new EndpointSettings({ ...endpoint, compression: true }),
    },
    trust: resolveTrust(route.trustProxy ?? defaults.trustProxy),
    log: guardedLog(route.log ?? defaults.log),
    asyncContext: route.asyncContext ?? defaults.asyncContext ?? false,
    refuseByClose: route.refuseByClose ?? defaults.refuseByClose ?? false,
  };
}

/** The server's interest in its connections; `ended` is called before the log is written. */
export type ConnectionObserver = Pick<ConnectionSettings<ServerConnection>, "counters" | "began" | "ended" | "handled">;

/** The settings that all connections of a route share. */
export function connectionSettings(
  route: ResolvedRoute,
  observer: ConnectionObserver = {},
): ConnectionSettings<ServerConnection> {
  const { log } = route;
  return {
    limits: route.limits,
    handlers: route.handlers,
    keepalive: route.keepalive,
    ...(route.rateLimit && { rateLimit: route.rateLimit }),
    ...(route.heartbeat && { heartbeat: route.heartbeat }),
    ...(observer.counters && { counters: observer.counters }),
    ...(observer.began && { began: observer.began }),
    ...(observer.handled && { handled: observer.handled }),
    ...(log && { threw: (connection: ServerConnection, error: Error) => log(handlerError(connection, error)) }),
    ended: (connection, report) => {
      leaveTopics(connection);
      observer.ended?.(connection, report);
      const failure = log && failureOf(connection, report);
      if (failure) log(failure);
    },
  };
}
