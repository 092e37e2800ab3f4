/**
 * Takes the header of the PROXY protocol off the sockets of a listener of ours, before `node:http` or TLS sees a byte.
 *
 * Where it is asked for, every connection has to come from a trusted proxy and begin with a header, since the protocol does
 * not allow to guess (fault C20). Any other is ended without an answer: it would be the proxy's word that is missing.
 */

import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { ProxyTrust } from "../handshake/client-address.ts";
import { noteAddress, type ProxyProblem } from "../handshake/proxied-address.ts";
import { ignoreError } from "../handshake/refuse.ts";
import { longestProxyHeader, readProxyHeader } from "./proxy-header.ts";

/** What the reader is told. */
export interface ProxyHeaderOptions {
  /** Which proxies are believed. */
  readonly trust: ProxyTrust;
  /** How long a header may take, in milliseconds. */
  readonly timeout: number;
  /** Hears of a connection before it is ended. */
  refused(socket: Socket, problem: ProxyProblem): void;
}

/** The sockets of a listener whose header has not come. */
const waiting = new WeakMap<HttpServer, Set<Socket>>();

/** Puts itself before all who listen for connections; they hear of each when its header was read. */
export function readProxyHeaders(http: HttpServer, options: ProxyHeaderOptions): void {
  const listeners = http.listeners("connection") as ((socket: Socket) => void)[];
  const sockets = new Set<Socket>();
  waiting.set(http, sockets);
  http.removeAllListeners("connection");
  http.on("connection", (socket: Socket) => {
    // One that was reset already, as by health checks, has no address any more.
    const { remoteAddress } = socket;
    if (!options.trust(remoteAddress, 0)) {
      if (remoteAddress !== undefined) options.refused(socket, "untrusted-proxy");
      socket.destroy();
      return;
    }
    sockets.add(socket);
    awaitHeader(socket, options, (rest) => {
      sockets.delete(socket);
      if (rest === undefined) return;
      // Whoever is next begins to read where it finds a socket that nobody has begun to read.
      socket.pause();
      if (rest.length > 0) socket.unshift(rest);
      for (const listener of listeners) listener.call(http, socket);
      socket.off("error", ignoreError);
      // TLS takes what was read, and reads the transport by itself.
      if (!(http instanceof TlsServer)) socket.resume();
    });
  });
}

/** Ends the sockets whose header has not come. */
export function destroyUnread(http: HttpServer): void {
  for (const socket of waiting.get(http) ?? []) socket.destroy();
}

/** Calls `done` with what came behind the header, or with undefined when the socket was ended. */
function awaitHeader(socket: Socket, options: ProxyHeaderOptions, done: (rest: Buffer | undefined) => void): void {
  let bytes: Buffer = Buffer.alloc(0);
  const finish = (rest: Buffer | undefined): void => {
    clearTimeout(timer);
    socket.off("data", look).off("end", leave).off("close", leave);
    if (rest === undefined) socket.destroy();
    done(rest);
  };
  const refuse = (problem: ProxyProblem): void => {
    options.refused(socket, problem);
    finish(undefined);
  };
  const leave = (): void => (bytes.length > 0 ? refuse("malformed-proxy-header") : finish(undefined));
  const look = (chunk: Buffer): void => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const header = readProxyHeader(bytes.subarray(0, longestProxyHeader));
    if (header === "incomplete") return;
    if (header === "malformed") return refuse("malformed-proxy-header");
    if (header.address !== undefined) noteAddress(socket, header.address);
    finish(bytes.subarray(header.length));
  };
  const timer = setTimeout(() => refuse("proxy-header-too-slow"), options.timeout);
  socket.on("error", ignoreError);
  socket.on("data", look).on("end", leave).on("close", leave);
}
