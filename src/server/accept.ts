/**
 * The opening handshake for those who have a server of their own: any framework, any stream.
 */

import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { ConnectionSettings, TextForm } from "../connection/handlers.ts";
import { checkLimitsOfOne, limitsBeside, serverLimits } from "../connection/limits.ts";
import { checkOptions, type OptionTable } from "../protocol/check-options.ts";
import type { AcceptedMessages } from "../protocol/endpoint-options.ts";
import { type ForeignNames, foreignNames } from "../protocol/foreign-names.ts";
import type { Topics } from "../topics/topics.ts";
import { claim } from "./handshake/claim.ts";
import { addressOf } from "./handshake/client-address.ts";
import { answerUnderWay } from "./handshake/refuse.ts";
import { upgrade } from "./handshake/server-handshake.ts";
import { failureOf, handlerError } from "./log.ts";
import { type ResolvedRoute, type Route, resolveRoute, routeTable } from "./route.ts";
import type { ServerConnection } from "./server-connection.ts";

/** The options of `accept`: a route, and the topics that its connections share with others. */
export interface AcceptOptions<
  Data = unknown,
  Accepted extends AcceptedMessages = AcceptedMessages,
  Text extends TextForm = TextForm,
> extends Omit<Route<Data, Readonly<Record<string, string>>, Accepted, Text>, "text"> {
  /** See `ConnectionOptions`. */
  readonly text?: Text;
  /** Without topics, `subscribe` and `publish` throw. */
  readonly topics?: Topics;
}

const acceptTable: OptionTable<AcceptOptions> = { ...routeTable, topics: "object" };
const acceptForeign: ForeignNames = { ...limitsBeside(serverLimits), ...foreignNames.accept };

/**
 * Answers an upgrade request that `node:http` handed over with its `upgrade` event.
 *
 * Resolves with the connection, or with undefined when the request was refused: the answer has then been sent and the
 * stream is being closed. Messages wait until somebody reads them, or go to `options.message`. Throws a TypeError or a
 * RangeError for options that cannot be, an Error when the request was answered already, by another listener, `serve` or an
 * earlier call, and never because of what the client sent. The options are read and checked at
 * every call, about a tenth of a handshake, so they may differ and change; `serve` reads its routes once.
 */
export async function accept<
  Data = unknown,
  Accepted extends AcceptedMessages = "any",
  Text extends TextForm = "string",
>(
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  options: AcceptOptions<Data, Accepted, Text> = {},
): Promise<ServerConnection<Data> | undefined> {
  checkOptions("accept", options, acceptTable, acceptForeign);
  checkLimitsOfOne("accept", options.limits, false);
  checkExchange(socket, head);
  requireUpgradeEvent(request, socket);
  const route = resolveRoute(options as Route);
  claim({ request, socket });
  const exchange = { request, socket, head, log: route.log };
  const connection = await upgrade(
    { ...exchange, remoteAddress: route.trust || route.log ? addressOf(exchange, route.trust) : undefined },
    { route, settings: connectionSettings(route), params: {}, topics: options.topics },
  );
  return connection as ServerConnection<Data> | undefined;
}

/** Throws a TypeError for the arguments of another event: a response where the socket is expected, no `head`. */
function checkExchange(socket: Partial<Duplex> | undefined, head: unknown): void {
  if (typeof socket?.read === "function" && typeof socket.write === "function" && ArrayBuffer.isView(head)) return;
  const wrong =
    socket instanceof ServerResponse ? "a response is not the socket" : "it needs a request, a socket and a head";
  throw new TypeError(
    `Cannot accept: ${wrong}; the "upgrade" event of an HTTP server has all three: ` +
      'http.on("upgrade", (request, socket, head) => accept(request, socket, head, options))',
  );
}

/** Throws a TypeError in a `request` listener, where `node:http` waits for its response and keeps the socket. */
function requireUpgradeEvent(request: IncomingMessage, socket: Duplex): void {
  if (answerUnderWay({ request, socket })?.req !== request) return;
  throw new TypeError(
    'Cannot accept: the request came with the "request" event, which has no socket to give away; the "upgrade" event has: ' +
      'http.on("upgrade", (request, socket, head) => accept(request, socket, head, options))',
  );
}

/** What all connections of a route share; the observer hears of each end before the log does. */
export function connectionSettings(
  route: ResolvedRoute,
  observer: Pick<ConnectionSettings<ServerConnection>, "counters" | "began" | "ended" | "handled"> = {},
): ConnectionSettings<ServerConnection> {
  const { log } = route;
  return {
    limits: route.limits,
    handlers: route.handlers,
    keepalive: route.keepalive,
    ...(observer.counters && { counters: observer.counters }),
    ...(observer.began && { began: observer.began }),
    ...(observer.handled && { handled: observer.handled }),
    ...(log && { threw: (connection: ServerConnection, error: Error) => log(handlerError(connection, error)) }),
    ended: (connection, report) => {
      connection.leaveTopics();
      observer.ended?.(connection, report);
      const failure = log && failureOf(connection, report);
      if (failure) log(failure);
    },
  };
}
