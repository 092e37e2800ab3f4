/**
 * What a server does at one path: whom it lets in, and the handlers of the connections there.
 */

import type { IncomingMessage } from "node:http";
import {
  type AcceptsOption,
  type ConnectionHandlers,
  type ConnectionOptions,
  connectionOptionTable,
  type DataOf,
  handlerTable,
  type KeepaliveOptions,
  resolveDelivery,
  resolveKeepalive,
  type TextForm,
} from "../connection/handlers.ts";
import { type ConnectionLimits, resolveLimits, type ServerLimits, serverLimits } from "../connection/limits.ts";
import type { OptionTable } from "../protocol/check-options.ts";
import { type AcceptedMessages, type EndpointOptions, EndpointSettings } from "../protocol/endpoint-options.ts";
import { isToken } from "../protocol/handshake/header-fields.ts";
import type { HeaderEntries } from "../protocol/handshake/opening-handshake.ts";
import {
  type CompressionOptions,
  type CompressionSettings,
  compressionSettings,
} from "../protocol/handshake/permessage-deflate.ts";
import { type ProxyTrust, resolveTrust, type TrustProxy } from "./handshake/client-address.ts";
import { checkOriginPolicy, hostSet, type OriginPolicy } from "./handshake/origin.ts";
import { guardedLog, type Log } from "./log.ts";
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

/** What `upgrade` may look at before it lets a client in. */
export interface UpgradeContext<Params = Readonly<Record<string, string>>> {
  /** The opening handshake's request. Its `socket` is not to be used once `upgrade` has returned. */
  readonly request: IncomingMessage;
  /** The values of the path's names, percent-decoded. */
  readonly params: Params;
  /** The request's path and query, on the request's host. */
  readonly url: URL;
  /** The subprotocols that the client offers, in its order of preference. */
  readonly subprotocols: readonly string[];
  /** The client's address, as `trustProxy` has it; undefined when the stream is not TCP. */
  readonly remoteAddress: string | undefined;
  /** Aborts when the client leaves, `upgradeTimeout` has passed or the server closes. */
  readonly signal: AbortSignal;
}

/** What `upgrade` may decide. */
export interface UpgradeResult<Data> {
  /** What `connection.data` holds. */
  readonly data?: Data;
  /** One of the offered subprotocols; by default the first offered one that the route lists. */
  readonly subprotocol?: string;
  /** Header fields for the 101, such as cookies. */
  readonly headers?: HeaderEntries | Readonly<Record<string, string>> | Headers;
}

/** The options that a server has for all its routes and each route may set for itself. */
export interface RouteOptions extends ConnectionOptions {
  /**
   * Whose pages may connect. Default `"same-host"`: where a request has an `Origin`, its host and port must be those of
   * the `Host` field. A list of origins, a function, or `"any"`.
   */
  readonly origin?: OriginPolicy<IncomingMessage>;
  /**
   * The host names, without ports, that the server answers to; a request for another is refused with 421. Default: all.
   * Where clients reach a server inside a private network by name, this keeps out pages whose name was pointed at it.
   */
  readonly hosts?: readonly string[];
  /** The subprotocols that the server speaks; of the client's, the first of these is chosen. Default none. */
  readonly subprotocols?: readonly string[];
  /** Whether to accept permessage-deflate, and how. Default false. */
  readonly compression?: boolean | CompressionOptions;
  /**
   * Whether handlers run in the async context (`AsyncLocalStorage`) in which `upgrade` was called, or that it entered
   * before its first await. Default false: capturing it costs microseconds a connection.
   */
  readonly asyncContext?: boolean;
  /** Limits that differ from the defaults; the server's own are taken from the server's options only. */
  readonly limits?: Partial<ServerLimits>;
  /**
   * The proxies in front of the server whose `X-Forwarded-For` is believed: how many they are, or a list of their
   * addresses and ranges. It decides `remoteAddress` everywhere. Default 0: none.
   */
  readonly trustProxy?: TrustProxy;
  /**
   * Called with each refused handshake, failed connection and exception of a handler. Default: exceptions go to stderr,
   * those of handlers once for each route.
   */
  readonly log?: Log;
}

/** One path of a server: handlers, and options of its own. */
export interface Route<
  Data = unknown,
  Params = Readonly<Record<string, string>>,
  Accepted extends AcceptedMessages = "any",
  Text extends TextForm = TextForm,
> extends ConnectionHandlers<ServerConnection<Data, Params>, DataOf<Accepted, Text>>,
    RouteOptions,
    AcceptsOption<Accepted> {
  /**
   * Decides before the 101: returns what the connection starts with, `{}` where that is nothing, or a `Response` that
   * refuses it.
   *
   * Whatever else it returns, undefined and null included, lets nobody in: it refuses with 500, as an exception does, and
   * goes to `log` or stderr.
   */
  upgrade?(context: UpgradeContext<Params>): UpgradeResult<Data> | Response | Promise<UpgradeResult<Data> | Response>;
}

/** A route as `serve` takes it where it stands: `accepts` and `text` say what type the data of its messages has. */
export type InlineRoute<Params> =
  | Route<unknown, Params>
  | (Route<unknown, Params, "text", "string"> & { readonly accepts: "text"; readonly text?: "string" })
  | (Route<unknown, Params, "text", "bytes"> & { readonly accepts: "text"; readonly text: "bytes" })
  | (Route<unknown, Params, "binary"> & { readonly accepts: "binary" });

/** The options that servers and routes have in common, by name. */
export const routeOptionTable: OptionTable<RouteOptions> = {
  ...connectionOptionTable,
  origin: "any",
  hosts: "array",
  subprotocols: "array",
  compression: ["boolean", "object"],
  asyncContext: "boolean",
  limits: "object",
  trustProxy: "any",
  log: "function",
};

/** The options and handlers of a route by name. */
export const routeTable: OptionTable<Route> = {
  ...handlerTable,
  ...routeOptionTable,
  accepts: "any",
  upgrade: "function",
};

type DecisionWithoutData = Omit<UpgradeResult<unknown>, "data">;

/**
 * What `upgrade` returns where `connection.data` is to have the type of its `data`: each way that lets a client in
 * gives it.
 */
export type DecisionWithData<Data> =
  | (UpgradeResult<Data> & { readonly data: Data })
  | Response
  | (undefined extends NoInfer<Data> ? DecisionWithoutData : never);

/** A route as `route` takes it: `data` may only be left out where it may be undefined. */
export interface RouteWithData<Data, Params, Accepted extends AcceptedMessages, Text extends TextForm>
  extends ConnectionHandlers<ServerConnection<Data, Params>, DataOf<Accepted, Text>>,
    Omit<RouteOptions, "text">,
    AcceptsOption<Accepted> {
  /** See `ConnectionOptions`. */
  readonly text?: Text;
  /** See `Route`. */
  upgrade?(context: UpgradeContext<Params>): DecisionWithData<Data> | Promise<DecisionWithData<Data>>;
}

/**
 * Gives a route its types: what `upgrade` returns as `data` is what `connection.data` is in the handlers, and where it
 * accepts messages of one type only, those of `message` have the type of these.
 *
 * For TypeScript, a way through `upgrade` that lets a client in without `data` is a mistake where others give it; what is
 * meant to be undefined is returned as `data: undefined`.
 */
export function route<
  Data = unknown,
  Params = Readonly<Record<string, string>>,
  Accepted extends AcceptedMessages = "any",
  Text extends TextForm = "string",
>(
  options: RouteWithData<Data, Params, Accepted, Text> &
    (undefined extends NoInfer<Data> ? unknown : { readonly upgrade: unknown }),
): Route<Data, Params> {
  return options as Route<Data, Params>;
}

/** A route as the server uses it, its options resolved once. */
export interface ResolvedRoute {
  readonly handlers: Route;
  readonly limits: ServerLimits & ConnectionLimits;
  readonly keepalive: Required<KeepaliveOptions> | undefined;
  readonly compression: CompressionSettings | undefined;
  readonly origin: OriginPolicy<IncomingMessage>;
  readonly hosts: ReadonlySet<string> | undefined;
  readonly subprotocols: readonly string[];
  /** What the endpoints of its connections have in common, without compression and with it. */
  readonly endpoints: { readonly plain: EndpointSettings; readonly compressed: EndpointSettings };
  readonly trust: ProxyTrust | undefined;
  readonly log: Log | undefined;
  readonly asyncContext: boolean;
}

/** Resolves a route's options over the server's; throws for what no option can be. */
export function resolveRoute(route: Route, defaults: RouteOptions = {}): ResolvedRoute {
  const compression = route.compression ?? defaults.compression ?? false;
  const origin = route.origin ?? defaults.origin ?? "same-host";
  const subprotocols = route.subprotocols ?? defaults.subprotocols ?? [];
  checkOriginPolicy(origin);
  const hosts = route.hosts ?? defaults.hosts;
  for (const subprotocol of subprotocols) {
    if (!isToken(subprotocol)) throw new TypeError(`Cannot speak the subprotocol "${subprotocol}": it is not a token`);
  }
  const limits = resolveLimits(serverLimits, { ...defaults.limits, ...route.limits });
  const { maxMessageSize, maxEmptyFragments } = limits;
  const delivery = resolveDelivery(route, defaults);
  if (delivery.accepts === "text" && delivery.textAsBytes && route.text === undefined) {
    // What is inherited is not known where the type of its handler's data is made.
    throw new TypeError('Cannot accept text alone as bytes: the route itself has to say text: "bytes"');
  }
  const endpoint: EndpointOptions = { role: "server", maxMessageSize, maxEmptyFragments, ...delivery };
  return {
    handlers: route,
    limits,
    keepalive: resolveKeepalive(route.keepalive ?? defaults.keepalive),
    compression: compression === false ? undefined : compressionSettings(compression),
    origin,
    hosts: hosts && hostSet(hosts),
    subprotocols,
    endpoints: {
      plain: new EndpointSettings(endpoint),
      compressed: new EndpointSettings({ ...endpoint, compression: true }),
    },
    trust: resolveTrust(route.trustProxy ?? defaults.trustProxy),
    log: guardedLog(route.log ?? defaults.log),
    asyncContext: route.asyncContext ?? defaults.asyncContext ?? false,
  };
}
