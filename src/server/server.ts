/**
 * `serve`: WebSocket routes on a listener of its own, or beside whatever else an existing HTTP server does.
 *
 * On a shared server only the paths of our routes are touched; a path that nobody claims is answered with 404 only when
 * every `upgrade` listener of that server is ours.
 */

import { setMaxListeners } from "node:events";
import { Server as HttpServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { Server as HttpsServer } from "node:https";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { SecureContextOptions } from "node:tls";
import type { CloseReport } from "../connection/closing/close-report.ts";
import { deferred } from "../connection/deferred.ts";
import { newCounters } from "../connection/diagnostics.ts";
import { errorOf, print } from "../connection/handler-errors.ts";
import { type ConnectionSettings, isThenable } from "../connection/handlers.ts";
import { checkLimitsOfOne, limitsBeside, serverLimits } from "../connection/limits.ts";
import { checkNumber } from "../protocol/check-number.ts";
import { checkOptions, describe, type OptionTable } from "../protocol/check-options.ts";
import { CloseCode } from "../protocol/close-code.ts";
import { type ForeignNames, foreignNames } from "../protocol/foreign-names.ts";
import { verifyRequest } from "../protocol/handshake/opening-handshake.ts";
import { type Publishable, type PublishResult, Topics } from "../topics/topics.ts";
import { connectionSettings } from "./accept.ts";
import { closeEvenly, type DrainOptions, drainReason, resolveDrain } from "./drain.ts";
import { claim } from "./handshake/claim.ts";
import { addressOf, resolveTrust } from "./handshake/client-address.ts";
import { ConnectionsPerAddress } from "./handshake/connections-per-address.ts";
import { endFirstLook, lookFirst } from "./handshake/fast-handshake.ts";
import type { ProxyProblem } from "./handshake/proxied-address.ts";
import {
  handshakeOf,
  isResponse,
  noteRefusal,
  otherEnd,
  plainRefusal,
  Refused,
  refuse,
  type UpgradeRequest,
} from "./handshake/refuse.ts";
import type { RequestHead } from "./handshake/request-head.ts";
import { pathOf, type RouteMatch, Router } from "./handshake/router.ts";
import { upgrade, upgradeAtOnce, verifyAtOnce } from "./handshake/server-handshake.ts";
import {
  checkListenerOptions,
  createListener,
  destroyTlsTransports,
  type ListenerOptions,
  listen,
  listenerFailed,
  listenerOptionTable,
  renewSecureContext,
} from "./listening/listener.ts";
import { fileLimit } from "./listening/open-file-limit.ts";
import { readProxyHeaders } from "./listening/proxied-sockets.ts";
import { attach, detach } from "./listening/upgrade-listener.ts";
import { guardedLog, type Log, requestError } from "./log.ts";
import type { ServerMetrics } from "./metrics.ts";
import {
  type InlineRoute,
  type PathParams,
  type ResolvedRoute,
  type Route,
  type RouteOptions,
  resolveRoute,
  routeOptionTable,
  routeTable,
} from "./route.ts";
import type { ServerConnection } from "./server-connection.ts";

/** The options of `serve`. */
export interface ServeOptions<Path extends string = string> extends RouteOptions, ListenerOptions {
  /** The routes by path; `:name` in a path stands for one segment, `*` at its end for all that is left. */
  readonly routes: { readonly [Key in Path]: InlineRoute<PathParams<NoInfer<Key>>> };
  /**
   * Answers requests that are no WebSocket handshake; for an exception or a rejection 500 is answered. Default: 426 on a
   * route's path, else 404. Own listener only.
   */
  readonly request?: RequestListener;
  /** An `http` or `https` server to share, which stays the caller's to start and to close. */
  readonly server?: HttpServer;
}

const serveTable: OptionTable<ServeOptions> = {
  ...routeOptionTable,
  ...listenerOptionTable,
  routes: "object",
  request: "function",
  server: "any",
};

const misplacedLimits = limitsBeside(serverLimits);
const serveForeign: ForeignNames = { ...misplacedLimits, ...foreignNames.serve };
const routeForeign: ForeignNames = { ...misplacedLimits, ...foreignNames.route };

interface ServedRoute {
  readonly route: ResolvedRoute;
  readonly settings: ConnectionSettings<ServerConnection>;
}

/** What `serve` gives back. */
export class Server {
  readonly #http: HttpServer;
  readonly #own: boolean;
  readonly #routes: Router<ServedRoute>;
  readonly #defaults: ResolvedRoute;
  readonly #maxConnections: number;
  /** Undefined where connections from one address are not limited. */
  readonly #addresses: ConnectionsPerAddress | undefined;
  readonly #topics: Topics;
  /** Whether proxies say whose a connection is before it begins. */
  readonly #proxied: boolean;
  readonly #connections = new Set<ServerConnection>();
  /** Those whose transport is gone while handlers are still at work on what came before. */
  readonly #unhandled = new Set<ServerConnection>();
  /** Those whose handlers were waited for long enough. */
  readonly #givenUp = new WeakSet<ServerConnection>();
  readonly #closing = new AbortController();
  /** What the 503 of new handshakes says while the server drains; undefined before. */
  #retryAfter: number | undefined;
  /** What the clients are told while it drains. */
  #drainCode: number = CloseCode.ServiceRestart;
  readonly #counters = newCounters();
  readonly #refusals = new Map<string, number>();
  readonly #closed: Record<number, number> = {};
  #opened = 0;
  /** Opening handshakes that wait for their route's `upgrade`. */
  readonly #pending = new Set<Promise<void>>();

  /** @internal */
  constructor(http: HttpServer, own: boolean, options: ServeOptions) {
    this.#http = http;
    this.#own = own;
    this.#proxied = options.proxyProtocol !== undefined;
    this.#defaults = resolveRoute({}, options);
    const { maxConnectionsPerAddress } = this.#defaults.limits;
    this.#addresses = maxConnectionsPerAddress < Number.POSITIVE_INFINITY ? new ConnectionsPerAddress() : undefined;
    this.#maxConnections = options.limits?.maxConnections ?? fileLimit();
    this.#topics = new Topics(options.limits);
    // Each pending handshake listens to it.
    setMaxListeners(0, this.#closing.signal);
    const began = (connection: ServerConnection) => {
      this.#opened++;
      this.#connections.add(connection);
    };
    const ended = (connection: ServerConnection, { code }: CloseReport) => {
      this.#connections.delete(connection);
      this.#unhandled.add(connection);
      this.#addresses?.remove(connection.remoteAddress);
      this.#closed[code] = (this.#closed[code] ?? 0) + 1;
    };
    const handled = (connection: ServerConnection) => void this.#unhandled.delete(connection);
    const served = Object.entries(options.routes).map(([path, handlers]) => {
      const route = resolveRoute(handlers as Route, options);
      return [
        path,
        { route, settings: connectionSettings(route, { counters: this.#counters, began, ended, handled }) },
      ] as const;
    });
    this.#routes = new Router(served);
  }

  /** The port of the listener; 0 while a shared server does not listen, or on a Unix socket. */
  get port(): number {
    const address = this.#http.address();
    return typeof address === "object" ? ((address as AddressInfo | null)?.port ?? 0) : 0;
  }

  /** The open connections. */
  get connections(): ReadonlySet<ServerConnection> {
    return this.#connections;
  }

  /** Publishes to everybody who is subscribed to the topic; it leaves when the turn is over. */
  publish(topic: string, data: Publishable): PublishResult {
    return this.#topics.publish(topic, data);
  }

  /** How many connections are subscribed to the topic. */
  subscriberCount(topic: string): number {
    return this.#topics.count(topic);
  }

  /** Whether new connections are let in: false from `drain` or `close` on. */
  get accepting(): boolean {
    return this.#retryAfter === undefined && !this.#closing.signal.aborted;
  }

  /**
   * Sends the clients away within a window, delivers what was accepted, and stops.
   *
   * New handshakes get 503 with `Retry-After` from the call on; then clients are told one after another over `over`
   * milliseconds. Resolves when all are gone, those that stay at the deadline being cut off, and the listener is closed.
   * Rejects with a RangeError for a close code that cannot be sent and for a number that cannot be, and with a
   * TypeError when it is to stop the listening of a shared server.
   */
  async drain(options: DrainOptions = {}): Promise<void> {
    const { over, code, retryAfter, deadline, stopListening } = resolveDrain(options);
    if (stopListening && !this.#own) {
      throw new TypeError(
        'Cannot drain: the option "stopListening" is for a listener of our own, and this one is shared',
      );
    }
    this.#retryAfter = retryAfter;
    this.#drainCode = code;
    if (stopListening) void this.#stopListening();
    const connections = [...this.#connections];
    const left = this.#leave(connections, performance.now() + deadline);
    await closeEvenly(connections, over, code);
    await left;
    await this.close();
  }

  /**
   * Stops accepting, tells every client 1001, and resolves when all are gone and their `close` handlers are done.
   *
   * After `closeTimeout` (5 s by default) a client that has not answered is cut off, and a handler is not waited for.
   */
  async close(): Promise<void> {
    detach(this.#http, this);
    this.#closing.abort();
    endFirstLook(this.#http);
    const stopped = this.#own ? this.#stopListening() : undefined;
    const connections = [...this.#connections];
    for (const connection of connections) connection.close(CloseCode.GoingAway, "The server is closing");
    const until = performance.now() + this.#defaults.limits.closeTimeout;
    await this.#leave(connections, until);
    // Some were about to open at the call: they are told as soon as they have.
    await Promise.all(this.#pending);
    await this.#leave([...this.#connections], until);
    if (this.#own) {
      this.#http.closeAllConnections();
      destroyTlsTransports(this.#http);
    }
    await stopped;
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Gives the own TLS listener another certificate, for handshakes from now on; open connections go on. Options that
   * are left out stay as they were.
   *
   * Throws a TypeError where there is no TLS listener of our own, and for a path where the PEM belongs, and OpenSSL's error
   * for a certificate that cannot be used; nothing is changed then.
   */
  setSecureContext(options: SecureContextOptions): void {
    renewSecureContext(this.#http, options);
  }

  /** What the server has done and is doing; `prometheusText` writes it for Prometheus. */
  metrics(): ServerMetrics {
    let bufferedAmount = 0;
    for (const connection of this.#connections) bufferedAmount += connection.bufferedAmount;
    return {
      ...this.#counters,
      connections: this.#connections.size,
      pendingHandshakes: this.#pending.size,
      opened: this.#opened,
      closed: { ...this.#closed },
      refused: Object.fromEntries(this.#refusals),
      bufferedAmount,
      topics: this.#topics.size,
      publishBacklog: this.#topics.backlog,
      messagesDropped: this.#topics.dropped,
    };
  }

  /** @internal Refuses what `node:http` could not read. */
  refuseUnread(socket: Duplex, refused: Refused): void {
    refuse({ socket, refusals: this.#refusals, log: this.#defaults.log }, refused);
  }

  /** @internal Notes a connection that was ended before it was one. */
  noteEnded(socket: Socket, problem: ProxyProblem): void {
    const silent = new Refused(problem, { status: 0, headers: [], body: "" });
    noteRefusal({ socket, refusals: this.#refusals, log: this.#defaults.log }, silent);
  }

  /** @internal Counts a request that is answered as plain HTTP for what it lacks. */
  noteRefused(request: IncomingMessage, refused: Refused): void {
    noteRefusal({ request, socket: request.socket, refusals: this.#refusals, log: this.#defaults.log }, refused);
  }

  /** @internal The route of a path, if it is ours. */
  match(path: string): RouteMatch<ServedRoute> | undefined {
    return this.#routes.match(path);
  }

  /** @internal See `AttachedServer`. */
  get paths(): readonly string[] {
    return this.accepting ? this.#routes.paths : [];
  }

  /** @internal See `AttachedServer`. */
  hasPath({ url = "" }: IncomingMessage): boolean {
    return this.match(pathOf(url)) !== undefined;
  }

  /** @internal See `AttachedServer`. */
  takeUpgrade(request: UpgradeRequest): boolean {
    const match = this.match(pathOf(request.request.url ?? ""));
    if (match === undefined) return false;
    try {
      claim(request);
    } catch (error) {
      listenerFailed(error as Error, match.value.route.log);
      return true;
    }
    this.#upgrade(request, match);
    return true;
  }

  #upgrade(request: UpgradeRequest, { value, params }: RouteMatch<ServedRoute>): void {
    const exchange = this.#exchange(request, value.route);
    const refused = this.#refused(exchange.remoteAddress);
    if (refused) return refuse(exchange, refused);
    this.#addresses?.add(exchange.remoteAddress);
    const outcome = upgrade(exchange, {
      route: value.route,
      settings: value.settings,
      params,
      topics: this.#topics,
      ownSockets: this.#own,
      closing: this.#closing.signal,
    });
    if (!(outcome instanceof Promise)) return this.#add(exchange.remoteAddress, outcome);
    const added = outcome
      .catch((error: Error) => listenerFailed(error, value.route.log))
      .then((connection) => {
        this.#pending.delete(added);
        this.#add(exchange.remoteAddress, connection ?? undefined);
      });
    this.#pending.add(added);
  }

  /** @internal See `FirstTaker`. */
  takeHead(head: RequestHead, socket: Socket): boolean {
    const match = this.#routes.match(pathOf(head.target));
    if (match === undefined) return false;
    const { route, settings } = match.value;
    const verified = verifyAtOnce(head, route);
    if (verified === undefined) return false;
    const remoteAddress = this.#needsAddress(route) ? otherEnd({ socket }) : undefined;
    if (this.#refused(remoteAddress)) return false;
    this.#addresses?.add(remoteAddress);
    const target = { route, settings, params: match.params, topics: this.#topics, ownSockets: true };
    this.#add(remoteAddress, upgradeAtOnce(socket, target, verified, remoteAddress));
    return true;
  }

  /** @internal See `AttachedServer`. */
  refuseUnknown(request: UpgradeRequest): void {
    refuse(this.#exchange(request, this.#defaults), Refused.by("unknown-path"));
  }

  #exchange(exchange: UpgradeRequest, route: ResolvedRoute): UpgradeRequest {
    const remoteAddress = this.#needsAddress(route) ? addressOf(exchange, route.trust) : undefined;
    const { request, socket, head } = exchange;
    return { request, socket, head, refusals: this.#refusals, log: route.log, remoteAddress };
  }

  /** Whether the address is not the socket's, or is asked for when the socket no longer knows it. */
  #needsAddress({ trust, log }: ResolvedRoute): boolean {
    return this.#proxied || trust !== undefined || log !== undefined || this.#addresses !== undefined;
  }

  /** Why no client is let in at present, if so. */
  #refused(remoteAddress: string | undefined): Refused | undefined {
    if (!this.accepting) return Refused.busy("server-closing", "the server is closing", this.#retryAfter);
    if (this.#connections.size + this.#pending.size >= this.#maxConnections) {
      return Refused.busy("too-many-connections", "the server has as many connections as it takes");
    }
    if (this.#pending.size >= this.#defaults.limits.maxPendingHandshakes) {
      return Refused.busy("too-many-handshakes", "too many opening handshakes are waiting");
    }
    if (this.#addresses && this.#addresses.count(remoteAddress) >= this.#defaults.limits.maxConnectionsPerAddress) {
      return Refused.busy("too-many-from-address", "there are too many connections from your address");
    }
    return undefined;
  }

  #add(remoteAddress: string | undefined, connection: ServerConnection | undefined): void {
    if (connection === undefined) return this.#addresses?.remove(remoteAddress);
    if (this.accepting) return;
    if (this.#closing.signal.aborted) connection.close(CloseCode.GoingAway, "The server is closing");
    else connection.close(this.#drainCode, drainReason);
  }

  /**
   * Resolves when all are closed and their handlers done; at `until`, on the clock of `performance`, those that are
   * left are cut off, and no handler is waited for, nor in a later call.
   */
  async #leave(connections: readonly ServerConnection[], until: number): Promise<void> {
    const leaving = [...connections, ...this.#unhandled].filter((connection) => !this.#givenUp.has(connection));
    const cutOff = deferred<unknown>();
    const timer = setTimeout(
      () => {
        for (const connection of leaving) this.#givenUp.add(connection);
        for (const connection of connections) connection.terminate();
        cutOff.resolve(Promise.all(connections.map(({ closed }) => closed)));
      },
      Math.max(0, until - performance.now()),
    );
    await Promise.race([Promise.all(leaving.map(({ handled }) => handled)), cutOff.promise]);
    clearTimeout(timer);
  }

  #stopListening(): Promise<void> {
    return new Promise((resolve) => {
      this.#http.close(() => resolve());
      this.#http.closeIdleConnections();
    });
  }
}

/**
 * Serves WebSocket routes; resolves when the listener is up.
 *
 * Throws a TypeError or a RangeError for options that cannot be, and rejects with the listener's error, such as
 * `EADDRINUSE`, when it cannot listen.
 */
export async function serve<const Path extends string>(options: ServeOptions<Path>): Promise<Server> {
  checkServeOptions(options as ServeOptions);
  const { server: shared } = options;
  const { limits } = resolveRoute({}, options as ServeOptions);
  const http = shared ?? createListener(options, limits);
  const server = new Server(http, shared === undefined, options as ServeOptions);
  if (!shared) {
    answerRequests(http, server, options as ServeOptions);
    if (!options.tls) lookFirst(http, server, limits);
    const trust = resolveTrust(options.proxyProtocol);
    if (trust) {
      const refused = server.noteEnded.bind(server);
      readProxyHeaders(http, { trust, timeout: limits.handshakeTimeout, refused });
    }
    await listen(http, options);
  }
  attach(http, server);
  return server;
}

function checkServeOptions(options: ServeOptions): void {
  checkOptions("serve", options, serveTable, serveForeign);
  if (options.routes === undefined) throw new TypeError("Cannot serve: there are no routes");
  if (Symbol.iterator in options.routes) {
    throw new TypeError(
      'Cannot serve: the routes must be an object of paths, such as { "/chat": { … } }, not a Map or a list',
    );
  }
  for (const [path, handlers] of Object.entries(options.routes)) {
    checkOptions(`serve ${describe(path)}`, handlers, routeTable, routeForeign);
    checkLimitsOfOne(`serve ${describe(path)}`, (handlers as Route).limits, true);
  }
  checkListenerOptions(options);
  if (options.port !== undefined) checkNumber("serve", "port", options.port, "port");
  if (options.server === undefined) return;
  const given: unknown = options.server;
  if (given instanceof NetServer && !(given instanceof HttpServer || given instanceof HttpsServer)) {
    throw new TypeError(
      'Cannot serve: the option "server" is a server of node:net or node:tls, which reads no HTTP; ' +
        "give one of createServer of node:http or node:https",
    );
  }
  if (!isHttpServer(options.server)) {
    throw new TypeError(
      'Cannot serve: the option "server" must be an HTTP server, such as createServer(app) makes and app.listen(port) gives, ' +
        `not ${describe(options.server)}`,
    );
  }
  for (const name of [...Object.keys(listenerOptionTable), "request"] as (keyof ServeOptions)[]) {
    if (options[name] === undefined) continue;
    throw new TypeError(
      `Cannot serve: the option "${name}" is for a listener of our own, and there is a server to share`,
    );
  }
}

/** Whether it has what we call; an application of a framework has not, and its server may be made elsewhere. */
function isHttpServer(value: unknown): boolean {
  const { on, off, listenerCount, address } = Object(value) as Partial<HttpServer>;
  return [on, off, listenerCount, address].every((method) => typeof method === "function");
}

function answerRequests(http: HttpServer, server: Server, { request, log }: ServeOptions): void {
  http.on(
    "request",
    request ? guarded(request, log) : (message, response) => answerPlainRequest(server, message, response),
  );
  http.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
    else server.refuseUnread(socket, unreadable(error.code));
  });
}

/**
 * A listener for plain requests of which no exception or rejection ends the process: what it has not answered gets 500, an
 * answer that it has begun is cut off, and the log is told, or stderr the first time.
 */
function guarded(request: RequestListener, log: Log | undefined): RequestListener {
  const record = guardedLog(log);
  let printed = false;
  const failed = (message: IncomingMessage, response: ServerResponse, thrown: unknown) => {
    const error = errorOf(thrown) ?? (thrown as Error);
    record?.(requestError(message, error));
    if (!record && !printed) {
      printed = true;
      print("The request listener of a server threw; the request was answered with 500:", error);
    }
    answerFailed(response);
  };
  return (message, response) => {
    try {
      const result: unknown = request(message, response);
      if (isResponse(result)) throw returnedResponse();
      if (!isThenable(result)) return;
      Promise.resolve(result).then(
        (settled) => {
          if (isResponse(settled)) failed(message, response, returnedResponse());
        },
        (thrown) => failed(message, response, thrown),
      );
    } catch (thrown) {
      failed(message, response, thrown);
    }
  };
}

function returnedResponse(): TypeError {
  return new TypeError(
    "Cannot answer: request returned a Response, which nobody writes; it is answered by its second argument: " +
      "request: (request, response) => void response.end(…)",
  );
}

/** An answer that was complete stays; of one that was begun, the end is missing for all to see. */
function answerFailed(response: ServerResponse): void {
  if (response.writableEnded) return;
  if (response.headersSent) return void response.destroy();
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  const { status, headers, body } = plainRefusal(500, "The server failed");
  response.writeHead(status, [["Connection", "close"], ...headers].flat() as string[]);
  response.end(body);
}

/** What is answered to bytes that `node:http` could not read as a request, by the code of its error. */
function unreadable(code: string | undefined): Refused {
  if (code === "HPE_HEADER_OVERFLOW") {
    return new Refused("headers-too-large", plainRefusal(431, "The head of the request is too large"));
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return new Refused("request-too-slow", plainRefusal(408, "The request came too slowly"));
  }
  return new Refused("malformed-http", plainRefusal(400, "The request is not valid HTTP/1.1"));
}

/** A request that is no handshake: what it lacks on a route's path, else 404. */
function answerPlainRequest(server: Server, message: IncomingMessage, response: ServerResponse): void {
  let refused = Refused.by("unknown-path");
  const match = server.match(pathOf(message.url ?? ""));
  if (match) {
    const verified = verifyRequest(handshakeOf(message), match.value.route.limits);
    refused = verified.ok ? Refused.by("missing-upgrade") : new Refused(verified.rule, verified.refusal);
    server.noteRefused(message, refused);
  }
  const { status, headers, body } = refused.refusal;
  response.writeHead(status, [["Connection", "close"], ...headers].flat() as string[]);
  response.end(body);
}
