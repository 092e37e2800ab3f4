/**
 * One opening handshake of a client over a real transport: turn, dial, tunnel, TLS, request, response (RFC 6455 section
 * 4.1).
 *
 * Nothing is dialled before the request is known to be valid, and nothing but the request is sent before its response.
 */

import type { LookupAddress } from "node:dns";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { fieldValues } from "../protocol/handshake/header-fields.ts";
import {
  type CreatedRequest,
  createRequestHeaders,
  type HandshakeResponse,
} from "../protocol/handshake/opening-handshake.ts";
import type { ResponseHead } from "../protocol/handshake/response-head.ts";
import type { ConnectTrace } from "./connect-channels.ts";
import type { CookieJar, ResolvedConnectOptions, TlsOptions } from "./connect-options.ts";
import { addressesOf, dialCustom, dialPath, secure } from "./dialing/dial.ts";
import { exchange } from "./dialing/http-request.ts";
import { proxyFailed, tunnel } from "./dialing/http-tunnel.ts";
import type { Attempt } from "./dialing/pending-handshake.ts";
import { chooseProxy, type ProxyServer } from "./dialing/proxy.ts";
import { dialTcp } from "./dialing/race.ts";
import { basicCredentials, hostOf, portOf, resourceName } from "./dialing/url.ts";
import { queue } from "./handshake-queue.ts";
import { type Destination, withoutIdentity } from "./redirect.ts";

/** A response, the key it must answer, and the stream it came over. */
export interface Opening {
  readonly head: ResponseHead;
  readonly secWebSocketKey: string;
  readonly stream: Duplex;
}

/** The server or the proxy. */
interface Peer {
  readonly host: string;
  readonly port: number;
  readonly encrypted: boolean;
  readonly tls: TlsOptions | undefined;
}

/** How the server is reached; one of the three. */
interface Way {
  readonly path: string | undefined;
  readonly proxy: ProxyServer | undefined;
  readonly addresses: readonly LookupAddress[] | undefined;
}

/** Sends the request and resolves with the head of the final response, of any status. */
export async function open(
  attempt: Attempt,
  destination: Destination,
  options: ResolvedConnectOptions,
  trace: ConnectTrace,
): Promise<Opening> {
  const { url, trusted } = destination;
  const { given } = options;
  const server: Peer = {
    host: hostOf(url),
    port: portOf(url),
    encrypted: url.protocol === "wss:",
    tls: trusted ? given.tls : withoutIdentity(given.tls),
  };
  attempt.startTimer();
  const { secWebSocketKey, headers } = await createRequest(attempt, destination, options);
  const way = await chooseWay(attempt, url, server, options);
  const turn = options.serialize ? queue(turnKeys(way, server)) : undefined;
  try {
    if (turn) {
      attempt.stopTimer();
      await attempt.until(turn.come);
      attempt.startTimer();
    }
    const stream = await reachServer(attempt, way, server, options, trace);
    attempt.step = "the response";
    const request = { method: "GET", path: resourceName(url), headers } as const;
    const head = await exchange(attempt, stream, request, options.limits.maxHeaderSize);
    trace.reached("response", head.response);
    attempt.step = "the cookie jar";
    if (given.cookieJar) await attempt.until(storeCookies(url, head.response, given.cookieJar));
    return { head, secWebSocketKey, stream };
  } finally {
    turn?.leave();
  }
}

async function createRequest(
  attempt: Attempt,
  { url, trusted }: Destination,
  { given, headers, subprotocols, extensions }: ResolvedConnectOptions,
): Promise<CreatedRequest> {
  const cookies = trusted ? headers.filter(([name]) => name.toLowerCase() === "cookie").map(([, value]) => value) : [];
  attempt.step = "the cookie jar";
  const stored =
    given.cookieJar && (await attempt.until(Promise.resolve(given.cookieJar.getCookieString(httpUrl(url)))));
  if (stored) cookies.push(stored);
  const added = trusted ? headers.filter(([name]) => name.toLowerCase() !== "cookie") : [];
  if (cookies.length > 0) added.push(["Cookie", cookies.join("; ")]);
  const credentials = basicCredentials(url);
  const authorized = added.some(([name]) => name.toLowerCase() === "authorization");
  if (credentials !== undefined && !authorized) added.push(["Authorization", credentials]);
  return createRequestHeaders({ url, subprotocols, extensions, origin: given.origin, headers: added });
}

async function chooseWay(attempt: Attempt, url: URL, server: Peer, { given }: ResolvedConnectOptions): Promise<Way> {
  const path = given.socketPath;
  attempt.step = "the choice of a proxy";
  const proxy = path === undefined ? await attempt.until(chooseProxy(url, given.proxy)) : undefined;
  const direct = path === undefined && proxy === undefined && given.createConnection === undefined;
  return { path, proxy, addresses: direct ? await addressesOf(attempt, server.host) : undefined };
}

/** Where the address is not known, the host name stands for it (R6455-4.1-3). */
function turnKeys({ path, addresses }: Way, { host, port }: Peer): readonly string[] {
  if (path !== undefined) return [path];
  return (addresses?.map(({ address }) => address) ?? [host]).map((address) => `${address} ${port}`);
}

async function reachServer(
  attempt: Attempt,
  way: Way,
  server: Peer,
  options: ResolvedConnectOptions,
  trace: ConnectTrace,
): Promise<Duplex> {
  const stream = await reachTransport(attempt, way, server, options);
  trace.reached("socket", stream);
  if (!server.encrypted) return stream;
  // What stands for the server itself may be TLS already; a tunnel never is, whatever leads to the proxy.
  const direct = way.path === undefined && way.proxy === undefined;
  const encrypted = direct
    ? await encrypt(attempt, stream, server)
    : await secure(attempt, stream, server.host, server.tls);
  trace.reached("secure", encrypted);
  return encrypted;
}

function reachTransport(
  attempt: Attempt,
  { path, proxy, addresses }: Way,
  server: Peer,
  options: ResolvedConnectOptions,
): Promise<Duplex> {
  if (path !== undefined) return dialPath(attempt, path);
  return proxy ? reachThrough(attempt, proxy, server, options) : dial(attempt, server, options, addresses);
}

async function reachThrough(
  attempt: Attempt,
  proxy: ProxyServer,
  server: Peer,
  options: ResolvedConnectOptions,
): Promise<Duplex> {
  const { host, port, tls } = proxy;
  const peer: Peer = { host, port, encrypted: proxy.protocol === "https:", tls };
  try {
    const stream = await encrypt(attempt, await dial(attempt, peer, options), peer);
    attempt.step = "the proxy's tunnel";
    await tunnel(attempt, stream, { proxy, target: server, maxHeaderSize: options.limits.maxHeaderSize });
    return stream;
  } catch (error) {
    throw attempt.signal.aborted ? error : proxyFailed(error);
  }
}

async function dial(
  attempt: Attempt,
  { host, port, encrypted }: Peer,
  { given: { createConnection } }: ResolvedConnectOptions,
  addresses?: readonly LookupAddress[],
): Promise<Duplex> {
  if (createConnection) return dialCustom(attempt, createConnection, { host, port, secure: encrypted });
  return dialTcp(attempt, port, addresses ?? (await addressesOf(attempt, host)));
}

/** Begins TLS where the peer wants it; a stream of `createConnection` may have done so. */
async function encrypt(attempt: Attempt, stream: Duplex, { host, encrypted, tls }: Peer): Promise<Duplex> {
  return encrypted && !(stream instanceof TLSSocket) ? secure(attempt, stream, host, tls) : stream;
}

async function storeCookies(url: URL, { rawHeaders }: HandshakeResponse, jar: CookieJar): Promise<void> {
  for (const cookie of fieldValues(rawHeaders, "set-cookie")) {
    try {
      await jar.setCookie(cookie, httpUrl(url));
    } catch {
      // A jar refuses by throwing, say a cookie for another domain; that is no reason to refuse the server.
    }
  }
}

/** The URL as cookie jars know it. */
function httpUrl(url: URL): string {
  return url.href.replace(/^ws/, "http");
}
