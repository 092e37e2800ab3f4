/**
 * The own listener of `serve`: an HTTP server, with or without TLS, that outlives what it cannot accept.
 */

import { createServer, type Server as HttpServer } from "node:http";
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from "node:https";
import type { ListenOptions, Socket } from "node:net";
import { createSecureContext, type SecureContextOptions, Server as TlsServer } from "node:tls";
import type { ServerLimits } from "../../connection/limits.ts";
import { describe, type OptionTable } from "../../protocol/check-options.ts";
import { checkPem } from "../../transport/tls-files.ts";
import { guardedLog, type Log } from "../log.ts";
import type { RouteOptions } from "../route.ts";
import { destroyUnread } from "./proxied-sockets.ts";

/** Where and how an own listener listens. */
export interface ListenerOptions {
  /** The port of the own listener, 0 for any free one. Default 0. */
  readonly port?: number;
  /** The address of the own listener, as in `node:net`. Default: all addresses. */
  readonly host?: string;
  /** Makes the own listener speak TLS. */
  readonly tls?: TlsOptions;
  /**
   * The proxies, by addresses and ranges such as `10.0.0.0/8`, that begin each connection to the own listener with a
   * header of the PROXY protocol, version 1 or 2, which decides `remoteAddress`. Any other connection is ended.
   * Default: none does.
   */
  readonly proxyProtocol?: readonly string[];
  /**
   * More options for listening, such as `backlog`, `exclusive`, `ipv6Only`, `path`, or `reusePort`, with which several
   * processes listen on one port, and which needs Node 22.12, 23.1 or later.
   */
  readonly listenOptions?: ListenOptions & { readonly reusePort?: boolean };
}

/** The options of a listener, by name. */
export const listenerOptionTable: OptionTable<ListenerOptions> = {
  port: "number",
  host: "string",
  tls: "object",
  proxyProtocol: "array",
  listenOptions: "object",
};

/** Options of TLS of which a server needs one: without, no handshake succeeds. */
const provesIdentity = ["cert", "pfx", "SNICallback", "pskCallback"] as const satisfies readonly (keyof TlsOptions)[];

/** Options of TLS of which one must stand beside `cert`: without, no handshake succeeds either. */
const provesKey = [
  "key",
  "privateKeyIdentifier",
  "pfx",
  "SNICallback",
  "pskCallback",
] as const satisfies readonly (keyof TlsOptions)[];

/** Where Node does not know it, it would listen without a word. */
const [major, minor] = process.versions.node.split(".").map(Number) as [number, number];
const hasReusePort: boolean = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);

/** Throws a TypeError for what this runtime cannot do, and for options that say nothing together. */
export function checkListenerOptions({ listenOptions, proxyProtocol }: ListenerOptions): void {
  if (proxyProtocol?.length === 0)
    throw new TypeError("Cannot serve: proxyProtocol names no proxy, so no one could connect");
  if (proxyProtocol && listenOptions?.path !== undefined) {
    throw new TypeError("Cannot serve: proxyProtocol trusts addresses, and a Unix socket has none");
  }
  if (hasReusePort || !listenOptions?.reusePort) return;
  throw new TypeError(`Cannot serve: reusePort needs Node 22.12, 23.1 or later, and this is ${process.version}`);
}

/** A listener that does not listen yet. */
export function createListener({ tls }: ListenerOptions, limits: ServerLimits): HttpServer {
  const http = {
    maxHeaderSize: limits.maxHeaderSize,
    headersTimeout: limits.handshakeTimeout,
    requestTimeout: Math.max(limits.handshakeTimeout, 60_000),
    connectionsCheckingInterval: 1000,
    // A request without Host is answered by our own check, which says what is wrong.
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

/** What each listener of ours was told of TLS. */
const tlsOptions = new WeakMap<HttpServer, TlsOptions>();

/**
 * Gives a TLS listener of ours another certificate; what `options` leave out stays as it was.
 *
 * Throws a TypeError where it is none, or where the PEM is no PEM, and OpenSSL's error for a certificate that cannot be
 * used; nothing is changed then.
 */
export function renewSecureContext(http: HttpServer, options: SecureContextOptions): void {
  const given = tlsOptions.get(http);
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
  // A half-set one would be left behind by a mistake in it.
  createSecureContext(renewed);
  http.setSecureContext(renewed);
  tlsOptions.set(http, renewed);
}

/** What a new certificate takes the place of, where it comes in another form. */
function otherIdentity(options: SecureContextOptions): SecureContextOptions {
  if ("pfx" in options) return { cert: undefined, key: undefined };
  return "cert" in options || "key" in options ? { pfx: undefined } : {};
}

/**
 * Beyond its own number of fields, 2000 by default, `node:http` passes over the rest or refuses: ours comes first
 * (fault C01).
 */
function withFields<Listener extends HttpServer>(server: Listener, { maxHeaderFields }: ServerLimits): Listener {
  server.maxHeadersCount = maxHeaderFields === Number.POSITIVE_INFINITY ? 0 : Math.max(2000, maxHeaderFields + 1);
  return server;
}

/** The streams under TLS: until its handshake is done, `closeAllConnections` does not know one. */
const tlsTransports = new WeakMap<HttpServer, Set<Socket>>();

/** Ends at once what speaks TLS, or is about to, on a listener of ours, and what has not said whose connection it is. */
export function destroyTlsTransports(http: HttpServer): void {
  destroyUnread(http);
  for (const socket of tlsTransports.get(http) ?? []) socket.destroy();
}

/** Listens, and rejects with the listener's error; what cannot be accepted later goes to the log. */
export async function listen(
  http: HttpServer,
  { port = 0, host, listenOptions, log }: ListenerOptions & Pick<RouteOptions, "log">,
): Promise<void> {
  const place = listenOptions?.path === undefined ? { port, ...(host !== undefined && { host }) } : {};
  try {
    await new Promise<void>((resolve, reject) => {
      http.once("error", reject);
      http.listen({ ...place, ...listenOptions }, () => {
        http.off("error", reject);
        // One that cannot be accepted, for want of a file descriptor perhaps, must not end the process (fault D20).
        http.on("error", (error) => listenerFailed(error, log));
        resolve();
      });
    });
  } catch (error) {
    throw cannotListen(error as NodeJS.ErrnoException);
  }
}

/** An error of the system with its meaning before it and all of its fields, such as `code`; others as they are. */
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

/** Tells of what could not be accepted, which ends nothing. */
export function listenerFailed(error: Error, log: Log | undefined): void {
  const message = `The server could not accept a connection: ${error.message}`;
  if (log) guardedLog(log)?.({ event: "listener-error", level: "error", message, error });
  else console.error("A server could not accept a connection:", error);
}
