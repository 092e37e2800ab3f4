/**
 * The opening handshake of a client over a request of `node:http`, which users may look at and change: the steps, events
 * and words of `ws`.
 *
 * Every failure is one error and one close, in a tick of their own. What fails before the first request is thrown. The
 * modules of Node are looked at when they are used, since tools that watch requests replace what is in them.
 */

import { randomBytes } from "node:crypto";
import type { EventEmitter } from "node:events";
import http, { type ClientRequest, type ClientRequestArgs, type IncomingMessage } from "node:http";
import https, { type RequestOptions as HttpsRequestOptions } from "node:https";
import net, { type TcpNetConnectOpts } from "node:net";
import type { Duplex } from "node:stream";
import tls, { type ConnectionOptions as TlsConnectionOptions } from "node:tls";
import { isToken } from "../protocol/handshake/header-fields.ts";
import { secWebSocketAccept } from "../protocol/handshake/response.ts";
import { nextTick } from "../transport/scheduling.ts";
import { extension } from "./parts/extension.ts";
import type { MaskGenerator } from "./parts/mask-generator.ts";
import { type DeflateParams, PerMessageDeflate, type PerMessageDeflateOptions } from "./parts/permessage-deflate.ts";
import { type ConnectionTerms, defaultMaxPayload } from "./terms.ts";

/** Changes a request before it is sent, and ends it. */
// biome-ignore lint/suspicious/noExplicitAny: it is the WebSocket, whose file comes after this one
export type FinishRequestCallback = (request: ClientRequest, webSocket: any) => void;

/** The options of a client; whatever `http.request`, `https.request` and `tls.connect` take may stand among them. */
export interface ClientOptions
  extends ConnectionTerms,
    Omit<HttpsRequestOptions, "protocol" | "headers" | "auth" | "createConnection"> {
  /** What is sent as `Authorization: Basic`: user and password with a colon between. */
  auth?: string | null | undefined;
  /** Makes the socket, instead of `net.connect` or `tls.connect`. */
  // biome-ignore lint/suspicious/noExplicitAny: any function that net or tls has for it, and every other
  createConnection?: ((...values: any[]) => Duplex) | undefined;
  /** Called with the request before it is sent, and must call `request.end()`. */
  finishRequest?: FinishRequestCallback | undefined;
  /** Whether redirects are followed. Default false. */
  followRedirects?: boolean | undefined;
  /**
   * Fills a Buffer of four bytes with the key that masks one frame. Default: random bytes, since what is sent could
   * otherwise be chosen by others (RFC 6455 section 10.3).
   */
  generateMask?: MaskGenerator | undefined;
  /** How long each request may stand without an answer, in milliseconds. Default: as long as it takes. */
  handshakeTimeout?: number | undefined;
  /** Fields that are sent besides those of the handshake. */
  headers?: Readonly<Record<string, string | number | readonly string[] | undefined>> | undefined;
  /** How many redirects may be followed. Default 10. */
  maxRedirects?: number | undefined;
  /** The value of `Origin`. */
  origin?: string | undefined;
  /** Whether compression is offered, or how. Default true. */
  perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
  /** Subprotocols, where none are given as an argument. */
  protocols?: string | string[] | undefined;
  /** The version of the protocol, 13 or 8. Default 13. */
  protocolVersion?: number | undefined;
}

/** The terms of an answered handshake. */
export interface Agreement {
  readonly subprotocol: string;
  /** The parameters of permessage-deflate; undefined where it was not agreed. */
  readonly params: DeflateParams | undefined;
}

/** The WebSocket that the handshake is for. */
export interface HandshakeOwner {
  readonly socket: {
    _req: ClientRequest | null;
    _url: string | undefined;
    _redirects: number;
    listenerCount(event: string): number;
  };
  /** Whether it still wants a connection. */
  isConnecting(): boolean;
  /** The handshake is done. */
  established(stream: Duplex, head: Buffer, agreement: Agreement): void;
  /** The handshake has failed; `failed` follows. */
  failing(): void;
  failed(error: Error): void;
}

/** The place that the first request went to, to which alone credentials go. */
interface FirstTarget {
  readonly encrypted: boolean;
  /** The host, or the path of the Unix socket. */
  readonly host: string;
  readonly overUnixSocket: boolean;
}

const allowedSchemes = ["ws:", "wss:", "ws+unix:"];

/** The handshake of one client, over as many requests as there are redirects. */
export class ClientHandshake {
  readonly #options: ClientOptions;
  readonly #owner: HandshakeOwner;
  readonly #protocols: readonly string[];
  /** The request whose errors count; undefined before the first, and once it is given up. */
  #request: ClientRequest | undefined;
  #redirects = 0;
  #first: FirstTarget | undefined;
  /** Fields of the user's, as they are sent after a redirect. */
  #headers: Record<string, unknown>;
  #deflate: PerMessageDeflate | undefined;
  #key = "";

  /** Throws as `WebSocket` does. */
  constructor(options: ClientOptions, protocols: string | readonly string[], owner: HandshakeOwner) {
    const { protocolVersion = 13 } = options;
    if (protocolVersion !== 8 && protocolVersion !== 13) {
      throw new RangeError(`Unsupported protocol version: ${protocolVersion} (supported versions: 8, 13)`);
    }
    this.#options = options;
    this.#owner = owner;
    this.#protocols = Array.isArray(protocols) ? protocols : [protocols];
    this.#headers = { ...options.headers };
  }

  /** Sends the first request. Throws a SyntaxError for an address or subprotocols that cannot be. */
  start(address: string | URL): void {
    this.#send(parseAddress(address, (url) => this.#setUrl(url)));
  }

  /** Gives up, for a reason in words. */
  abort(why: string): void {
    this.#owner.failing();
    const request = this.#request;
    this.#request = undefined;
    request?.destroy();
    if (request?.socket && !request.socket.destroyed) request.socket.destroy();
    const error = new Error(why);
    nextTick(() => {
      this.#owner.socket._req = null;
      this.#owner.failed(error);
    });
  }

  #setUrl(url: string): void {
    this.#owner.socket._url = url;
  }

  #send(url: URL): void {
    const { finishRequest, handshakeTimeout, followRedirects = false } = this.#options;
    const encrypted = url.protocol === "wss:";
    const settings = this.#requestSettings(url, encrypted);
    if (followRedirects) this.#keepCredentialsIn(settings, url, encrypted);
    const request = (encrypted ? https : http).request(settings as ClientRequestArgs);
    this.#request = request;
    this.#owner.socket._req = request;
    if (followRedirects && this.#redirects > 0) emit(this.#owner.socket, "redirect", this.#owner.socket._url, request);
    if (handshakeTimeout) {
      request.on("timeout", () => {
        if (request === this.#request) this.abort("Opening handshake has timed out");
      });
    }
    request.on("error", (error) => {
      if (request !== this.#request) return;
      this.#forget();
      this.#owner.failed(error);
    });
    request.on("response", (response) => this.#answered(request, response, url));
    request.on("upgrade", (response, stream, head) => this.#upgraded(request, response, { stream, head }));
    if (finishRequest) finishRequest(request, this.#owner.socket);
    else request.end();
  }

  #forget(): void {
    this.#request = undefined;
    this.#owner.socket._req = null;
  }

  /** The options of the request; what the URL says stands in place of what the options say. */
  #requestSettings(url: URL, encrypted: boolean): Record<string, unknown> {
    const given = this.#options;
    const overUnixSocket = url.protocol === "ws+unix:";
    const [socketPath, pathOverSocket] = overUnixSocket ? `${url.pathname}${url.search}`.split(":") : [];
    const host = url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname;
    const defaultPort = encrypted ? 443 : 80;
    return {
      ...given,
      protocol: undefined,
      hostname: undefined,
      method: "GET",
      createConnection: given.createConnection ?? (encrypted ? connectTls : connectPlain),
      defaultPort: given.defaultPort || defaultPort,
      port: url.port || defaultPort,
      host,
      socketPath,
      path: overUnixSocket ? pathOverSocket : `${url.pathname}${url.search}`,
      timeout: given.handshakeTimeout,
      auth: url.username || url.password ? credentialsIn(url) : given.auth,
      headers: { ...this.#headers, ...this.#ownHeaders() },
    };
  }

  #ownHeaders(): Record<string, string> {
    const { origin, perMessageDeflate = true, protocolVersion = 13, maxPayload } = this.#options;
    this.#key = randomBytes(16).toString("base64");
    const headers: Record<string, string> = {
      "Sec-WebSocket-Version": String(protocolVersion),
      "Sec-WebSocket-Key": this.#key,
      Connection: "Upgrade",
      Upgrade: "websocket",
    };
    if (perMessageDeflate) {
      const options = perMessageDeflate === true ? {} : perMessageDeflate;
      this.#deflate = new PerMessageDeflate({ ...options, maxPayload: maxPayload ?? defaultMaxPayload });
      headers["Sec-WebSocket-Extensions"] = extension.format({
        [PerMessageDeflate.extensionName]: { ...this.#deflate.offer() },
      });
    }
    checkProtocols(this.#protocols);
    if (this.#protocols.length > 0) headers["Sec-WebSocket-Protocol"] = this.#protocols.join(",");
    if (origin) headers[protocolVersion < 13 ? "Sec-WebSocket-Origin" : "Origin"] = origin;
    return headers;
  }

  /**
   * Leaves credentials out of a redirected request to another host, or to one without encryption, unless a listener
   * looks after that itself.
   */
  #keepCredentialsIn(settings: Record<string, unknown>, url: URL, encrypted: boolean): void {
    const overUnixSocket = url.protocol === "ws+unix:";
    const target = { encrypted, overUnixSocket, host: overUnixSocket ? (settings.socketPath as string) : url.host };
    const first = this.#first;
    if (first === undefined) {
      this.#first = target;
      this.#headers = Object.fromEntries(
        Object.entries(this.#headers).map(([name, value]) => [name.toLowerCase(), value]),
      );
    } else if (this.#owner.socket.listenerCount("redirect") === 0) {
      const sameHost = first.overUnixSocket === overUnixSocket && first.host === target.host;
      if (!sameHost || (first.encrypted && !encrypted)) {
        const { authorization, cookie, host, ...others } = this.#headers;
        this.#headers = sameHost && host !== undefined ? { ...others, host } : others;
        const kept = settings.headers as Record<string, unknown>;
        for (const name of Object.keys(kept)) {
          const lower = name.toLowerCase();
          if (lower === "authorization" || lower === "cookie" || (lower === "host" && !sameHost)) delete kept[name];
        }
        settings.auth = undefined;
      }
    }
    if (settings.auth && !this.#headers.authorization) {
      this.#headers.authorization = `Basic ${Buffer.from(settings.auth as string).toString("base64")}`;
    }
  }

  #answered(request: ClientRequest, response: IncomingMessage, url: URL): void {
    const { location } = response.headers;
    const { statusCode = 0 } = response;
    const { followRedirects = false, maxRedirects = 10 } = this.#options;
    if (request !== this.#request) return;
    if (location && followRedirects && statusCode >= 300 && statusCode < 400) {
      this.#owner.socket._redirects = ++this.#redirects;
      if (this.#redirects > maxRedirects) return this.abort("Maximum redirects exceeded");
      this.#request = undefined;
      request.destroy();
      return this.#follow(location, url);
    }
    if (emit(this.#owner.socket, "unexpected-response", request, response)) return;
    this.abort(`Unexpected server response: ${statusCode}`);
  }

  #follow(location: string, from: URL): void {
    let next: URL;
    try {
      next = parseAddress(resolve(location, from), (url) => this.#setUrl(url));
    } catch (error) {
      this.#forget();
      return this.#owner.failed(error as Error);
    }
    this.#send(next);
  }

  #upgraded(
    request: ClientRequest,
    response: IncomingMessage,
    { stream, head }: { readonly stream: Duplex; readonly head: Buffer },
  ): void {
    emit(this.#owner.socket, "upgrade", response);
    // The listener may have given up.
    if (request !== this.#request || !this.#owner.isConnecting()) return;
    this.#forget();
    const agreement = this.#verify(response);
    if (typeof agreement !== "string") return this.#owner.established(stream, head, agreement);
    const error = new Error(agreement);
    this.#owner.failing();
    stream.once("error", () => {});
    stream.once("close", () => this.#owner.failed(error));
    stream.destroy();
  }

  /** Returns what the response agrees on, or what is wrong with it. */
  #verify({ headers }: IncomingMessage): Agreement | string {
    if (headers.upgrade?.toLowerCase() !== "websocket") return "Invalid Upgrade header";
    if (headers["sec-websocket-accept"] !== secWebSocketAccept(this.#key)) return "Invalid Sec-WebSocket-Accept header";
    const subprotocol = headers["sec-websocket-protocol"] as string | undefined;
    if (subprotocol !== undefined) {
      if (this.#protocols.length === 0) return "Server sent a subprotocol but none was requested";
      if (!this.#protocols.includes(subprotocol)) return "Server sent an invalid subprotocol";
    } else if (this.#protocols.length > 0) {
      return "Server sent no subprotocol";
    }
    const field = headers["sec-websocket-extensions"] as string | undefined;
    if (field === undefined) return { subprotocol: subprotocol ?? "", params: undefined };
    if (this.#deflate === undefined) {
      return "Server sent a Sec-WebSocket-Extensions header but no extension was requested";
    }
    const params = acceptAnswer(this.#deflate, field);
    return typeof params === "string" ? params : { subprotocol: subprotocol ?? "", params };
  }
}

/** Returns the parameters in the field of a response, or what is wrong with it. */
function acceptAnswer(deflate: PerMessageDeflate, field: string): DeflateParams | undefined | string {
  const name = PerMessageDeflate.extensionName;
  try {
    const answer = extension.parse(field);
    const names = Object.keys(answer);
    if (names.length === 0) return undefined;
    if (names.length > 1 || names[0] !== name) return "Server indicated an extension that was not requested";
    return deflate.accept(answer[name]!);
  } catch {
    return "Invalid Sec-WebSocket-Extensions header";
  }
}

/** Emits an event of the WebSocket, and says whether there was a listener. */
function emit(socket: object, event: string, ...values: unknown[]): boolean {
  return (socket as EventEmitter).emit(event, ...values);
}

function resolve(location: string, from: URL): URL {
  try {
    return new URL(location, from);
  } catch {
    throw new SyntaxError(`Invalid URL: ${location}`);
  }
}

/** Returns the URL of an address, with `http` turned into `ws`; tells its text before it judges it. */
function parseAddress(address: string | URL, tell: (url: string) => void): URL {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new SyntaxError(`Invalid URL: ${address}`);
  }
  if (url.protocol === "http:" || url.protocol === "https:") url.protocol = url.protocol.replace("http", "ws");
  tell(url.href);
  if (!allowedSchemes.includes(url.protocol)) {
    throw new SyntaxError('The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"');
  }
  if (url.protocol === "ws+unix:" && !url.pathname) throw new SyntaxError("The URL's pathname is empty");
  if (url.hash) throw new SyntaxError("The URL contains a fragment identifier");
  return url;
}

function checkProtocols(protocols: readonly unknown[]): void {
  const valid = protocols.every((protocol) => typeof protocol === "string" && isToken(protocol));
  if (valid && new Set(protocols).size === protocols.length) return;
  throw new SyntaxError("An invalid or duplicated subprotocol was specified");
}

function credentialsIn({ username, password }: URL): string {
  return `${decodePercents(username)}:${decodePercents(password)}`;
}

function decodePercents(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A socket of its own, whatever agents keep. */
function connectPlain(options: TcpNetConnectOpts & { path?: string | undefined; socketPath?: string }): Duplex {
  options.path = options.socketPath;
  return net.connect(options);
}

function connectTls(options: TlsConnectionOptions): Duplex {
  options.path = undefined as never;
  if (!options.servername && options.servername !== "") {
    options.servername = options.host === undefined || net.isIP(options.host) ? "" : options.host;
  }
  return tls.connect(options);
}
