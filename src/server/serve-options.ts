/**
 * The options of `serve`, and the checks that they pass before a server is made.
 */

import { Server as HttpServer, type RequestListener } from "node:http";
import { Server as HttpsServer } from "node:https";
import { type ListenOptions, Server as NetServer } from "node:net";
import { checkLimitsOfOne, limitsBeside, serverLimits } from "../connection/options/limits.ts";
import { checkNumber } from "../protocol/check-number.ts";
import { checkOptions, describe, type OptionTable } from "../protocol/check-options.ts";
import { type ForeignNames, foreignNames } from "../protocol/foreign-names.ts";
import { checkCluster, type Relay } from "../topics/relay.ts";
import type { DrainOptions } from "./drain.ts";
import { checkListenerOptions, type ListenerOptions, listenerOptionTable } from "./listening/listener.ts";
import type { ServerMetrics } from "./metrics.ts";
import {
  type InlineRoute,
  type PathParams,
  type Route,
  type RouteOptions,
  routeOptionTable,
  routeTable,
} from "./route.ts";

/** A server, as a cluster sees it that has a say in how it listens. */
export interface HostedServer {
  readonly port: number;
  readonly accepting: boolean;
  drain(options?: DrainOptions): Promise<void>;
  close(): Promise<void>;
  metrics(): ServerMetrics;
}

/** How a server would listen. */
export interface Listener {
  /** Its options; undefined where it shares a server, which somebody else lets listen. */
  readonly options: ListenerOptions | undefined;
  /** Lets it listen, with other options in place of some; resolves when it does. */
  listen(other: ListenOptions): Promise<void>;
}

/** A cluster, for the option `cluster` of `serve`. */
export interface ServerCluster extends Relay {
  /** Calls `listen`, once; what it rejects with, `serve` does. Default: it is called without other options. */
  host?(server: HostedServer, listener: Listener): Promise<void>;
}

/** The options of `serve`; `Datas` has the type of `connection.data` for each path. */
export interface ServeOptions<Datas = Readonly<Record<string, unknown>>> extends RouteOptions, ListenerOptions {
  /** The routes by path. `:name` in a path stands for one segment, `*` at its end for the rest. */
  readonly routes: { readonly [Path in keyof Datas]: InlineRoute<PathParams<Path & string>, Datas[Path]> };
  /**
   * Answers requests that are no WebSocket handshake; after an exception or a rejection, 500 is answered. Default: 426
   * on a route's path, else 404. Own listener only.
   */
  readonly request?: RequestListener;
  /**
   * What `createCluster` or `workerCluster` returned: topics then reach every process of the cluster. Default: topics stay
   * in this server.
   */
  readonly cluster?: ServerCluster;
  /** An `http` or `https` server to share; the caller starts and closes it. Default: a listener of our own. */
  readonly server?: HttpServer;
}

const serveTable: OptionTable<ServeOptions> = {
  ...routeOptionTable,
  ...listenerOptionTable,
  routes: "object",
  request: "function",
  cluster: "object",
  server: "any",
};

const misplacedLimits = limitsBeside(serverLimits);
const serveForeign: ForeignNames = { ...misplacedLimits, ...foreignNames.serve };
const routeForeign: ForeignNames = { ...misplacedLimits, ...foreignNames.route };

/** Throws a TypeError or a RangeError for options of `serve` that cannot be. */
export function checkServeOptions(options: ServeOptions): void {
  checkOptions("serve", options, serveTable, serveForeign);
  checkRoutes(options.routes);
  checkListenerOptions(options);
  if (options.port !== undefined) checkNumber("serve", "port", options.port, "port");
  if (options.server !== undefined) checkSharedServer(options.server, options);
  checkCluster("serve", options.cluster);
}

function checkRoutes(routes: ServeOptions["routes"] | undefined): void {
  if (routes === undefined) throw new TypeError("Cannot serve: there are no routes");
  if (Symbol.iterator in routes) {
    throw new TypeError(
      'Cannot serve: the routes must be an object of paths, such as { "/chat": { … } }, not a Map or a list',
    );
  }
  for (const [path, handlers] of Object.entries(routes)) {
    checkOptions(`serve ${describe(path)}`, handlers, routeTable, routeForeign);
    checkLimitsOfOne(`serve ${describe(path)}`, (handlers as Route).limits, true);
  }
}

function checkSharedServer(server: unknown, options: ServeOptions): void {
  if (server instanceof NetServer && !(server instanceof HttpServer || server instanceof HttpsServer)) {
    throw new TypeError(
      'Cannot serve: the option "server" is a server of node:net or node:tls, which reads no HTTP; ' +
        "give one of createServer of node:http or node:https",
    );
  }
  if (!isHttpServer(server)) {
    throw new TypeError(
      'Cannot serve: the option "server" must be an HTTP server, such as createServer(app) makes and app.listen(port) gives, ' +
        `not ${describe(server)}`,
    );
  }
  for (const name of [...Object.keys(listenerOptionTable), "request"] as (keyof ServeOptions)[]) {
    if (options[name] === undefined) continue;
    throw new TypeError(
      `Cannot serve: the option "${name}" is for a listener of our own, and there is a server to share`,
    );
  }
}

/**
 * Whether a value has the methods that are called of a server. A framework's application has not; a wrapped server has.
 */
function isHttpServer(value: unknown): boolean {
  const { on, off, listenerCount, address } = Object(value) as Partial<HttpServer>;
  return [on, off, listenerCount, address].every((method) => typeof method === "function");
}
