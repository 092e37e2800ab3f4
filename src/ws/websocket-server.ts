/**
 * `WebSocketServer` of `ws`: the opening handshakes of an HTTP server, or those that are handed to `handleUpgrade`.
 *
 * A handshake without `verifyClient` with a callback is done when `handleUpgrade` returns.
 */

import type { EventEmitter } from "node:events";
import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  STATUS_CODES,
} from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { secWebSocketAccept } from "../protocol/handshake/response.ts";
import { nextTick } from "../transport/scheduling.ts";
import { TypedEmitter } from "./events/typed-emitter.ts";
import { extension } from "./parts/extension.ts";
import { type DeflateParams, PerMessageDeflate, type PerMessageDeflateOptions } from "./parts/permessage-deflate.ts";
import { subprotocol } from "./parts/subprotocol.ts";
import { type ConnectionTerms, defaultCloseTimeout, defaultMaxPayload } from "./terms.ts";
import { isOwned } from "./watched-socket.ts";
import { WebSocket } from "./websocket.ts";

/** What `verifyClient` is told of a client. */
export interface ClientInfo<Request extends IncomingMessage = IncomingMessage> {
  /** The value of `Origin`; undefined where the client sent none. */
  origin: string;
  /** Whether the client came over TLS. */
  secure: boolean;
  req: Request;
}

/** Says whether a client is let in. */
export type VerifyClientCallbackSync<Request extends IncomingMessage = IncomingMessage> = (
  info: ClientInfo<Request>,
) => boolean;

/** Says later whether a client is let in, and if not, with what it is answered. */
export type VerifyClientCallbackAsync<Request extends IncomingMessage = IncomingMessage> = (
  info: ClientInfo<Request>,
  callback: (result: boolean, code?: number, message?: string, headers?: OutgoingHttpHeaders) => void,
) => void;

/** The options of a server: exactly one of `port`, `server` and `noServer` is given. */
export interface ServerOptions<
  Socket extends typeof WebSocket = typeof WebSocket,
  Request extends typeof IncomingMessage = typeof IncomingMessage,
> extends ConnectionTerms {
  /** How many connections may wait to be accepted. */
  backlog?: number | null | undefined;
  /** Whether `clients` are kept. Default true. */
  clientTracking?: boolean | undefined;
  /** Chooses the subprotocol, or none. Default: the first that is offered. */
  handleProtocols?:
    | ((protocols: Set<string>, request: InstanceType<Request>) => string | false | undefined)
    | null
    | undefined;
  /** The address to listen on. */
  host?: string | null | undefined;
  /** Whether there is no HTTP server, only `handleUpgrade`. Default false. */
  noServer?: boolean | undefined;
  /** The only path that is served. Default: every path. */
  path?: string | null | undefined;
  /** Whether compression is accepted, or how. Default false. */
  perMessageDeflate?: boolean | PerMessageDeflateOptions | undefined;
  /** The port that an HTTP server of its own listens on. */
  port?: number | null | undefined;
  /** An HTTP server whose upgrade requests are answered. */
  server?: HttpServer<Request> | HttpsServer<Request> | null | undefined;
  /** Says whether a client is let in. */
  verifyClient?:
    | VerifyClientCallbackSync<InstanceType<Request>>
    | VerifyClientCallbackAsync<InstanceType<Request>>
    | null
    | undefined;
  /** The class of the WebSockets. Default `WebSocket`. */
  WebSocket?: Socket | undefined;
}

/** What stands in the options of a server as it is given, or in fewer forms. */
type KeptAsGiven<Options> = { [Name in keyof Options]: Exclude<Options[Name], null> };

/** The options of a server as they are read: in types that are those of `@types/ws` as well, of whose servers this is one. */
export type KeptServerOptions<
  Socket extends typeof WebSocket = typeof WebSocket,
  Request extends typeof IncomingMessage = typeof IncomingMessage,
> = KeptAsGiven<Omit<ServerOptions<Socket, Request>, "handleProtocols" | "perMessageDeflate" | "WebSocket">> & {
  handleProtocols?: (protocols: Set<string>, request: InstanceType<Request>) => string | false;
  perMessageDeflate?:
    | boolean
    | Pick<PerMessageDeflateOptions, "clientNoContextTakeover" | "serverNoContextTakeover" | "threshold">
    | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: the class that was given, whose constructor is not that of `@types/ws`
  WebSocket?: any;
};

/** The events of a server, with what their listeners get. */
export interface WebSocketServerEvents<Socket = WebSocket, Request = IncomingMessage> {
  connection: [webSocket: Socket, request: Request];
  error: [error: Error];
  headers: [headers: string[], request: Request];
  close: [];
  listening: [];
  wsClientError: [error: Error, socket: Duplex, request: Request];
}

/** The answer to a handshake that is refused. */
interface Refusal {
  readonly status: number;
  readonly message?: string | undefined;
  readonly headers?: OutgoingHttpHeaders | undefined;
}

/** A client that is let in. */
interface Admitted<Socket, Request> {
  readonly key: string;
  readonly protocols: Set<string>;
  readonly params: DeflateParams | undefined;
  readonly request: Request;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly callback: (webSocket: Socket, request: Request) => void;
}

const [running, closing, closed] = [0, 1, 2] as const;
const handshakeKey = /^[+/0-9A-Za-z]{22}==$/;

/** A WebSocket server with the surface of `ws`. */
export class WebSocketServer<
  Socket extends typeof WebSocket = typeof WebSocket,
  Request extends typeof IncomingMessage = typeof IncomingMessage,
> extends TypedEmitter<WebSocketServerEvents<InstanceType<Socket>, InstanceType<Request>>> {
  /** The options, with their defaults. */
  options: KeptServerOptions<Socket, Request>;
  /** The open connections; undefined without `clientTracking`. */
  declare clients: Set<InstanceType<Socket>>;
  /** Never set here, as in `ws`, whose types have it and where packages keep a path of their own; see `options.path`. */
  declare path: string;
  /** @internal The HTTP server; null once it is not listened to any more. */
  _server: HttpServer | HttpsServer | null = null;
  /** @internal 0 while it runs, 1 while it closes, 2 once it is closed. */
  _state: 0 | 1 | 2 = running;
  /** Whether `close` waits for the last client to leave. */
  #closesWithLast = false;
  #stopListening: () => void = () => {};

  /**
   * Throws a TypeError unless exactly one of `port`, `server` and `noServer` is given. `listening` is called once a server
   * of its own listens.
   */
  constructor(options?: ServerOptions<Socket, Request>, listening?: () => void) {
    super();
    this.options = {
      ...defaults,
      WebSocket: WebSocket as Socket,
      ...options,
    } as KeptServerOptions<Socket, Request>;
    const { port, server, noServer, perMessageDeflate, clientTracking } = this.options;
    if ([port != null, Boolean(server), Boolean(noServer)].filter(Boolean).length !== 1) {
      throw new TypeError('One and only one of the "port", "server", or "noServer" options must be specified');
    }
    if (perMessageDeflate === true) this.options.perMessageDeflate = {};
    if (clientTracking) this.clients = new Set();
    if (port != null) {
      const { host, backlog } = this.options;
      this.#serve(createServer(refusePlain));
      (this._server as HttpServer).listen(port, host ?? undefined, backlog ?? undefined, listening);
    } else if (server) {
      this.#serve(server as unknown as HttpServer);
    }
  }

  #serve(server: HttpServer): void {
    this._server = server;
    const listeners = {
      listening: () => void this.#emit("listening"),
      error: (error: Error) => void this.#emit("error", error),
      upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        this.handleUpgrade(request as InstanceType<Request>, socket, head, (webSocket, answered) => {
          this.#emit("connection", webSocket, answered);
        });
      },
    };
    for (const [event, listener] of Object.entries(listeners)) server.on(event, listener);
    this.#stopListening = () => {
      for (const [event, listener] of Object.entries(listeners)) server.removeListener(event, listener);
      this._server = null;
    };
  }

  #emit(event: string, ...values: readonly unknown[]): boolean {
    return (this as EventEmitter).emit(event, ...values);
  }

  /** The address that the HTTP server is bound to; null once it is closed. Throws an Error with `noServer`. */
  address(): AddressInfo | string | null {
    if (this.options.noServer) throw new Error('The server is operating in "noServer" mode');
    return this._server === null ? null : this._server.address();
  }

  /**
   * Takes no more clients; those that are there stay. `callback` is called when the last has left and, where the HTTP
   * server is its own, that is closed; with an Error where it was closed already.
   */
  close(callback?: (error?: Error) => void): void {
    if (this._state === closed) {
      if (callback) this.once("close", (() => callback(new Error("The server is not running"))) as never);
      nextTick(() => this.#closed());
      return;
    }
    if (callback) this.once("close", callback as never);
    if (this._state === closing) return;
    this._state = closing;
    const own = this._server;
    this.#stopListening();
    if (own !== null && !this.options.server) {
      own.close(() => this.#closed());
    } else if (this.clients !== undefined && this.clients.size > 0) {
      this.#closesWithLast = true;
    } else {
      nextTick(() => this.#closed());
    }
  }

  #closed(): void {
    this._state = closed;
    this.#emit("close");
  }

  /** Whether a request is for this server; one that is not is answered with 400. May be overridden. */
  shouldHandle(request: InstanceType<Request>): boolean | Promise<boolean> {
    const { path } = this.options;
    if (!path) return true;
    const target = request.url ?? "";
    const query = target.indexOf("?");
    return (query === -1 ? target : target.slice(0, query)) === path;
  }

  /**
   * Answers an upgrade request: calls back with the WebSocket, or refuses it. Throws an Error for a socket that was
   * answered before.
   */
  handleUpgrade(
    request: InstanceType<Request>,
    socket: Duplex,
    head: Buffer,
    callback: (webSocket: InstanceType<Socket>, request: InstanceType<Request>) => void,
  ): void {
    socket.on("error", destroyBroken);
    const { headers } = request;
    const key = headers["sec-websocket-key"];
    const version = Number(headers["sec-websocket-version"]);
    const refuse = (status: number, message: string, fields?: OutgoingHttpHeaders) =>
      this.#refuseOrTell(request, socket, { status, message, headers: fields });
    if (request.method !== "GET") return refuse(405, "Invalid HTTP method");
    if (headers.upgrade?.toLowerCase() !== "websocket") return refuse(400, "Invalid Upgrade header");
    if (key === undefined || !handshakeKey.test(key)) {
      return refuse(400, "Missing or invalid Sec-WebSocket-Key header");
    }
    if (version !== 13 && version !== 8) {
      return refuse(400, "Missing or invalid Sec-WebSocket-Version header", { "Sec-WebSocket-Version": "13, 8" });
    }
    if (!this.shouldHandle(request)) return refuseWith(socket, { status: 400 });
    const protocols = readProtocols(headers["sec-websocket-protocol"]);
    if (protocols === undefined) return refuse(400, "Invalid Sec-WebSocket-Protocol header");
    const params = this.#acceptOffer(headers["sec-websocket-extensions"]);
    if (params === null) return refuse(400, "Invalid or unacceptable Sec-WebSocket-Extensions header");
    this.#verify({ key, protocols, params, request, socket, head, callback }, version);
  }

  /** The agreed parameters of permessage-deflate; undefined without it, null where the offer cannot be accepted. */
  #acceptOffer(field: string | undefined): DeflateParams | undefined | null {
    const { perMessageDeflate, maxPayload } = this.options;
    if (!perMessageDeflate || field === undefined) return undefined;
    try {
      const offers = extension.parse(field)[PerMessageDeflate.extensionName];
      if (offers === undefined) return undefined;
      const options = { ...(perMessageDeflate as PerMessageDeflateOptions), isServer: true, maxPayload };
      return new PerMessageDeflate(options).accept(offers);
    } catch {
      return null;
    }
  }

  #verify(admitted: Admitted<InstanceType<Socket>, InstanceType<Request>>, version: number): void {
    const { verifyClient } = this.options;
    if (!verifyClient) return this.#complete(admitted);
    const { request, socket } = admitted;
    const { authorized, encrypted } = request.socket as Partial<TLSSocket>;
    const origin = request.headers[version === 8 ? "sec-websocket-origin" : "origin"] as string;
    const info = { origin, secure: Boolean(authorized || encrypted), req: request };
    if (verifyClient.length !== 2) {
      const letIn = (verifyClient as VerifyClientCallbackSync<InstanceType<Request>>)(info);
      return letIn ? this.#complete(admitted) : refuseWith(socket, { status: 401 });
    }
    verifyClient(info, (result, code, message, headers) => {
      if (result) this.#complete(admitted);
      else refuseWith(socket, { status: code || 401, message, headers });
    });
  }

  #complete(admitted: Admitted<InstanceType<Socket>, InstanceType<Request>>): void {
    const { key, protocols, params, request, socket, head, callback: cb } = admitted;
    if (!socket.readable || !socket.writable) return void socket.destroy();
    if (isOwned(socket)) {
      throw new Error(
        "server.handleUpgrade() was called more than once with the same socket, possibly due to a misconfiguration",
      );
    }
    if (this._state !== running) return refuseWith(socket, { status: 503 });
    const { WebSocket: SocketClass, handleProtocols } = this.options;
    const headers = [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${secWebSocketAccept(key)}`,
    ];
    const webSocket = new SocketClass(null, undefined, this.options) as InstanceType<Socket>;
    if (protocols.size > 0) {
      const chosen = handleProtocols ? handleProtocols(protocols, request) : [...protocols][0];
      if (chosen) {
        headers.push(`Sec-WebSocket-Protocol: ${chosen}`);
        webSocket._protocol = chosen;
      }
    }
    if (params !== undefined) {
      const name = PerMessageDeflate.extensionName;
      headers.push(`Sec-WebSocket-Extensions: ${extension.format({ [name]: { ...params } })}`);
      webSocket._extensions = { [name]: params };
    }
    this.#emit("headers", headers, request);
    socket.write(`${headers.join("\r\n")}\r\n\r\n`);
    webSocket.setSocket(socket, head, this.options);
    socket.removeListener("error", destroyBroken);
    if (this.clients !== undefined) this.#track(webSocket);
    // Named as in ws: whoever forgets it reads "cb is not a function".
    cb(webSocket, request);
  }

  #track(webSocket: InstanceType<Socket>): void {
    this.clients.add(webSocket);
    webSocket.on("close", () => {
      this.clients.delete(webSocket);
      if (this.#closesWithLast && this.clients.size === 0) nextTick(() => this.#closed());
    });
  }

  /** Refuses a handshake that breaks a rule, or leaves that to the listeners of `wsClientError`. */
  #refuseOrTell(request: InstanceType<Request>, socket: Duplex, refusal: Refusal): void {
    if (this.listenerCount("wsClientError") > 0) {
      this.#emit("wsClientError", new Error(refusal.message), socket, request);
    } else {
      refuseWith(socket, refusal);
    }
  }
}

const defaults: ServerOptions = {
  allowSynchronousEvents: true,
  autoPong: true,
  closeTimeout: defaultCloseTimeout,
  maxPayload: defaultMaxPayload,
  skipUTF8Validation: false,
  perMessageDeflate: false,
  handleProtocols: null,
  clientTracking: true,
  verifyClient: null,
  noServer: false,
  backlog: null,
  server: null,
  host: null,
  path: null,
  port: null,
};

function readProtocols(field: string | undefined): Set<string> | undefined {
  try {
    return field === undefined ? new Set() : subprotocol.parse(field);
  } catch {
    return undefined;
  }
}

/** A request that is no upgrade. */
function refusePlain(_request: IncomingMessage, response: import("node:http").ServerResponse): void {
  const body = STATUS_CODES[426]!;
  response.writeHead(426, { "Content-Length": body.length, "Content-Type": "text/plain" }).end(body);
}

function destroyBroken(this: Duplex): void {
  this.destroy();
}

/** Answers with a status and ends the socket. */
function refuseWith(socket: Duplex, { status, message: words, headers }: Refusal): void {
  const message = words || (STATUS_CODES[status] ?? "");
  const fields = {
    Connection: "close",
    "Content-Type": "text/html",
    "Content-Length": Buffer.byteLength(message),
    ...headers,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  socket.once("finish", socket.destroy);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("\r\n")}\r\n\r\n${message}`);
}
