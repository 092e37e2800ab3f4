/**
 * The options of `connect`, and the same options with every default filled in and every value checked.
 */

import type { Duplex } from "node:stream";
import type { Connection } from "../connection/connection.ts";
import { type ConnectionHandlers, handlerTable } from "../connection/handlers/handlers.ts";
import {
  type ConnectionOptions,
  connectionOptionTable,
  type TextForm,
} from "../connection/options/connection-options.ts";
import {
  type AcceptsOption,
  type DataOf,
  type Delivery,
  type MessageData,
  resolveDelivery,
} from "../connection/options/delivery-options.ts";
import { type KeepaliveOptions, resolveKeepalive } from "../connection/options/keepalive-options.ts";
import { type ClientLimits, clientLimits, limitsBeside, resolveLimits } from "../connection/options/limits.ts";
import { checkNumber } from "../protocol/check-number.ts";
import { checkOptions, type OptionTable } from "../protocol/check-options.ts";
import type { AcceptedMessages } from "../protocol/endpoint/endpoint-options.ts";
import { type ForeignNames, foreignNames } from "../protocol/foreign-names.ts";
import {
  type CompressionOptions,
  type CompressionSettings,
  compressionSettings,
  offerDeflate,
} from "../protocol/handshake/permessage-deflate.ts";
import type { HandshakeResponse } from "../protocol/handshake/response.ts";
import type { Resume } from "../reconnecting/resume.ts";
import { checkPem } from "../transport/tls-files.ts";
import type { DialTarget } from "./dialing/dial.ts";
import { type GivenHeaders, headerPairs } from "./dialing/http-request.ts";
import type { ProxyOption } from "./dialing/proxy.ts";
import type { TlsOptions } from "./dialing/secure.ts";
import { checkResume } from "./resume-layer.ts";

/** A store of cookies, such as a `CookieJar` of tough-cookie. The URLs that it gets have the scheme http or https. */
export interface CookieJar {
  /** Returns the value of the request's `Cookie` field, or a promise of it; empty or undefined for none. */
  getCookieString(url: string): string | undefined | PromiseLike<string | undefined>;
  /** Stores one `Set-Cookie` value of a response. A cookie for which it throws or rejects is passed over. */
  setCookie(cookie: string, url: string): unknown;
}

/** The options of `connect`, handlers of the connection included. */
export interface ConnectOptions<Accepted extends AcceptedMessages = AcceptedMessages, Text extends TextForm = TextForm>
  extends ConnectionHandlers<Connection, DataOf<Accepted, Text>>,
    Omit<ConnectionOptions, "text">,
    AcceptsOption<Accepted> {
  /** Whether text messages are delivered as strings (`"string"`, the default) or as bytes of UTF-8 (`"bytes"`). */
  readonly text?: Text;
  /** Called with the server's 101 before the connection opens; an exception gives the handshake up. */
  upgrade?(response: HandshakeResponse): unknown;
  /** Gives the handshake up with the signal's reason; has no effect once the connection is open. Default: none. */
  readonly signal?: AbortSignal;
  /**
   * Fields to add to the request, such as `Authorization`, as pairs, a `Headers` or an object; a `Host` takes the place of the
   * URL's. Default: none.
   */
  readonly headers?: GivenHeaders;
  /** The subprotocols to offer, in order of preference. Default: none. */
  readonly subprotocols?: readonly string[];
  /** Topics that go on where they were on the connection before: what `resumeTopics` of `openline/resume` returned. Default: none. */
  readonly resume?: Resume<MessageData>;
  /** The `Origin` field of the request. Default: no such field. */
  readonly origin?: string;
  /** The options of TLS for wss, such as `ca` and `cert`. Default: those of Node. */
  readonly tls?: TlsOptions;
  /**
   * The proxy to go through, or a function that chooses one; false for none. Default: the environment's, which is
   * `http_proxy` for ws, `https_proxy` for wss, then `all_proxy`, each also in upper case. Hosts that `no_proxy` names
   * and the loopback interface are reached without a proxy.
   */
  readonly proxy?: ProxyOption;
  /** A Unix domain socket or Windows pipe to connect to in place of the URL's host and port, without a proxy. */
  readonly socketPath?: string;
  /** Makes the stream to connect over, in place of TCP to the URL's host and port or to those of the proxy. */
  readonly createConnection?: (target: DialTarget) => Duplex | Promise<Duplex>;
  /**
   * The longest time that the opening handshake may take, in milliseconds, redirects included; waiting in the queue of
   * `serialize` does not count. `Infinity` sets no limit. Default 10 s.
   */
  readonly handshakeTimeout?: number;
  /** The number of redirects that are followed, at most 20. Default 0. */
  readonly followRedirects?: number;
  /** The store that gives the request's cookies and takes the response's. Default: none. */
  readonly cookieJar?: CookieJar;
  /**
   * Whether the handshake waits in a queue: one per address and port runs at a time, and 255 of all together (RFC 6455
   * section 4.1). Default true.
   */
  readonly serialize?: boolean;
  /** Whether to offer permessage-deflate (RFC 7692), and with which parameters. Default true. */
  readonly compression?: boolean | CompressionOptions;
  /** Whether handlers run in the async context (`AsyncLocalStorage`) in which `connect` was called. Default false. */
  readonly asyncContext?: boolean;
  /** Limits that differ from their defaults. */
  readonly limits?: Partial<ClientLimits>;
}

/** The options of `connect`, each with a value. */
export interface ResolvedConnectOptions {
  readonly given: ConnectOptions;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly subprotocols: readonly string[];
  readonly handshakeTimeout: number;
  readonly followRedirects: number;
  readonly serialize: boolean;
  readonly compression: CompressionSettings | undefined;
  /** The value of the request's `Sec-WebSocket-Extensions`; undefined where nothing is offered. */
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
  resume: "object",
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

/** The limit of browsers (Fetch section 4.4): a longer chain is taken for a circle. */
const maxRedirects = 20;

/** Fills in the defaults. Throws a TypeError or a RangeError for a value that an option cannot have. */
export function resolveConnectOptions(given: ConnectOptions): ResolvedConnectOptions {
  if (Array.isArray(given) || typeof given === "string") {
    throw new TypeError('Cannot connect: subprotocols are one of the options: connect(url, { subprotocols: ["…"] })');
  }
  checkOptions("connect", given, connectTable, connectForeign);
  if (given.signal && !isSignal(given.signal)) throw new TypeError("Cannot connect: signal is not an AbortSignal");
  if (given.tls) checkPem("connect", given.tls);
  const { headers = [], subprotocols = [], resume, text } = given;
  checkResume("connect", resume);
  if (resume && text === "bytes") throw new TypeError("Cannot connect: resume needs text as strings");
  const compression = given.compression === false ? undefined : compressionSettings(given.compression ?? true);
  return {
    given,
    headers: headerPairs(headers),
    subprotocols: resume ? resume.offer(subprotocols) : subprotocols,
    handshakeTimeout: checkNumber("connect", "handshakeTimeout", given.handshakeTimeout ?? 10_000, {
      least: 1,
      endless: true,
    }),
    followRedirects: checkNumber("connect", "followRedirects", given.followRedirects ?? 0, {
      least: 0,
      most: maxRedirects,
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

/** Whether a value is used as an `AbortSignal`, also one of another realm or of a library. */
function isSignal({ aborted, addEventListener }: AbortSignal): boolean {
  return typeof aborted === "boolean" && typeof addEventListener === "function";
}
