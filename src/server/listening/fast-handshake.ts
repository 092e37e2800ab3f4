/**
 * Fast handshakes: the first bytes of each accepted socket are read before `node:http` sees it; over TLS, those that are
 * decrypted first.
 *
 * A regular opening handshake is answered without the cost of an HTTP parser and a request. Every other socket is
 * handed over with its bytes as they came. A silent socket is handed over after a second at most, so that the timeouts
 * of `node:http` hold for it (fault C05).
 */

import type { Buffer } from "node:buffer";
import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { ServerLimits } from "../../connection/options/limits.ts";
import { ignoreError } from "../../transport/ignore-error.ts";
import { readCopies } from "../../transport/streams/shared-reads.ts";
import { type Opening, StreamOpening } from "../handshake/opening.ts";
import { type RequestHead, readRequestHead } from "../handshake/request-head.ts";
import { AcceptedHandles } from "./accepted-handles.ts";
import { SilentPeers } from "./silent-peers.ts";

/** The server that answers fast handshakes. */
export interface FastHandshakeServer {
  /**
   * Opens a connection for a head. Returns false, with the opening untouched, where `node:http` is to read the request.
   */
  takeHead(head: RequestHead, opening: Opening): boolean;
}

/** How the first bytes are looked at. */
export interface FastHandshakeOptions extends Pick<ServerLimits, "handshakeTimeout" | "maxHeaderSize"> {
  /** Whether handles may be taken before Node makes sockets of them. */
  readonly bareHandles: boolean;
}

/** Whether `node:http` may read what comes next before what was put back, as on Deno (tried with 2.9). */
const parserReadsAhead = process.versions.deno !== undefined;

/** The event by which an HTTP server gives its own listener a socket: over TLS, one whose TLS handshake is done. */
function socketEvent(http: HttpServer): "connection" | "secureConnection" {
  return http instanceof TlsServer ? "secureConnection" : "connection";
}

function destroyThis(this: Socket): void {
  this.destroy();
}

/** The sockets of one HTTP server that have sent nothing yet. */
class SilentSockets {
  readonly #http: HttpServer;
  readonly #event: ReturnType<typeof socketEvent>;
  readonly #encrypted: boolean;
  /** Whether `node:http` gets sockets that stay open behind the peer's end: by default not over TLS. */
  readonly #halfOpen: boolean;
  readonly #server: FastHandshakeServer;
  /** The listener of `node:http`. */
  readonly #serve: (socket: Socket) => void;
  readonly #maxHeaderSize: number;
  readonly #silent: SilentPeers<Socket>;
  readonly #handles: AcceptedHandles | undefined;
  readonly #onConnection = (socket: Socket): void => this.#wait(socket);
  readonly #onData: (this: Socket, chunk: Buffer) => void;

  constructor(
    http: HttpServer,
    serve: (socket: Socket) => void,
    server: FastHandshakeServer,
    { handshakeTimeout, maxHeaderSize, bareHandles }: FastHandshakeOptions,
  ) {
    this.#http = http;
    this.#event = socketEvent(http);
    this.#encrypted = this.#event === "secureConnection";
    this.#halfOpen = (http as { readonly allowHalfOpen?: boolean }).allowHalfOpen ?? true;
    this.#server = server;
    this.#serve = serve;
    this.#maxHeaderSize = maxHeaderSize;
    this.#silent = new SilentPeers(handshakeTimeout, (socket) => this.#handOver(socket));
    const read = (socket: Socket, chunk: Buffer): void => this.#read(socket, chunk);
    this.#onData = function (chunk) {
      read(this, chunk);
    };
    if (bareHandles) {
      this.#handles = new AcceptedHandles(http, {
        handshakeTimeout,
        take: (chunk, length, opening) => this.#take(chunk, length, opening),
      });
    }
    http.off(this.#event, serve);
    http.on(this.#event, this.#onConnection);
  }

  /** The listener of `node:http`. */
  get serve(): (socket: Socket) => void {
    return this.#serve;
  }

  /** Hands all sockets over, and each later one as soon as it is accepted. */
  stop(): void {
    this.#handles?.stop();
    this.#http.off(this.#event, this.#onConnection);
    this.#http.on(this.#event, this.#serve);
    for (const socket of this.#silent.takeAll()) this.#handOver(socket);
  }

  #wait(socket: Socket): void {
    const given = this.#handles?.takeGiven();
    if (given !== undefined) {
      readCopies(socket);
      return this.#give(socket, given.chunk);
    }
    // A peer that ends instead of asking is answered with an end.
    socket.allowHalfOpen = false;
    socket.on("error", ignoreError);
    // What breaks TLS before anything was decrypted is an error that leaves the socket open.
    if (this.#encrypted) socket.on("error", destroyThis);
    socket.on("data", this.#onData);
    this.#silent.add(socket);
  }

  #read(socket: Socket, chunk: Buffer): void {
    this.#release(socket);
    if (!this.#take(chunk, chunk.length, new StreamOpening(socket, true))) this.#handOver(socket, chunk);
  }

  #take(chunk: Buffer, length: number, opening: Opening): boolean {
    const head = readRequestHead(chunk, length, this.#maxHeaderSize);
    return head !== undefined && this.#server.takeHead(head, opening);
  }

  #release(socket: Socket): void {
    this.#silent.delete(socket);
    socket.off("data", this.#onData);
    if (this.#encrypted) socket.off("error", destroyThis);
    socket.allowHalfOpen = this.#halfOpen;
  }

  #handOver(socket: Socket, chunk?: Buffer): void {
    this.#release(socket);
    if (socket.destroyed || socket.writableEnded) return;
    this.#give(socket, chunk);
    socket.off("error", ignoreError);
  }

  /** Gives `node:http` a socket of which this was read. */
  #give(socket: Socket, chunk: Buffer | undefined): void {
    // `node:http` starts to read only where it finds a socket that is not being read.
    socket.pause();
    if (chunk && !parserReadsAhead) socket.unshift(chunk);
    this.#serve.call(this.#http, socket);
    if (chunk && parserReadsAhead) socket.emit("data", chunk);
    socket.resume();
  }
}

const silentSockets = new WeakMap<HttpServer, SilentSockets>();

/**
 * Lets `server` answer regular opening handshakes that come to an HTTP server of our own.
 *
 * Changes nothing where the runtime serves connections in another way than by one listener, which can be put off.
 */
export function enableFastHandshakes(
  http: HttpServer,
  server: FastHandshakeServer,
  options: FastHandshakeOptions,
): void {
  const [serve, ...others] = http.listeners(socketEvent(http));
  if (serve === undefined || others.length > 0) return;
  silentSockets.set(http, new SilentSockets(http, serve as (socket: Socket) => void, server, options));
}

/** Ends the fast handshakes of an HTTP server: `node:http` reads every request from now on. */
export function disableFastHandshakes(http: HttpServer): void {
  silentSockets.get(http)?.stop();
}

/**
 * The listener by which `node:http` serves an accepted socket; other listeners of the event are told of a socket once.
 */
export function nodeListener(http: HttpServer): (socket: Socket) => void {
  const event = socketEvent(http);
  const serve =
    silentSockets.get(http)?.serve ?? http.listeners(event).find(({ name }) => name === "connectionListener");
  return serve ? (serve.bind(http) as (socket: Socket) => void) : (socket) => void http.emit(event, socket);
}
