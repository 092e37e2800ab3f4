/**
 * A route: which clients a server lets in at one path, and the handlers of the connections there.
 */

import type { IncomingMessage } from "node:http";
import { type ConnectionHandlers, handlerTable } from "../connection/handlers/handlers.ts";
import {
  type ConnectionOptions,
  connectionOptionTable,
  type TextForm,
} from "../connection/options/connection-options.ts";
import type { AcceptsOption, DataOf } from "../connection/options/delivery-options.ts";
import type { AnsweredHeartbeat } from "../connection/options/heartbeat.ts";
import type { ServerLimits } from "../connection/options/limits.ts";
import type { RateLimitOptions } from "../connection/options/rate-limit.ts";
import type { OptionTable } from "../protocol/check-options.ts";
import type { AcceptedMessages } from "../protocol/endpoint/endpoint-options.ts";
import type { CompressionOptions } from "../protocol/handshake/permessage-deflate.ts";
import type { Gap } from "../topics/subscription.ts";
import type { TrustProxy } from "./handshake/client-address.ts";
import type { UpgradeContext, UpgradeResult } from "./handshake/decide.ts";
import type { OriginPolicy } from "./handshake/origin.ts";
import type { Refused } from "./handshake/refused.ts";
import type { Log } from "./log.ts";
import type { ServerConnection } from "./server-connection.ts";

/** The names in a path and their values: `/rooms/:room` gives `{ room: string }`, and `/files/*` `{ "*": string }`. */
export type PathParams<Path extends string> = string extends Path
  ? Readonly<Record<string, string>>
  : Path extends `${string}:${infer Name}/${infer Rest}`
    ? { readonly [Key in Name | keyof PathParams<`/${Rest}`>]: string }
    : Path extends `${string}:${infer Name}`
      ? { readonly [Key in Name]: string }
      : Path extends `${string}/*`
        ? { readonly "*": string }
        : Readonly<Record<never, string>>;

/** The options that a server has for all its routes and each route may set for itself. */
export interface RouteOptions extends ConnectionOptions {
  /**
   * The pages that may connect: `"same-host"`, `"any"`, a list of origins, or a function. Default `"same-host"`: where
   * a request has an `Origin`, its host and port must be those of the `Host` field. Others are refused with 403.
   */
  readonly origin?: OriginPolicy<IncomingMessage>;
  /**
   * The host names, without ports, that the server answers to; a request for another is refused with 421. Default: all.
   * Inside a private network, the list keeps out pages of a site that points its own name at the server (DNS
   * rebinding).
   */
  readonly hosts?: readonly string[];
  /**
   * The subprotocols that the server speaks; the first one that the client offers among them is chosen. Default: none.
   */
  readonly subprotocols?: readonly string[];
  /**
   * Heartbeats of pages, which cannot ping: text that equals `message` is answered with `reply`, and no handler and no
   * reader gets it. Several that come at once are answered once. Default: none.
   */
  readonly heartbeat?: AnsweredHeartbeat;
  /** Whether to accept permessage-deflate (RFC 7692), and with which parameters. Default false. */
  readonly compression?: boolean | CompressionOptions;
  /**
   * Whether handlers run in the async context (`AsyncLocalStorage`) of `upgrade`, also one that it entered before its
   * first await. Default false, since capturing a context costs some microseconds a connection.
   */
  readonly asyncContext?: boolean;
  /**
   * Whether pages learn why they are refused: a browser shows a page nothing of an HTTP response. Where a page may
   * connect by its `Origin`, `refuse`, a limit and the server's end then let it in and close at once, with a code and a
   * reason; nothing of the route runs. Costs a whole handshake for each refused page. Default false: the response.
   */
  readonly refuseByClose?: boolean;
  /** Limits that differ from their defaults. Those that count for a whole server are options of `serve` only. */
  readonly limits?: Partial<ServerLimits>;
  /** How many messages and bytes each connection may send to the server in a time; false for any. Default: any. */
  readonly rateLimit?: RateLimitOptions | false;
  /**
   * The proxies in front of the server whose `X-Forwarded-For` is believed: how many they are, or a list of their
   * addresses and ranges. Every `remoteAddress` follows from it. Default 0: none.
   */
  readonly trustProxy?: TrustProxy;
  /**
   * The logging hook, called with each refused handshake, failed connection and exception of a handler. Default:
   * exceptions go to stderr, those of handlers once for each route.
   */
  readonly log?: Log;
}

/** A route: the handlers of the connections at one path of a server, and its own options. */
export interface Route<
  Data = unknown,
  Params = Readonly<Record<string, string>>,
  Accepted extends AcceptedMessages = "any",
  Text extends TextForm = TextForm,
> extends ConnectionHandlers<ServerConnection<Data, Params>, DataOf<Accepted, Text>>,
    RouteOptions,
    AcceptsOption<Accepted> {
  /**
   * Messages of a topic with history are missing and can no longer be had: the client has to be brought up to date in
   * another way. It is called behind the messages before and before those after.
   */
  gap?(connection: ServerConnection<Data, Params>, gap: Gap): unknown;
  /**
   * Decides about a client before the 101: returns an object, `{}` for nothing special, to let it in; `refuse({ … })`
   * or a `Response` to refuse it.
   *
   * Any other value, undefined and null included, and an exception refuse the client with 500 and go to `log` or
   * stderr.
   */
  upgrade?(
    context: UpgradeContext<Params>,
  ): UpgradeResult<Data> | Refused | Response | Promise<UpgradeResult<Data> | Refused | Response>;
}

/**
 * A route as an option of `serve`: its handlers alone give `Data`. An `upgrade` would, too, where it is written in place, and
 * wrongly where it leaves the data out on one of its ways.
 */
interface GivenRoute<Data, Params, Accepted extends AcceptedMessages = "any", Text extends TextForm = TextForm>
  extends ConnectionHandlers<ServerConnection<Data, Params>, DataOf<Accepted, Text>>,
    RouteOptions,
    AcceptsOption<Accepted>,
    Pick<Route<unknown, Params>, "upgrade"> {}

/** A route in the options of `serve`: one of `route`, or one in place, whose messages' data `accepts` and `text` type. */
export type InlineRoute<Params, Data = unknown> =
  | GivenRoute<Data, Params>
  | (GivenRoute<Data, Params, "text", "string"> & { readonly accepts: "text"; readonly text?: "string" })
  | (GivenRoute<Data, Params, "text", "bytes"> & { readonly accepts: "text"; readonly text: "bytes" })
  | (GivenRoute<Data, Params, "binary"> & { readonly accepts: "binary" });

/** The options that servers and routes have in common, each with its type. */
export const routeOptionTable: OptionTable<RouteOptions> = {
  ...connectionOptionTable,
  origin: "any",
  hosts: "array",
  subprotocols: "array",
  heartbeat: "object",
  compression: ["boolean", "object"],
  asyncContext: "boolean",
  refuseByClose: "boolean",
  limits: "object",
  rateLimit: ["boolean", "object"],
  trustProxy: "any",
  log: "function",
};

/** The options and handlers of a route, each with its type. */
export const routeTable: OptionTable<Route> = {
  ...handlerTable,
  ...routeOptionTable,
  gap: "function",
  accepts: "any",
  upgrade: "function",
};

type DecisionWithoutData = Omit<UpgradeResult<unknown>, "data">;

/** The result of `upgrade` that gives `connection.data` its type: every object that lets a client in has `data`. */
export type DecisionWithData<Data> =
  | (UpgradeResult<Data> & { readonly data: Data })
  | Refused
  | Response
  | (undefined extends NoInfer<Data> ? DecisionWithoutData : never);

/** The argument of `route`: its `upgrade` may leave `data` out only where `data` may be undefined. */
export interface RouteWithData<Data, Params, Accepted extends AcceptedMessages, Text extends TextForm>
  extends ConnectionHandlers<ServerConnection<Data, Params>, DataOf<Accepted, Text>>,
    Omit<RouteOptions, "text">,
    AcceptsOption<Accepted> {
  /** Whether text messages are delivered as strings (`"string"`, the default) or as bytes of UTF-8 (`"bytes"`). */
  readonly text?: Text;
  /**
   * Messages of a topic with history are missing and can no longer be had: the client has to be brought up to date in
   * another way. It is called behind the messages before and before those after.
   */
  gap?(connection: ServerConnection<Data, Params>, gap: Gap): unknown;
  /** Decides about a client before the 101: returns an object to let it in, a refusal to refuse it. */
  upgrade?(context: UpgradeContext<Params>): DecisionWithData<Data> | Promise<DecisionWithData<Data>>;
}

/** Where `upgrade` cannot be left out, since `data` has a type. */
export type NeedsUpgrade<Data> = undefined extends NoInfer<Data> ? unknown : { readonly upgrade: unknown };

/**
 * Gives a route its types, and returns it as it is: `connection.data` has the type of the `data` that `upgrade`
 * returns, and the data of `message` the type that `accepts` and `text` leave.
 *
 * In the options of `serve` the route's key gives `params` its names. A route in a variable has them from the path, which
 * is then the first argument, and for TypeScript it is an error to serve it at a path with other names.
 *
 * For TypeScript it is an error when some results of `upgrade` have `data` and others have not; where undefined is
 * meant, return `data: undefined`. Nothing is checked at run time, and nothing is thrown.
 */
export function route<
  Data = unknown,
  Params = Readonly<Record<string, string>>,
  Accepted extends AcceptedMessages = "any",
  Text extends TextForm = "string",
>(options: RouteWithData<Data, Params, Accepted, Text> & NeedsUpgrade<Data>): Route<Data, Params>;
export function route<
  Path extends string,
  Data = unknown,
  Accepted extends AcceptedMessages = "any",
  Text extends TextForm = "string",
>(
  path: Path,
  options: RouteWithData<Data, PathParams<Path>, Accepted, Text> & NeedsUpgrade<Data>,
): Route<Data, PathParams<Path>>;
export function route(...given: readonly unknown[]): Route {
  return given.at(-1) as Route;
}
