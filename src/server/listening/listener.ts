/**
 * The own listener of `serve`: an HTTP server, with or without TLS, which goes on when a connection cannot be accepted.
 */

import { createServer, Server as HttpServer } from "node:http";
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from "node:https";
import { type ListenOptions, Server as NetServer, type Socket } from "node:net";
import { createSecureContext, type SecureContextOptions, Server as TlsServer } from "node:tls";
import type { ServerLimits } from "../../connection/options/limits.ts";
import { describe, type OptionTable } from "../../protocol/check-options.ts";
import { checkPem } from "../../transport/tls-files.ts";
import { destroyUnread } from "./proxied-sockets.ts";

/** The options of `serve` for a listener of its own. */
export interface ListenerOptions {
  /** The TCP port; 0 takes any free port. Default 0. */
  readonly port?: number;
  /** The address to listen on, as in `node:net`. Default: all addresses. */
  readonly host?: string;
  /** The options of `node:https`, such as `cert` and `key`. Default: a listener without TLS. */
  readonly tls?: TlsOptions;
  /**
   * The proxies that begin each connection with a header of the PROXY protocol, version 1 or 2: their addresses and
   * ranges, such as `10.0.0.0/8`. The header gives `remoteAddress`. Every other connection is ended. Default: no such
   * proxies.
   */
  readonly proxyProtocol?: readonly string[];
  /**
   * More options of `listen` of `node:net`, such as `backlog`, `exclusive`, `ipv6Only` and `path`, or `fd`, a listening
   * socket that the process was started with. With `reusePort`, which needs Node 22.12, 23.1 or later, several
   * processes listen on one port. Default: none.
   */
  readonly listenOptions?: ListenOptions & { readonly fd?: number; readonly reusePort?: boolean };
  /**
   * Whether TCP connections may be taken before Node makes sockets of them, which halves the memory of an idle one.
   * Default true, unless the environment variable `OPENLINE_BARE_HANDLES` is `0`; never with `tls` or `proxyProtocol`,
   * nor on Windows.
   */
  readonly bareHandles?: boolean;
}

/** The options of a listener, each with its type. */
export const listenerOptionTable: OptionTable<ListenerOptions> = {
  port: "number",
  host: "string",
  tls: "object",
  proxyProtocol: "array",
  listenOptions: "object",
  bareHandles: "boolean",
};

/** The options of TLS of which a server needs at least one: without them, no handshake succeeds. */
const provesIdentity = ["cert", "pfx", "SNICallback", "pskCallback"] as const satisfies readonly (keyof TlsOptions)[];

/** The options of TLS of which one must stand beside `cert`: without them, no handshake succeeds. */
const provesKey = [
  "key",
  "privateKeyIdentifier",
  "pfx",
  "SNICallback",
  "pskCallback",
] as const satisfies readonly (keyof TlsOptions)[];

const [major, minor] = process.versions.node.split(".").map(Number) as [number, number];
/** Whether the runtime knows `reusePort`; an older one would ignore the option in silence. */
const hasReusePort: boolean = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

/** Whether bytes can be read before `node:http` does: not on Bun, whose HTTP servers have their own sockets. */
const readsSockets: boolean = HttpServer.prototype instanceof NetServer;

/** Throws a TypeError for an option that this runtime lacks, and for options that contradict each other. */
export function checkListenerOptions({ listenOptions, proxyProtocol }: ListenerOptions): void {
  if (proxyProtocol?.length === 0)
    throw new TypeError("Cannot serve: proxyProtocol names no proxy, so no one could connect");
  if (proxyProtocol && listenOptions?.path !== undefined) {
    throw new TypeError("Cannot serve: proxyProtocol trusts addresses, and a Unix socket has none");
  }
  if (proxyProtocol && !readsSockets) {
    throw new TypeError("Cannot serve: proxyProtocol needs a runtime whose HTTP servers read from sockets of node:net");
  }
  if (hasReusePort || !listenOptions?.reusePort) return;
  throw new TypeError(`Cannot serve: reusePort needs Node 22.12, 23.1 or later, and this is ${process.version}`);
}

/** Whether handles may be taken before Node makes sockets of them. */
export function mayTakeHandles({ bareHandles, proxyProtocol, tls }: ListenerOptions): boolean {
  if (tls !== undefined || proxyProtocol !== undefined) return false;
  return bareHandles ?? process.env.OPENLINE_BARE_HANDLES !== "0";
}

/** The options of `node:http` by which it reads requests otherwise; they may stand among those of TLS. */
const readsOtherwise: readonly string[] = [
  "IncomingMessage",
  "joinDuplicateHeaders",
  "maxHeaderSize",
  "pauseOnConnect",
  "shouldUpgradeCallback",
];

/** Whether ordinary opening handshakes may be answered without `node:http`. */
export function mayAnswerFast({ tls }: ListenerOptions): boolean {
  return !readsOtherwise.some((name) => (tls as Readonly<Record<string, unknown>> | undefined)?.[name] !== undefined);
}

/** Makes a listener that does not listen yet. Throws a TypeError for TLS without a certificate or its key. */
export function createListener({ tls }: ListenerOptions, limits: ServerLimits): HttpServer {
  const http = {
    maxHeaderSize: limits.maxHeaderSize,
    headersTimeout: limits.handshakeTimeout,
    requestTimeout: Math.max(limits.handshakeTimeout, 60_000),
    connectionsCheckingInterval: 1000,
    // A request without Host is refused by our own check, which says what is wrong.
    requireHostHeader: false,
  };
  if (!tls) return withFields(createServer(http), limits);
  checkPem("serve", tls);
  if (!provesIdentity.some((name) => tls[name] !== undefined)) {
    throw new TypeError("Cannot serve: tls has no certificate; it needs cert and key, the PEM texts");
  }
  if (tls.cert !== undefined && !provesKey.some((name) => tls[name] !== undefined)) {
    throw new TypeError("Cannot serve: tls has cert but no key, the PEM text of the certificate's private key");
  }
  const server = withFields(createTlsServer({ ...http, handshakeTimeout: limits.handshakeTimeout, ...tls }), limits);
  tlsOptions.set(server, tls);
  const transports = new Set<Socket>();
  tlsTransports.set(server, transports);
  server.on("connection", (socket: Socket) => {
    transports.add(socket);
    socket.once("close", () => transports.delete(socket));
  });
  return server;
}

/** The options of TLS of each own listener. */
const tlsOptions = new WeakMap<HttpServer, TlsOptions>();

/**
 * Gives an own TLS listener another certificate; options that are left out keep their values.
 *
 * Throws a TypeError for another listener and for text that is no PEM, and OpenSSL's error for a certificate that
 * cannot be used. After an exception nothing is changed.
 */
export function renewSecureContext(http: HttpServer, options: SecureContextOptions): void {
  const given = tlsOptions.get(http);
  if (given !== undefined && !(http instanceof TlsServer)) {
    throw new TypeError("Cannot set the secure context: the https servers of this runtime have no setSecureContext");
  }
  if (!(http instanceof TlsServer) || given === undefined) {
    throw new TypeError(
      "Cannot set the secure context: this is not a TLS listener of our own; an https server has setSecureContext itself",
    );
  }
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `Cannot set the secure context: the options must be an object, such as { cert, key }, not ${describe(options)}`,
    );
  }
  checkPem("set the secure context", options);
  const renewed: TlsOptions = { ...given, ...otherIdentity(options), ...options };
  // The listener would keep a half of options that fail, so they are tried here first.
  createSecureContext(renewed);
  http.setSecureContext(renewed);
  tlsOptions.set(http, renewed);
}

/** The old certificate's options that a new certificate of another form displaces. */
function otherIdentity(options: SecureContextOptions): SecureContextOptions {
  if ("pfx" in options) return { cert: undefined, key: undefined };
  return "cert" in options || "key" in options ? { pfx: undefined } : {};
}

/**
 * Raises the number of header fields above which `node:http` drops or refuses some, so that our own limit is reached
 * first (fault C01).
 */
function withFields<Listener extends HttpServer>(server: Listener, { maxHeaderFields }: ServerLimits): Listener {
  server.maxHeadersCount = maxHeaderFields === Number.POSITIVE_INFINITY ? 0 : Math.max(2000, maxHeaderFields + 1);
  return server;
}

/** The sockets under TLS: `closeAllConnections` does not know a socket before its TLS handshake is done. */
const tlsTransports = new WeakMap<HttpServer, Set<Socket>>();

/**
 * Destroys the sockets of an own listener that `closeAllConnections` misses: those under TLS and without a PROXY
 * header.
 */
export function destroyTlsTransports(http: HttpServer): void {
  destroyUnread(http);
  for (const socket of tlsTransports.get(http) ?? []) socket.destroy();
}

/**
 * Starts to listen. Rejects with the listener's error when it cannot.
 *
 * Afterwards `failed` is called for each connection that cannot be accepted, such as without a free file descriptor:
 * the listener's error must not end the process (fault D20).
 */
export async function listen(
  http: HttpServer,
  { port = 0, host, listenOptions }: ListenerOptions,
  failed: (error: Error) => void,
): Promise<void> {
  const place = listenOptions?.path === undefined ? { port, ...(host !== undefined && { host }) } : {};
  try {
    await new Promise<void>((resolve, reject) => {
      http.once("error", reject);
      http.listen({ ...place, ...listenOptions }, () => {
        http.off("error", reject);
        http.on("error", failed);
        resolve();
      });
    });
  } catch (error) {
    throw cannotListen(error as NodeJS.ErrnoException);
  }
}

/** A system error with its meaning in words and all of its fields, such as `code`; other errors as they are. */
function cannotListen(cause: NodeJS.ErrnoException): Error {
  const { code = "", syscall, message } = cause;
  const meaning = listenMeanings[code];
  if (syscall === undefined) return cause;
  return Object.assign(new Error(`Cannot serve: ${meaning ? `${meaning}: ` : ""}${message}`, { cause }), cause);
}

const listenMeanings: Readonly<Record<string, string>> = {
  EADDRINUSE: "something listens there already, perhaps this program itself (port: 0 takes any free port)",
  EACCES: "this user may not listen there (as a rule all may from port 1024 on)",
  EADDRNOTAVAIL: "the host is not an address of this machine",
  ENOTFOUND: "the host does not resolve to an address",
};
