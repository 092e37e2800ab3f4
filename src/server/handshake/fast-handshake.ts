/**
 * Fast handshakes: the first bytes of each accepted socket are read before `node:http` sees it.
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
import { type RequestHead, readRequestHead } from "./request-head.ts";

/** The server that answers fast handshakes. */
export interface FastHandshakeServer {
  /**
   * Opens a connection for a head. Returns false, with the socket untouched, where `node:http` is to read the request.
   */
  takeHead(head: RequestHead, socket: Socket): boolean;
}

type HeadLimits = Pick<ServerLimits, "handshakeTimeout" | "maxHeaderSize">;

/** A silent socket is handed over after this time at the earliest, and after twice this time at the latest. */
const sweepInterval = 500;

/** The sockets of one HTTP server that have sent nothing yet. */
class SilentSockets {
  readonly #http: HttpServer;
  readonly #server: FastHandshakeServer;
  /** The listener of `node:http`. */
  readonly #serve: (socket: Socket) => void;
  readonly #interval: number;
  readonly #maxHeaderSize: number;
  /** Runs while sockets are silent. */
  #timer: NodeJS.Timeout | undefined;
  /** The sockets accepted since the last sweep. */
  #young = new Set<Socket>();
  /** The sockets that were silent at the last sweep; the next one hands them over. */
  #old = new Set<Socket>();
  readonly #onConnection = (socket: Socket): void => this.#wait(socket);
  readonly #onData: (this: Socket, chunk: Buffer) => void;

  constructor(http: HttpServer, serve: (socket: Socket) => void, server: FastHandshakeServer, limits: HeadLimits) {
    this.#http = http;
    this.#server = server;
    this.#serve = serve;
    this.#interval = Math.min(sweepInterval, limits.handshakeTimeout);
    this.#maxHeaderSize = limits.maxHeaderSize;
    const read = (socket: Socket, chunk: Buffer): void => this.#read(socket, chunk);
    this.#onData = function (chunk) {
      read(this, chunk);
    };
    http.off("connection", serve);
    http.on("connection", this.#onConnection);
  }

  /** The listener of `node:http`. */
  get serve(): (socket: Socket) => void {
    return this.#serve;
  }

  /** Hands all sockets over, and each later one as soon as it is accepted. */
  stop(): void {
    this.#http.off("connection", this.#onConnection);
    this.#http.on("connection", this.#serve);
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const socket of [...this.#old, ...this.#young]) this.#handOver(socket);
  }

  #wait(socket: Socket): void {
    // A peer that ends instead of asking is answered with an end.
    socket.allowHalfOpen = false;
    socket.on("error", ignoreError);
    socket.on("data", this.#onData);
    this.#young.add(socket);
    this.#timer ??= setInterval(() => this.#sweep(), this.#interval).unref();
  }

  #read(socket: Socket, chunk: Buffer): void {
    this.#release(socket);
    const head = readRequestHead(chunk, this.#maxHeaderSize);
    if (head === undefined || !this.#server.takeHead(head, socket)) this.#handOver(socket, chunk);
    else socket.off("error", ignoreError);
  }

  #release(socket: Socket): void {
    if (!this.#young.delete(socket)) this.#old.delete(socket);
    socket.off("data", this.#onData);
    socket.allowHalfOpen = true;
  }

  #handOver(socket: Socket, chunk?: Buffer): void {
    this.#release(socket);
    if (socket.destroyed || socket.writableEnded) return;
    // `node:http` starts to read only where it finds a socket that is not being read.
    socket.pause();
    if (chunk) socket.unshift(chunk);
    this.#serve.call(this.#http, socket);
    socket.off("error", ignoreError);
    socket.resume();
  }

  #sweep(): void {
    const due = this.#old;
    this.#old = this.#young;
    this.#young = new Set();
    for (const socket of due) this.#handOver(socket);
    if (this.#old.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

const silentSockets = new WeakMap<HttpServer, SilentSockets>();

/**
 * Lets `server` answer regular opening handshakes that come to an HTTP server of our own.
 *
 * Changes nothing where the runtime serves connections in another way than by one listener, which can be put off.
 */
export function enableFastHandshakes(http: HttpServer, server: FastHandshakeServer, limits: HeadLimits): void {
  const [serve, ...others] = http.listeners("connection");
  if (serve === undefined || others.length > 0) return;
  silentSockets.set(http, new SilentSockets(http, serve as (socket: Socket) => void, server, limits));
}

/** Ends the fast handshakes of an HTTP server: `node:http` reads every request from now on. */
export function disableFastHandshakes(http: HttpServer): void {
  silentSockets.get(http)?.stop();
}

/**
 * The listener by which `node:http` serves an accepted socket; other listeners of the event are told of a socket once.
 */
export function nodeListener(http: HttpServer): (socket: Socket) => void {
  const event = http instanceof TlsServer ? "secureConnection" : "connection";
  const serve =
    silentSockets.get(http)?.serve ?? http.listeners(event).find(({ name }) => name === "connectionListener");
  return serve ? (serve.bind(http) as (socket: Socket) => void) : (socket) => void http.emit(event, socket);
}
