/**
 * The opening handshakes of one server: the route that each is for, whether there is room, and the connection it opens.
 *
 * The listeners of the HTTP server hand requests over; each is answered here, counted, and refused where there is no
 * room.
 */

import { setMaxListeners } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ConnectionSettings } from "../connection/handlers/connection-settings.ts";
import type { ServerLimits } from "../connection/options/limits.ts";
import { describe } from "../protocol/check-options.ts";
import { CloseCode } from "../protocol/close-code.ts";
import type { Topics } from "../topics/topics.ts";
import { closeDraining, type ToldWhenDraining } from "./drain.ts";
import { canMakeRequests, requestOf } from "./handshake/bare-request.ts";
import { claim } from "./handshake/claim.ts";
import { addressOf } from "./handshake/client-address.ts";
import { ConnectionsPerAddress } from "./handshake/connections-per-address.ts";
import type { Opening } from "./handshake/opening.ts";
import { noteRefusal, type RefusableRequest, refuse } from "./handshake/refuse.ts";
import { type ProxyProblem, Refused } from "./handshake/refused.ts";
import type { RequestHead } from "./handshake/request-head.ts";
import { type RouteMatch, Router } from "./handshake/router.ts";
import { agree, asksApplication, refuseUnread, verifyFast } from "./handshake/server-handshake.ts";
import { pathOf, type UpgradeRequest } from "./handshake/upgrade-request.ts";
import type { FastHandshakeServer } from "./listening/fast-handshake.ts";
import { fileLimit } from "./listening/open-file-limit.ts";
import type { RequestServer } from "./listening/request-listener.ts";
import type { AttachedServer } from "./listening/upgrade-listener.ts";
import type { LiveConnections } from "./live-connections.ts";
import { listenerFailed } from "./log.ts";
import { type ConnectionObserver, connectionSettings, type ResolvedRoute, resolveRoute } from "./resolved-route.ts";
import type { Route } from "./route.ts";
import type { ServeOptions } from "./serve-options.ts";
import type { ServerConnection } from "./server-connection.ts";
import { openConnection, upgrade, upgradeOver } from "./upgrade.ts";

interface ServedRoute {
  /** The route's key in the options. */
  readonly path: string;
  readonly route: ResolvedRoute;
  readonly settings: ConnectionSettings<ServerConnection>;
}

/** The parts of a server that its handshakes use. */
export interface ServerParts {
  readonly connections: LiveConnections;
  readonly counters: NonNullable<ConnectionObserver["counters"]>;
  readonly topics: Topics;
  /** Whether the sockets come from a listener of our own. */
  readonly ownSockets: boolean;
}

const nothing = new Uint8Array(0);

/** The request of a head; where there is no socket yet, it is made when somebody asks for it. */
class BareExchange implements RefusableRequest {
  readonly request: IncomingMessage;
  readonly head: Uint8Array = nothing;
  readonly refusals: Map<string, number>;
  readonly log: ResolvedRoute["log"];
  readonly remoteAddress: string | undefined;
  readonly #opening: Opening;

  constructor(
    head: RequestHead,
    opening: Opening,
    { refusals, log, remoteAddress }: Pick<BareExchange, "refusals" | "log" | "remoteAddress">,
  ) {
    this.request = requestOf(head, () => opening.socket as Socket);
    this.refusals = refusals;
    this.log = log;
    this.remoteAddress = remoteAddress;
    this.#opening = opening;
  }

  get socket(): Duplex {
    return this.#opening.socket;
  }
}

/** The opening handshakes of one server. */
export class Handshakes implements AttachedServer, FastHandshakeServer, RequestServer {
  readonly #routes: Router<ServedRoute>;
  /** The routes' keys. */
  readonly #keys: ReadonlySet<string>;
  /** The options of the server itself. */
  readonly #defaults: ResolvedRoute;
  readonly #maxConnections: number;
  readonly #connections: LiveConnections;
  /** Undefined where the connections from one address are not limited. */
  readonly #addresses: ConnectionsPerAddress | undefined;
  readonly #topics: Topics;
  readonly #ownSockets: boolean;
  /** Whether headers of the PROXY protocol give the addresses of clients. */
  readonly #proxied: boolean;
  readonly #refusals = new Map<string, number>();
  /** Sockets of the own listener whose requests the application has answered by itself. */
  readonly #taken = new Set<Duplex>();
  /** The handshakes that wait for their route's `upgrade`. */
  readonly #pending = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  /** What clients are told while the server drains; undefined before. */
  #drain: ToldWhenDraining | undefined;

  constructor(options: ServeOptions, { connections, counters, topics, ownSockets }: ServerParts) {
    this.#connections = connections;
    this.#topics = topics;
    this.#ownSockets = ownSockets;
    this.#proxied = options.proxyProtocol !== undefined;
    this.#defaults = resolveRoute({}, options);
    this.#maxConnections = options.limits?.maxConnections ?? fileLimit();
    const { maxConnectionsPerAddress } = this.#defaults.limits;
    this.#addresses = maxConnectionsPerAddress < Number.POSITIVE_INFINITY ? new ConnectionsPerAddress() : undefined;
    // Each pending handshake listens to the signal.
    setMaxListeners(0, this.#closing.signal);
    const observer: ConnectionObserver = {
      counters,
      began: (connection) => connections.began(connection),
      ended: (connection, report) => {
        connections.ended(connection, report);
        this.#addresses?.remove(connection.remoteAddress);
      },
      handled: (connection) => connections.handled(connection),
    };
    this.#keys = new Set(Object.keys(options.routes));
    this.#routes = new Router(
      Object.entries(options.routes).map(([path, handlers]) => {
        const route = resolveRoute(handlers as Route, options);
        return [path, { path, route, settings: connectionSettings(route, observer) }];
      }),
    );
  }

  /** The limits of the server. */
  get limits(): ServerLimits {
    return this.#defaults.limits;
  }

  /** Whether clients are let in: false from `drain` or `close` on. */
  get accepting(): boolean {
    return this.#drain === undefined && !this.#closing.signal.aborted;
  }

  /** The number of handshakes that wait for their route's `upgrade`. */
  get pending(): number {
    return this.#pending.size;
  }

  /** The number of refusals since the server began, by reason. */
  get refusals(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#refusals);
  }

  /** The paths of the routes; none from `drain` or `close` on. */
  get paths(): readonly string[] {
    return this.accepting ? this.#routes.paths : [];
  }

  hasPath({ url = "" }: IncomingMessage): boolean {
    return this.#routes.match(pathOf(url)) !== undefined;
  }

  limitsAt(path: string): ServerLimits | undefined {
    return this.#routes.match(path)?.value.route.limits;
  }

  /** Whether a connection is one of the route with this key. Throws a TypeError where there is no such route. */
  requireRoute(path: string): (connection: ServerConnection) => boolean {
    if (!this.#keys.has(path)) {
      throw new TypeError(`Cannot find the connections at ${describe(path)}: no route has this key`);
    }
    return (connection) => this.#routes.match(connection.path)?.value.path === path;
  }

  // Handing over: each takes a request and answers it

  takeUpgrade(request: UpgradeRequest): boolean {
    const match = this.#routes.match(pathOf(request.request.url ?? ""));
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

  takeHead(head: RequestHead, opening: Opening): boolean {
    const match = this.#routes.match(pathOf(head.target));
    if (match === undefined) return false;
    const { route, settings } = match.value;
    const verified = verifyFast(head, route);
    if (verified === undefined) return false;
    const asks = asksApplication(route);
    if (asks && !canMakeRequests) return false;
    const remoteAddress = this.#needsAddress(route) ? opening.remoteAddress : undefined;
    if (this.#noRoom(remoteAddress)) return false;
    this.#addresses?.add(remoteAddress);
    const target = { route, settings, params: match.params, topics: this.#topics };
    if (asks) {
      const notes = { refusals: this.#refusals, log: route.log, remoteAddress };
      const exchange = new BareExchange(head, opening, notes);
      const closing = this.#closing.signal;
      this.#follow(upgradeOver(opening, exchange, { ...target, closing }, verified), exchange, route);
      return true;
    }
    const admission = { head: nothing, remoteAddress, verified, ...agree(route, verified, {}) };
    this.#settle(remoteAddress, openConnection(admission, target, opening));
    return true;
  }

  refuseUnknown(request: UpgradeRequest): void {
    refuse(this.#withNotes(request, this.#defaults), Refused.by("unknown-path"));
  }

  refuseUnread(socket: Duplex, refused: Refused): void {
    refuse({ socket, refusals: this.#refusals, log: this.#defaults.log }, refused);
  }

  noteRefused(request: IncomingMessage, refused: Refused): void {
    noteRefusal({ request, socket: request.socket, refusals: this.#refusals, log: this.#defaults.log }, refused);
  }

  /** Notes a connection that is ended before it has sent a request. */
  noteEnded(socket: Socket, problem: ProxyProblem): void {
    const silent = new Refused(problem, { status: 0, headers: [], body: "" });
    noteRefusal({ socket, refusals: this.#refusals, log: this.#defaults.log }, silent);
  }

  #upgrade(request: UpgradeRequest, { value: { route, settings }, params }: RouteMatch<ServedRoute>): void {
    const exchange = this.#withNotes(request, route);
    const { remoteAddress } = exchange;
    const refused = this.#noRoom(remoteAddress);
    if (refused) return refuseUnread(exchange, route, refused);
    this.#addresses?.add(remoteAddress);
    const target = { route, settings, params, topics: this.#topics, ownSockets: this.#ownSockets };
    this.#follow(upgrade(exchange, { ...target, closing: this.#closing.signal }), exchange, route);
  }

  /** Settles a handshake, when it is decided. */
  #follow(outcome: ReturnType<typeof upgrade>, exchange: RefusableRequest, { log }: ResolvedRoute): void {
    const { remoteAddress } = exchange;
    if (!(outcome instanceof Promise)) return this.#settle(remoteAddress, outcome);
    const settled = outcome
      .catch((error: Error) => {
        if (this.#ownSockets) this.#keepTaken(exchange.socket);
        listenerFailed(error, log);
      })
      .then((connection) => {
        this.#pending.delete(settled);
        this.#settle(remoteAddress, connection ?? undefined);
      });
    this.#pending.add(settled);
  }

  #keepTaken(socket: Duplex): void {
    if (socket.destroyed) return;
    this.#taken.add(socket);
    socket.once("close", () => this.#taken.delete(socket));
  }

  /** A request with the client's address, where it is needed, and with the places where a refusal is noted. */
  #withNotes(exchange: UpgradeRequest, route: ResolvedRoute): RefusableRequest {
    const { request, socket, head } = exchange;
    const remoteAddress = this.#needsAddress(route) ? addressOf(exchange, route.trust) : undefined;
    return { request, socket, head, refusals: this.#refusals, log: route.log, remoteAddress };
  }

  /** Whether the address has to be read at once: it is not the socket's own, or is needed after the socket's end. */
  #needsAddress({ trust, log }: ResolvedRoute): boolean {
    return this.#proxied || trust !== undefined || log !== undefined || this.#addresses !== undefined;
  }

  /** The refusal while the server takes no more clients; undefined while there is room. */
  #noRoom(remoteAddress: string | undefined): Refused | undefined {
    const { maxPendingHandshakes, maxConnectionsPerAddress } = this.limits;
    if (this.#closing.signal.aborted) return Refused.closing(CloseCode.GoingAway);
    if (this.#drain) return Refused.closing(this.#drain.code, this.#drain.retryAfter);
    if (this.#connections.open.size + this.#pending.size >= this.#maxConnections) {
      return Refused.busy("too-many-connections", "the server has as many connections as it takes");
    }
    if (this.#pending.size >= maxPendingHandshakes) {
      return Refused.busy("too-many-handshakes", "too many opening handshakes are waiting");
    }
    if (this.#addresses && this.#addresses.count(remoteAddress) >= maxConnectionsPerAddress) {
      return Refused.busy("too-many-from-address", "there are too many connections from your address");
    }
    return undefined;
  }

  /** Ends the count of a refused handshake; closes a connection that was let in while the server began to close. */
  #settle(remoteAddress: string | undefined, connection: ServerConnection | undefined): void {
    if (connection === undefined) return this.#addresses?.remove(remoteAddress);
    if (this.#closing.signal.aborted) connection.close(CloseCode.GoingAway, "The server is closing");
    else if (this.#drain) closeDraining(connection, this.#drain);
  }

  // Ending

  /** Refuses new handshakes with 503 and `retryAfter` seconds; clients that are being let in are closed with `code`. */
  drain(told: ToldWhenDraining): void {
    this.#drain = told;
  }

  /** Refuses new handshakes, and those that wait for a decision. */
  close(): void {
    this.#closing.abort();
  }

  /** Destroys sockets of the own listener that nobody else does: the application took them. */
  destroyTaken(): void {
    for (const socket of this.#taken) socket.destroy();
  }

  /** Resolves when the handshakes that wait for a decision now are settled. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }
}
