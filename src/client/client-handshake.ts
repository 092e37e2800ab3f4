/**
 * One opening handshake of a client: queue, dial, tunnel, TLS, request, response (RFC 6455 section 4.1).
 *
 * No connection is made before the request is known to be valid. Nothing but the request is sent before its response.
 */

import type { LookupAddress } from "node:dns";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { fieldValues } from "../protocol/handshake/header-fields.ts";
import { type CreatedRequest, createRequestHeaders } from "../protocol/handshake/request.ts";
import type { HandshakeResponse } from "../protocol/handshake/response.ts";
import type { ResponseHead } from "../protocol/handshake/response-head.ts";
import type { ConnectTrace } from "./connect-channels.ts";
import type { CookieJar, ResolvedConnectOptions } from "./connect-options.ts";
import { addressesOf, dialCustom, dialPath } from "./dialing/dial.ts";
import { proxyFailed } from "./dialing/failure.ts";
import { sendRequest } from "./dialing/http-request.ts";
import { openHttpTunnel } from "./dialing/http-tunnel.ts";
import type { PendingHandshake } from "./dialing/pending-handshake.ts";
import { chooseProxy, type ProxyServer } from "./dialing/proxy.ts";
import { dialTcp } from "./dialing/race.ts";
import { secure, type TlsOptions } from "./dialing/secure.ts";
import { openSocksTunnel } from "./dialing/socks5.ts";
import { basicCredentials, hostOf, portOf, resourceName } from "./dialing/url.ts";
import { enqueue } from "./handshake-queue.ts";
import { type Destination, withoutIdentity } from "./redirect.ts";

/** The response to an upgrade request, of any status. */
export interface UpgradeResponse {
  readonly head: ResponseHead;
  /** The key of the request, which a 101 must answer. */
  readonly secWebSocketKey: string;
  readonly stream: Duplex;
}

/** The server, or the proxy. */
interface Peer {
  readonly host: string;
  readonly port: number;
  readonly encrypted: boolean;
  readonly tls: TlsOptions | undefined;
}

/** How the server is reached: all three are undefined where `createConnection` makes a stream to it. */
interface Way {
  /** A Unix domain socket. */
  readonly path: string | undefined;
  readonly proxy: ProxyServer | undefined;
  /** The server's own addresses. */
  readonly addresses: readonly LookupAddress[] | undefined;
}

/** Sends an upgrade request, and resolves with the final response. */
export async function requestUpgrade(
  handshake: PendingHandshake,
  destination: Destination,
  options: ResolvedConnectOptions,
  trace: ConnectTrace,
): Promise<UpgradeResponse> {
  const { url, trusted } = destination;
  const { given } = options;
  const server: Peer = {
    host: hostOf(url),
    port: portOf(url),
    encrypted: url.protocol === "wss:",
    tls: trusted ? given.tls : withoutIdentity(given.tls),
  };
  handshake.startTimer();
  const { secWebSocketKey, headers } = await createRequest(handshake, destination, options);
  const way = await chooseWay(handshake, url, server, options);
  const entry = options.serialize ? enqueue(queueKeys(way, server)) : undefined;
  try {
    if (entry) {
      handshake.stopTimer();
      await handshake.until(entry.ready);
      handshake.startTimer();
    }
    const stream = await reachServer(handshake, way, server, options, trace);
    handshake.step = "the response";
    const request = { method: "GET", path: resourceName(url), headers } as const;
    const head = await sendRequest(handshake, stream, request, options.limits.maxHeaderSize);
    trace.reached("response", head.response);
    handshake.step = "the cookie jar";
    if (given.cookieJar) await handshake.until(storeCookies(url, head.response, given.cookieJar));
    return { head, secWebSocketKey, stream };
  } finally {
    entry?.release();
  }
}

async function createRequest(
  handshake: PendingHandshake,
  { url, trusted }: Destination,
  { given, headers, subprotocols, extensions }: ResolvedConnectOptions,
): Promise<CreatedRequest> {
  const cookies = trusted ? headers.filter(([name]) => name.toLowerCase() === "cookie").map(([, value]) => value) : [];
  handshake.step = "the cookie jar";
  const stored =
    given.cookieJar && (await handshake.until(Promise.resolve(given.cookieJar.getCookieString(httpUrl(url)))));
  if (stored) cookies.push(stored);
  const added = trusted ? headers.filter(([name]) => name.toLowerCase() !== "cookie") : [];
  if (cookies.length > 0) added.push(["Cookie", cookies.join("; ")]);
  const credentials = basicCredentials(url);
  const authorized = added.some(([name]) => name.toLowerCase() === "authorization");
  if (credentials !== undefined && !authorized) added.push(["Authorization", credentials]);
  return createRequestHeaders({ url, subprotocols, extensions, origin: given.origin, headers: added });
}

async function chooseWay(
  handshake: PendingHandshake,
  url: URL,
  server: Peer,
  { given }: ResolvedConnectOptions,
): Promise<Way> {
  const path = given.socketPath;
  handshake.step = "the choice of a proxy";
  const proxy = path === undefined ? await handshake.until(chooseProxy(url, given.proxy)) : undefined;
  const direct = path === undefined && proxy === undefined && given.createConnection === undefined;
  return { path, proxy, addresses: direct ? await addressesOf(handshake, server.host) : undefined };
}

/** The keys of the handshake queue; where no address is known, the host name stands for it (R6455-4.1-3). */
function queueKeys({ path, addresses }: Way, { host, port }: Peer): readonly string[] {
  if (path !== undefined) return [path];
  return (addresses?.map(({ address }) => address) ?? [host]).map((address) => `${address} ${port}`);
}

async function reachServer(
  handshake: PendingHandshake,
  way: Way,
  server: Peer,
  options: ResolvedConnectOptions,
  trace: ConnectTrace,
): Promise<Duplex> {
  const stream = await reachTransport(handshake, way, server, options);
  trace.reached("socket", stream);
  if (!server.encrypted) return stream;
  // A stream of `createConnection` to the server may be TLS already. A tunnel never is, whatever leads to the proxy.
  const direct = way.path === undefined && way.proxy === undefined;
  const encrypted = direct
    ? await encrypt(handshake, stream, server)
    : await secure(handshake, stream, server.host, server.tls);
  trace.reached("secure", encrypted);
  return encrypted;
}

function reachTransport(
  handshake: PendingHandshake,
  { path, proxy, addresses }: Way,
  server: Peer,
  options: ResolvedConnectOptions,
): Promise<Duplex> {
  if (path !== undefined) return dialPath(handshake, path);
  return proxy ? reachThrough(handshake, proxy, server, options) : dial(handshake, server, options, addresses);
}

async function reachThrough(
  handshake: PendingHandshake,
  proxy: ProxyServer,
  server: Peer,
  options: ResolvedConnectOptions,
): Promise<Duplex> {
  const { host, port, tls } = proxy;
  const peer: Peer = { host, port, encrypted: proxy.protocol === "https:", tls };
  try {
    const stream = await encrypt(handshake, await dial(handshake, peer, options), peer);
    handshake.step = "the proxy's tunnel";
    const openTunnel = proxy.protocol === "socks5:" ? openSocksTunnel : openHttpTunnel;
    await openTunnel(handshake, stream, { proxy, target: server, maxHeaderSize: options.limits.maxHeaderSize });
    return stream;
  } catch (error) {
    throw handshake.signal.aborted ? error : proxyFailed(error);
  }
}

async function dial(
  handshake: PendingHandshake,
  { host, port, encrypted }: Peer,
  { given: { createConnection } }: ResolvedConnectOptions,
  addresses?: readonly LookupAddress[],
): Promise<Duplex> {
  if (createConnection) return dialCustom(handshake, createConnection, { host, port, secure: encrypted });
  return dialTcp(handshake, port, addresses ?? (await addressesOf(handshake, host)));
}

/** Begins TLS where the peer needs it and the stream, one of `createConnection`, is not TLS already. */
async function encrypt(handshake: PendingHandshake, stream: Duplex, { host, encrypted, tls }: Peer): Promise<Duplex> {
  return encrypted && !(stream instanceof TLSSocket) ? secure(handshake, stream, host, tls) : stream;
}

async function storeCookies(url: URL, { rawHeaders }: HandshakeResponse, jar: CookieJar): Promise<void> {
  for (const cookie of fieldValues(rawHeaders, "set-cookie")) {
    try {
      await jar.setCookie(cookie, httpUrl(url));
    } catch {
      // A jar throws for a cookie that it refuses, such as one for another domain. That is no reason to fail.
    }
  }
}

/** The URL with the scheme that cookie jars know. */
function httpUrl(url: URL): string {
  return url.href.replace(/^ws/, "http");
}
