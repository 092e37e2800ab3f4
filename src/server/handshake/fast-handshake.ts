/**
 * Looks at the first bytes of each accepted socket before `node:http` does: a regular opening handshake is answered
 * without the cost of an HTTP parser and a request; every other socket is handed over with its bytes as they came.
 *
 * A socket that is silent is handed over too, soon, so that the timeouts of `node:http` hold for it (fault C05).
 */

import type { Buffer } from "node:buffer";
import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { ServerLimits } from "../../connection/limits.ts";
import { ignoreError } from "./refuse.ts";
import { type RequestHead, readRequestHead } from "./request-head.ts";

/** A server as the first look sees it. */
export interface FirstTaker {
  /** Opens a connection for a head; false, and the socket untouched, where `node:http` is to see it. */
  takeHead(head: RequestHead, socket: Socket): boolean;
}

type HeadLimits = Pick<ServerLimits, "handshakeTimeout" | "maxHeaderSize">;

/** How long a silent socket is kept from `node:http`, in milliseconds: at most twice this. */
const longestLook = 500;

/** The sockets of one HTTP server that have sent nothing yet. */
class FirstLook {
  readonly #http: HttpServer;
  readonly #taker: FirstTaker;
  /** The listener of `node:http`. */
  readonly #serve: (socket: Socket) => void;
  readonly #interval: number;
  readonly #maxHeaderSize: number;
  #timer: NodeJS.Timeout | undefined;
  #young = new Set<Socket>();
  #old = new Set<Socket>();
  readonly #onConnection = (socket: Socket): void => this.#wait(socket);
  readonly #onData: (this: Socket, chunk: Buffer) => void;

  constructor(http: HttpServer, serve: (socket: Socket) => void, taker: FirstTaker, limits: HeadLimits) {
    this.#http = http;
    this.#taker = taker;
    this.#serve = serve;
    this.#interval = Math.min(longestLook, limits.handshakeTimeout);
    this.#maxHeaderSize = limits.maxHeaderSize;
    const look = (socket: Socket, chunk: Buffer): void => this.#look(socket, chunk);
    this.#onData = function (chunk) {
      look(this, chunk);
    };
    http.off("connection", serve);
    http.on("connection", this.#onConnection);
  }

  /** The listener of `node:http`. */
  get serve(): (socket: Socket) => void {
    return this.#serve;
  }

  /** Hands over all sockets, and from now on each at once. */
  stop(): void {
    this.#http.off("connection", this.#onConnection);
    this.#http.on("connection", this.#serve);
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const socket of [...this.#old, ...this.#young]) this.#handOver(socket);
  }

  #wait(socket: Socket): void {
    // An end instead of a request is answered with one.
    socket.allowHalfOpen = false;
    socket.on("error", ignoreError);
    socket.on("data", this.#onData);
    this.#young.add(socket);
    this.#timer ??= setInterval(() => this.#sweep(), this.#interval).unref();
  }

  #look(socket: Socket, chunk: Buffer): void {
    this.#release(socket);
    const head = readRequestHead(chunk, this.#maxHeaderSize);
    if (head === undefined || !this.#taker.takeHead(head, socket)) this.#handOver(socket, chunk);
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
    // `node:http` begins to read where it finds a socket that nobody has begun to read.
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

const looks = new WeakMap<HttpServer, FirstLook>();

/**
 * Lets `taker` see the heads that come to an HTTP server of ours; nothing changes where the runtime does not serve
 * connections by one listener that can be put off. The limits are the server's.
 */
export function lookFirst(http: HttpServer, taker: FirstTaker, limits: HeadLimits): void {
  const [serve, ...others] = http.listeners("connection");
  if (serve === undefined || others.length > 0) return;
  looks.set(http, new FirstLook(http, serve as (socket: Socket) => void, taker, limits));
}

/** What `node:http` does with a socket that was accepted; any other listener hears of a socket only once. */
export function nodeListener(http: HttpServer): (socket: Socket) => void {
  const event = http instanceof TlsServer ? "secureConnection" : "connection";
  const serve = looks.get(http)?.serve ?? http.listeners(event).find(({ name }) => name === "connectionListener");
  return serve ? (serve.bind(http) as (socket: Socket) => void) : (socket) => void http.emit(event, socket);
}

/** Hands over all sockets that wait, and from now on each at once. */
export function endFirstLook(http: HttpServer): void {
  looks.get(http)?.stop();
}
