/**
 * `accept`: the opening handshake of one request, for programs with a server of their own, on any framework and stream.
 */

import { type IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { TextForm } from "../connection/options/connection-options.ts";
import { checkLimitsOfOne, limitsBeside, serverLimits } from "../connection/options/limits.ts";
import { checkInstance, checkOptions, type OptionTable } from "../protocol/check-options.ts";
import type { AcceptedMessages } from "../protocol/endpoint/endpoint-options.ts";
import { type ForeignNames, foreignNames } from "../protocol/foreign-names.ts";
import { Topics } from "../topics/topics.ts";
import type { Clock } from "../transport/clock.ts";
import { claim } from "./handshake/claim.ts";
import { addressOf } from "./handshake/client-address.ts";
import { answerUnderWay, type UpgradeRequest } from "./handshake/upgrade-request.ts";
import { connectionSettings, resolveRoute } from "./resolved-route.ts";
import { type Route, routeTable } from "./route.ts";
import type { ServerConnection } from "./server-connection.ts";
import { upgrade } from "./upgrade.ts";

/** The options of `accept`: those of a route, and the topics that the connection shares with others. */
export interface AcceptOptions<
  Data = unknown,
  Accepted extends AcceptedMessages = AcceptedMessages,
  Text extends TextForm = TextForm,
> extends Omit<Route<Data, Readonly<Record<string, string>>, Accepted, Text>, "text"> {
  /** Whether text messages are delivered as strings (`"string"`, the default) or as bytes of UTF-8 (`"bytes"`). */
  readonly text?: Text;
  /**
   * The topics to which the connection can subscribe; `new Topics({}, { cluster })` for those of a cluster. Default: none;
   * `subscribe` and `publish` throw an Error then.
   */
  readonly topics?: Topics;
}

const acceptTable: OptionTable<AcceptOptions> = { ...routeTable, topics: "object" };
const acceptForeign: ForeignNames = { ...limitsBeside(serverLimits), ...foreignNames.accept };

/**
 * Answers an upgrade request that `node:http` hands over with its `upgrade` event.
 *
 * Resolves with the connection; with undefined when the request was refused, after the response was sent. Messages go
 * to `options.message`; without it they wait until they are read.
 *
 * Rejects with a TypeError or a RangeError for options that cannot be, and with an Error when another listener, `serve`
 * or an earlier call has answered the request. Nothing that a client sends makes it reject. The options are checked at
 * every call, which takes about a tenth of a handshake, so they may change from call to call.
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
  checkAcceptOptions("accept", options as AcceptOptions);
  checkArguments(request, socket, head);
  requireUpgradeEvent(request, socket);
  const connection = await acceptAs({ request, socket, head }, options as AcceptOptions, { params: {} });
  return connection as ServerConnection<Data> | undefined;
}

/** What a request is accepted with besides the options. */
interface AcceptManner {
  /** The values of the names in the route's path. */
  readonly params: Readonly<Record<string, string>>;
  /** The time that the connection lives by. Default: that of the process. */
  readonly clock?: Clock;
}

/** `accept`, also for a caller that knows the path's parameters or has a clock of its own; the options are checked. */
export async function acceptAs(
  upgradeRequest: UpgradeRequest,
  options: AcceptOptions,
  { params, clock }: AcceptManner,
): Promise<ServerConnection | undefined> {
  const { topics } = options;
  const route = resolveRoute(options as Route, topics?.cluster && { cluster: topics.cluster });
  claim(upgradeRequest);
  const exchange = { ...upgradeRequest, log: route.log };
  const settings = { ...connectionSettings(route), ...(clock && { clock }) };
  return upgrade(
    { ...exchange, remoteAddress: route.trust || route.log ? addressOf(exchange, route.trust) : undefined },
    { route, settings, params, topics },
  );
}

/** Throws a TypeError or a RangeError for options that cannot be; `action` begins the message. */
export function checkAcceptOptions(action: string, options: AcceptOptions): void {
  checkOptions(action, options, acceptTable, acceptForeign);
  checkInstance(action, "topics", options.topics, Topics);
  checkLimitsOfOne(action, options.limits, false);
}

/** Throws a TypeError for the arguments of another event: a response in place of the socket, or no `head`. */
function checkArguments(
  request: Partial<IncomingMessage> | undefined,
  socket: Partial<Duplex> | undefined,
  head: unknown,
): void {
  const isStream = typeof socket?.read === "function" && typeof socket.write === "function";
  if (isStream && Array.isArray(request?.rawHeaders) && typeof request.url === "string" && ArrayBuffer.isView(head)) {
    return;
  }
  const wrong =
    socket instanceof ServerResponse ? "a response is not the socket" : "it needs a request, a socket and a head";
  throw new TypeError(
    `Cannot accept: ${wrong}; the "upgrade" event of an HTTP server has all three: ` +
      'http.on("upgrade", (request, socket, head) => accept(request, socket, head, options))',
  );
}

/** Throws a TypeError in a `request` listener: there `node:http` waits for a response and keeps the socket. */
function requireUpgradeEvent(request: IncomingMessage, socket: Duplex): void {
  if (answerUnderWay({ request, socket })?.req !== request) return;
  throw new TypeError(
    'Cannot accept: the request came with the "request" event, which has no socket to give away; the "upgrade" event has: ' +
      'http.on("upgrade", (request, socket, head) => accept(request, socket, head, options))',
  );
}
