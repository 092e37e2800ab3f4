/**
 * `serve`: WebSocket routes on a listener of its own, or on an HTTP server that serves other things as well.
 *
 * On a shared server only the paths of our routes are touched. A path without a route is answered with 404 only while
 * every `upgrade` listener of that server is ours.
 */

import type { Server as HttpServer } from "node:http";
import type { ListenOptions } from "node:net";
import type { SecureContextOptions } from "node:tls";
import { newCounters } from "../connection/process-wide/diagnostics.ts";
import { withOptions } from "../protocol/check-options.ts";
import { CloseCode } from "../protocol/close-code.ts";
import { noPublishOptions, type Publishable, type PublishResult, Topics } from "../topics/topics.ts";
import { closeEvenly, type DrainOptions, resolveDrain } from "./drain.ts";
import { resolveTrust } from "./handshake/client-address.ts";
import { Handshakes } from "./handshakes.ts";
import { disableFastHandshakes, enableFastHandshakes } from "./listening/fast-handshake.ts";
import {
  createListener,
  destroyTlsTransports,
  listen,
  mayAnswerFast,
  mayTakeHandles,
  renewSecureContext,
} from "./listening/listener.ts";
import { readProxyHeaders } from "./listening/proxied-sockets.ts";
import { answerRequests } from "./listening/request-listener.ts";
import { attach, detach } from "./listening/upgrade-listener.ts";
import { LiveConnections } from "./live-connections.ts";
import { listenerFailed, requestFailed } from "./log.ts";
import type { ServerMetrics } from "./metrics.ts";
import { resolveRoute } from "./resolved-route.ts";
import type { PathParams } from "./route.ts";
import { checkServeOptions, type ServeOptions } from "./serve-options.ts";
import type { ServerConnection } from "./server-connection.ts";

/** Makes a server and lets it listen; set by the class, whose constructor is private. */
let serveOn: (http: HttpServer, options: ServeOptions) => Promise<Server>;

/** A server of WebSocket routes, as `serve` returns it; `Datas` has the type of `connection.data` for each path. */
export class Server<Datas = Readonly<Record<string, unknown>>> {
  readonly #http: HttpServer;
  readonly #own: boolean;
  readonly #handshakes: Handshakes;
  readonly #connections = new LiveConnections();
  readonly #counters = newCounters();
  readonly #topics: Topics;

  private constructor(http: HttpServer, options: ServeOptions) {
    this.#http = http;
    this.#own = options.server === undefined;
    this.#topics = new Topics(options.limits, options.cluster && { cluster: options.cluster });
    this.#handshakes = new Handshakes(options, {
      connections: this.#connections,
      counters: this.#counters,
      topics: this.#topics,
      ownSockets: this.#own,
    });
  }

  static {
    serveOn = async (http, options) => {
      const server = new Server(http, options);
      const { cluster } = options;
      const listen = async (other: ListenOptions) => {
        const listenOptions = { ...options.listenOptions, ...other };
        if (server.#own) await server.#listen(withOptions(options, { listenOptions }));
        attach(http, server.#handshakes);
      };
      try {
        if (cluster?.host) await cluster.host(server, { options: server.#own ? options : undefined, listen });
        else await listen({});
      } catch (error) {
        server.#topics.close();
        throw error;
      }
      return server;
    };
  }

  /** The port of the listener; 0 while a shared server does not listen, and on a Unix socket. */
  get port(): number {
    const address = this.#http.address();
    return typeof address === "object" ? (address?.port ?? 0) : 0;
  }

  /** The open connections. The set changes as connections open and close. */
  get connections(): ReadonlySet<ServerConnection> {
    return this.#connections.open;
  }

  /**
   * The open connections of one route, which is named by its key in `routes`, with the types of that route. It looks at
   * every connection of the server: to send to many, use topics. Throws a TypeError for a path that is no such key.
   */
  connectionsAt<Path extends keyof Datas & string>(
    path: Path,
  ): readonly ServerConnection<Datas[Path], PathParams<Path>>[] {
    const isAt = this.#handshakes.requireRoute(path);
    return [...this.connections].filter(isAt) as unknown as ServerConnection<Datas[Path], PathParams<Path>>[];
  }

  /** Whether clients are let in: false from the call of `drain` or `close` on. */
  get accepting(): boolean {
    return this.#handshakes.accepting;
  }

  /**
   * Publishes a message to every connection that is subscribed to the topic; it is sent at the end of the turn of the
   * event loop.
   *
   * Throws a TypeError for data of another type than text or binary.
   */
  publish(topic: string, data: Publishable): PublishResult;
  publish(topic: string, data: Publishable, options?: unknown): PublishResult {
    if (options !== undefined) throw new TypeError(`Cannot publish: ${noPublishOptions}`);
    return this.#topics.publish(topic, data);
  }

  /** The number of connections that are subscribed to the topic. */
  subscriberCount(topic: string): number {
    return this.#topics.count(topic);
  }

  /**
   * Sends the clients away within a window of time, delivers what was accepted for them, and closes the server.
   *
   * From the call on, new handshakes get 503 with `Retry-After`. Clients are closed one after another over `over`
   * milliseconds; those that are still there at the deadline are cut off. Resolves when all clients are gone and the
   * own listener is closed.
   *
   * Rejects with a RangeError for a close code or a number that cannot be, and with a TypeError when `stopListening` is
   * set for a shared server.
   */
  async drain(options: DrainOptions = {}): Promise<void> {
    const { over, code, retryAfter, deadline, stopListening } = resolveDrain(options);
    if (stopListening && !this.#own) {
      throw new TypeError(
        'Cannot drain: the option "stopListening" is for a listener of our own, and this one is shared',
      );
    }
    this.#handshakes.drain({ code, retryAfter });
    if (stopListening) void this.#stopListening();
    const connections = [...this.connections];
    const gone = this.#connections.allGone(connections, performance.now() + deadline);
    await closeEvenly(connections, over, { code, retryAfter });
    await gone;
    await this.close();
  }

  /**
   * Stops accepting, closes every connection with 1001, and resolves when all are gone and their `close` handlers are
   * done.
   *
   * After `closeTimeout`, 5 s by default, clients that have not answered are cut off, and handlers are not waited for.
   * Never rejects.
   */
  async close(): Promise<void> {
    detach(this.#http, this.#handshakes);
    this.#handshakes.close();
    disableFastHandshakes(this.#http);
    const stopped = this.#own ? this.#stopListening() : undefined;
    const connections = [...this.connections];
    for (const connection of connections) connection.close(CloseCode.GoingAway, "The server is closing");
    const until = performance.now() + this.#handshakes.limits.closeTimeout;
    await this.#connections.allGone(connections, until);
    // A connection that was about to open at the call is closed as soon as it is open.
    await this.#handshakes.settled();
    await this.#connections.allGone([...this.connections], until);
    if (this.#own) {
      this.#http.closeAllConnections();
      destroyTlsTransports(this.#http);
      this.#handshakes.destroyTaken();
    }
    await stopped;
    this.#topics.close();
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Gives the own TLS listener another certificate for handshakes from now on; open connections stay as they are.
   * Options that are left out keep their values.
   *
   * Throws a TypeError where there is no TLS listener of our own and for a path in place of PEM, and OpenSSL's error
   * for a certificate that cannot be used. After an exception nothing is changed.
   */
  setSecureContext(options: SecureContextOptions): void {
    renewSecureContext(this.#http, options);
  }

  /** The numbers of the server, as they are now. `prometheusText` writes them for Prometheus. */
  metrics(): ServerMetrics {
    let bufferedAmount = 0;
    for (const connection of this.connections) bufferedAmount += connection.bufferedAmount;
    return {
      ...this.#counters,
      connections: this.connections.size,
      pendingHandshakes: this.#handshakes.pending,
      opened: this.#connections.opened,
      closed: { ...this.#connections.closed },
      refused: this.#handshakes.refusals,
      bufferedAmount,
      topics: this.#topics.size,
      publishBacklog: this.#topics.backlog,
      messagesDropped: this.#topics.dropped,
    };
  }

  async #listen(options: ServeOptions): Promise<void> {
    const { request, log, proxyProtocol } = options;
    const { limits } = this.#handshakes;
    answerRequests(this.#http, this.#handshakes, { request, failed: requestFailed(log) });
    if (mayAnswerFast(options)) {
      enableFastHandshakes(this.#http, this.#handshakes, { ...limits, bareHandles: mayTakeHandles(options) });
    }
    const trust = resolveTrust(proxyProtocol);
    if (trust) {
      const refused = this.#handshakes.noteEnded.bind(this.#handshakes);
      readProxyHeaders(this.#http, { trust, timeout: limits.handshakeTimeout, refused });
    }
    await listen(this.#http, options, (error) => listenerFailed(error, log));
  }

  #stopListening(): Promise<void> {
    return new Promise((resolve) => {
      this.#http.close(() => resolve());
      this.#http.closeIdleConnections();
    });
  }
}

/**
 * Serves WebSocket routes, and resolves with the server when its listener is up.
 *
 * Rejects with a TypeError or a RangeError for options that cannot be, and with the listener's error, such as one with
 * the code `EADDRINUSE`, when it cannot listen.
 */
export async function serve<const Datas extends Readonly<Record<string, unknown>>>(
  options: ServeOptions<Datas>,
): Promise<Server<Datas>> {
  const given = options as unknown as ServeOptions;
  checkServeOptions(given);
  const { limits } = resolveRoute({}, given);
  return serveOn(given.server ?? createListener(given, limits), given) as Promise<Server<Datas>>;
}
