/**
 * The options of `connect`, and what they stand for once every default is filled in and every value checked.
 */

import type { Duplex } from "node:stream";
import type { ConnectionOptions as TlsConnectionOptions } from "node:tls";
import type { Connection } from "../connection/connection.ts";
import {
  type AcceptsOption,
  type ConnectionHandlers,
  type ConnectionOptions,
  connectionOptionTable,
  type DataOf,
  type Delivery,
  handlerTable,
  type KeepaliveOptions,
  resolveDelivery,
  resolveKeepalive,
  type TextForm,
} from "../connection/handlers.ts";
import { type ClientLimits, clientLimits, limitsBeside, resolveLimits } from "../connection/limits.ts";
import { checkNumber } from "../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../protocol/check-options.ts";
import type { AcceptedMessages } from "../protocol/endpoint-options.ts";
import { type ForeignNames, foreignNames } from "../protocol/foreign-names.ts";
import type { HandshakeResponse, HeaderEntries } from "../protocol/handshake/opening-handshake.ts";
import {
  type CompressionOptions,
  type CompressionSettings,
  compressionSettings,
  offerDeflate,
} from "../protocol/handshake/permessage-deflate.ts";
import { checkPem } from "../transport/tls-files.ts";

/** The options of TLS that a client may set; those of `tls.connect` that do not say where to connect. */
export type TlsOptions = Omit<
  TlsConnectionOptions,
  "allowHalfOpen" | "ALPNProtocols" | "host" | "lookup" | "path" | "port" | "socket" | "timeout"
>;

/** A proxy with options of its own. */
export interface ProxyOptions {
  /** An http, https or socks5 URL (socks5h and socks are the same); its user name and password are the credentials. */
  readonly url: string | URL;
  /** TLS to an https proxy itself; the server behind it has the options of `connect`. */
  readonly tls?: TlsOptions;
  /**
   * Fields to add to the request for a tunnel, such as `User-Agent`; a `Proxy-Authorization` takes the place of the URL's
   * credentials. Not for socks5.
   */
  readonly headers?: HeaderEntries | Readonly<Record<string, string>>;
}

/** A proxy, or false for none. */
export type ProxyChoice = string | URL | ProxyOptions | false;

/** Where `createConnection` shall connect to. */
export interface DialTarget {
  /** A host name or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Whether the connection shall be encrypted: a returned `TLSSocket` is taken as it is, over others TLS is begun. */
  readonly secure: boolean;
  /** Aborts when the handshake is given up; a stream that is returned later is destroyed. */
  readonly signal: AbortSignal;
}

/** A store of cookies; a `CookieJar` of tough-cookie fits. URLs have the scheme http or https. */
export interface CookieJar {
  /** The value of the request's `Cookie` field; empty or undefined for none. */
  getCookieString(url: string): string | undefined | PromiseLike<string | undefined>;
  /** Stores one `Set-Cookie` value of a response; a cookie that it refuses by throwing is passed over. */
  setCookie(cookie: string, url: string): unknown;
}

/** The options of `connect`, handlers of the connection included. */
export interface ConnectOptions<Accepted extends AcceptedMessages = AcceptedMessages, Text extends TextForm = TextForm>
  extends ConnectionHandlers<Connection, DataOf<Accepted, Text>>,
    Omit<ConnectionOptions, "text">,
    AcceptsOption<Accepted> {
  /** See `ConnectionOptions`. */
  readonly text?: Text;
  /** Sees the server's 101 before the connection opens; an exception gives the handshake up. */
  upgrade?(response: HandshakeResponse): unknown;
  /** Gives up the handshake, at any moment, with the signal's reason; no effect once the connection is open. */
  readonly signal?: AbortSignal;
  /** Fields to add to the request, such as `Authorization`; a `Host` takes the place of the URL's. */
  readonly headers?: HeaderEntries | Readonly<Record<string, string>>;
  /** Offered in order of preference. Default none. */
  readonly subprotocols?: readonly string[];
  /** The `Origin` field. Default none. */
  readonly origin?: string;
  /** Certificates, authorities and the like for wss. Default Node's. */
  readonly tls?: TlsOptions;
  /**
   * The proxy to go through, or a function that chooses one; false for none. Default what the environment says:
   * `http_proxy` for ws, `https_proxy` for wss, then `all_proxy`, each also in upper case, without what `no_proxy` names
   * and never for the loopback interface.
   */
  readonly proxy?: ProxyChoice | ((url: URL) => ProxyChoice | undefined | Promise<ProxyChoice | undefined>);
  /** A Unix domain socket or Windows pipe to connect to instead of the URL's host and port; no proxy is used then. */
  readonly socketPath?: string;
  /** Makes the stream to connect over instead of TCP to the URL's host and port, or to those of the proxy. */
  readonly createConnection?: (target: DialTarget) => Duplex | Promise<Duplex>;
  /**
   * How long the opening handshake may take from its own turn on, redirects included, in milliseconds; `Infinity` for no
   * limit. Default 10 s.
   */
  readonly handshakeTimeout?: number;
  /** How many redirects are followed, at most 20. Default 0. */
  readonly followRedirects?: number;
  /** Gives the request's cookies and is given the response's. */
  readonly cookieJar?: CookieJar;
  /**
   * Whether one opening handshake per address and port runs at a time, and 255 of all together (RFC 6455 section 4.1).
   * Default true.
   */
  readonly serialize?: boolean;
  /** Whether to offer permessage-deflate, and how. Default true. */
  readonly compression?: boolean | CompressionOptions;
  /** Whether handlers run in the async context (`AsyncLocalStorage`) in which `connect` was called. Default false. */
  readonly asyncContext?: boolean;
  /** Limits that differ from the defaults. */
  readonly limits?: Partial<ClientLimits>;
}

/** The options, each with a value. */
export interface ResolvedConnectOptions {
  readonly given: ConnectOptions;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly subprotocols: readonly string[];
  readonly handshakeTimeout: number;
  readonly followRedirects: number;
  readonly serialize: boolean;
  readonly compression: CompressionSettings | undefined;
  /** The offer. */
  readonly extensions: string | undefined;
  readonly keepalive: Required<KeepaliveOptions> | undefined;
  readonly limits: ClientLimits;
  readonly delivery: Delivery;
}

const connectTable: OptionTable<ConnectOptions> = {
  ...handlerTable,
  ...connectionOptionTable,
  accepts: "any",
  upgrade: "function",
  signal: "object",
  headers: ["object", "array"],
  subprotocols: "array",
  origin: "string",
  tls: "object",
  proxy: "any",
  socketPath: "string",
  createConnection: "function",
  handshakeTimeout: "any",
  followRedirects: "any",
  cookieJar: "object",
  serialize: "boolean",
  compression: ["boolean", "object"],
  asyncContext: "boolean",
  limits: "object",
};

const connectForeign: ForeignNames = { ...limitsBeside(clientLimits), ...foreignNames.connect };

/** As in browsers (Fetch section 4.4): a chain that is longer goes in a circle. */
const mostRedirects = 20;

/** Fills in the defaults; throws a TypeError or a RangeError for what an option cannot be. */
export function resolveConnectOptions(given: ConnectOptions): ResolvedConnectOptions {
  if (Array.isArray(given) || typeof given === "string") {
    throw new TypeError('Cannot connect: subprotocols are one of the options: connect(url, { subprotocols: ["…"] })');
  }
  checkOptions("connect", given, connectTable, connectForeign);
  if (given.signal && !isSignal(given.signal)) throw new TypeError("Cannot connect: signal is not an AbortSignal");
  if (given.tls) checkPem("connect", given.tls);
  const { headers = [] } = given;
  const compression = given.compression === false ? undefined : compressionSettings(given.compression ?? true);
  return {
    given,
    headers: toPairs(headers),
    subprotocols: given.subprotocols ?? [],
    handshakeTimeout: checkNumber("connect", "handshakeTimeout", given.handshakeTimeout ?? 10_000, {
      least: 1,
      endless: true,
    }),
    followRedirects: checkNumber("connect", "followRedirects", given.followRedirects ?? 0, {
      least: 0,
      most: mostRedirects,
      whole: true,
    }),
    serialize: given.serialize ?? true,
    compression,
    extensions: compression && offerDeflate(compression),
    keepalive: resolveKeepalive(given.keepalive),
    limits: resolveLimits(clientLimits, given.limits),
    delivery: resolveDelivery(given),
  };
}

/** Header fields in either form as pairs. */
export function toPairs(
  headers: HeaderEntries | Readonly<Record<string, string>>,
): readonly (readonly [name: string, value: string])[] {
  return Symbol.iterator in headers ? [...(headers as HeaderEntries)] : Object.entries(headers);
}

/** Another realm's or a library's will do as well as Node's. */
function isSignal({ aborted, addEventListener }: AbortSignal): boolean {
  return typeof aborted === "boolean" && typeof addEventListener === "function";
}
