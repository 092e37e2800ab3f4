/**
 * A route's connection and its client, joined in memory: the real handshake, real connections, and no port.
 *
 * The request is read by `node:http` and answered as on any server, so `upgrade` gets what it gets there. Both connections
 * live by a clock that the test turns; the handshake does not.
 */

import { createServer } from "node:http";
import type { Duplex } from "node:stream";
import { connectAs } from "../client/connect.ts";
import type { ConnectOptions } from "../client/connect-options.ts";
import type { Connection } from "../connection/connection.ts";
import type { TextForm } from "../connection/options/connection-options.ts";
import { checkInstance, checkOptions, describe, type OptionTable, withOptions } from "../protocol/check-options.ts";
import type { AcceptedMessages } from "../protocol/endpoint/endpoint-options.ts";
import { type AcceptOptions, acceptAs, checkAcceptOptions } from "../server/accept.ts";
import type { UpgradeRequest } from "../server/handshake/upgrade-request.ts";
import type { Route } from "../server/route.ts";
import type { ServerConnection } from "../server/server-connection.ts";
import { Topics } from "../topics/topics.ts";
import { memoryPair } from "../transport/memory-pair.ts";
import { deliveriesOf, VirtualClock } from "./virtual-clock.ts";

/** The options of `connectionPair`. */
export interface PairOptions<Params = Readonly<Record<string, string>>> {
  /** The URL of the request, also without scheme and host. Default `"/"`, at `ws://localhost`. */
  readonly url?: string;
  /** The values of the names in the route's path, for `params`. Default: none. */
  readonly params?: Params;
  /** The options of the client, as `connect` takes them: handlers, `headers`, `subprotocols` … Default: none. */
  readonly client?: Omit<ConnectOptions, "createConnection" | "proxy" | "socketPath" | "tls">;
  /** The topics that the connection shares with those of other pairs. Default: topics of its own. */
  readonly topics?: Topics;
  /** The clock of both connections, which other pairs may have, too. Default: a new one. */
  readonly clock?: VirtualClock;
}

/** Both ends of one connection. */
export interface ConnectionPair<Data = unknown, Params = Readonly<Record<string, string>>> {
  /** The client's connection, as `connect` gives it. */
  readonly client: Connection;
  /** The server's connection, as the handlers of the route have it. */
  readonly server: ServerConnection<Data, Params>;
  /** The clock by which both live. */
  readonly clock: VirtualClock;
  /** Pulls the cable: from now on nothing that one side does reaches the other. */
  unplug(): void;
  /** Puts the cable back: what was under way arrives, and what follows. */
  plugIn(): void;
}

const pairTable: OptionTable<PairOptions> = {
  url: "string",
  params: "object",
  client: "object",
  topics: "object",
  clock: "object",
};

const base = "ws://localhost";

/** The options of `connect` that are about a network, which a pair has not. */
const ofNetworks = ["createConnection", "proxy", "socketPath", "tls"] as const;

/**
 * Opens a connection to a route, without a port: resolves with both ends after the opening handshake, which is the real
 * one.
 *
 * Rejects with a `HandshakeError` where the route refuses the client, and with a TypeError or a RangeError for options that
 * cannot be.
 */
export async function connectionPair<
  Data = unknown,
  Params = Readonly<Record<string, string>>,
  Accepted extends AcceptedMessages = "any",
  Text extends TextForm = TextForm,
>(
  route: Route<Data, Params, Accepted, Text>,
  options: PairOptions<Params> = {},
): Promise<ConnectionPair<Data, Params>> {
  checkRoute(route);
  checkOptions("make a pair", options, pairTable);
  const { url = "/", params = {}, client = {}, topics = new Topics(), clock = new VirtualClock() } = options;
  checkInstance("make a pair", "clock", clock, VirtualClock);
  const address = parse(url);
  checkInMemory(address, client);
  const accepted = withOptions(route as unknown as AcceptOptions, { topics });
  checkAcceptOptions("make a pair", accepted);
  const streams = memoryPair({ delivered: deliveriesOf(clock) });
  const [near, far] = streams;
  const giveUp = new AbortController();
  const accepting = upgradeOn(far).then((request) =>
    acceptAs(request, accepted, { params: params as Readonly<Record<string, string>>, clock }),
  );
  // What is wrong with the route would be told to nobody, and the client would wait.
  accepting.catch((error: unknown) => giveUp.abort(error));
  const connection = await connectAs(
    address,
    withOptions<ConnectOptions>(client, { createConnection: () => near, proxy: false, serialize: false }),
    { entry: connectionPair, asBrowsers: false, giveUp: giveUp.signal, clock },
  );
  const server = (await accepting) as ServerConnection<Data, Params> | undefined;
  const hold = (held: boolean) => {
    for (const stream of streams) stream.hold(held);
  };
  return { client: connection, server: server!, clock, unplug: () => hold(true), plugIn: () => hold(false) };
}

/** Throws a TypeError for what is no object of handlers and options. */
function checkRoute(route: unknown): void {
  if (typeof route === "object" && route !== null && !Array.isArray(route)) return;
  throw new TypeError(`Cannot make a pair: the route must be an object, not ${describe(route)}`);
}

/** Returns the URL of the request; throws a TypeError, which does not show the text, as it may have a password. */
function parse(url: string): URL {
  if (URL.canParse(url, base)) return new URL(url, base);
  throw new TypeError("Cannot make a pair: the URL must be a path, or begin with ws:// and a host");
}

/** Throws a TypeError where a network is asked for. */
function checkInMemory(url: URL, client: ConnectOptions): void {
  if (url.protocol === "wss:" || url.protocol === "https:") {
    throw new TypeError(
      `Cannot make a pair: there is no TLS in memory, so the URL is one of ws, not ${url.protocol}//${url.host}`,
    );
  }
  const name = ofNetworks.find((one) => client[one] !== undefined);
  if (name === undefined) return;
  throw new TypeError(`Cannot make a pair: client.${name} is about a network, and a pair has none`);
}

/** Reads the request off a stream, as a server of `node:http` does. */
function upgradeOn(stream: Duplex): Promise<UpgradeRequest> {
  const http = createServer();
  return new Promise((resolve) => {
    http.on("upgrade", (request, socket, head) => resolve({ request, socket, head }));
    http.emit("connection", stream);
  });
}
