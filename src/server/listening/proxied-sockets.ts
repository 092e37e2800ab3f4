/**
 * Takes the header of the PROXY protocol off the sockets of an own listener, before `node:http` or TLS sees a byte.
 *
 * With the option, every connection has to come from a trusted proxy and begin with a header: the protocol forbids to
 * guess whether there is one (fault C20). Any other connection is ended without an answer.
 */

import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import { ignoreError } from "../../transport/ignore-error.ts";
import { noteProxiedAddress, type ProxyTrust } from "../handshake/client-address.ts";
import type { ProxyProblem } from "../handshake/refused.ts";
import { longestProxyHeader, readProxyHeader } from "./proxy-header.ts";

/** The options of `readProxyHeaders`. */
export interface ProxyHeaderOptions {
  /** The proxies that are believed. */
  readonly trust: ProxyTrust;
  /** The longest time that a header may take, in milliseconds. */
  readonly timeout: number;
  /** Called with a connection before it is ended. */
  refused(socket: Socket, problem: ProxyProblem): void;
}

/** The sockets of each listener whose header has not come yet. */
const waiting = new WeakMap<HttpServer, Set<Socket>>();

/** Reads headers before the other `connection` listeners are called; they get each socket once its header was read. */
export function readProxyHeaders(http: HttpServer, options: ProxyHeaderOptions): void {
  const listeners = http.listeners("connection") as ((socket: Socket) => void)[];
  const sockets = new Set<Socket>();
  waiting.set(http, sockets);
  http.removeAllListeners("connection");
  http.on("connection", (socket: Socket) => {
    // A socket that was reset already, as by health checks, has no address any more.
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
      // The next listener starts to read only where it finds a socket that is not being read.
      socket.pause();
      if (rest.length > 0) socket.unshift(rest);
      for (const listener of listeners) listener.call(http, socket);
      socket.off("error", ignoreError);
      // TLS takes the bytes that were read, and reads the transport by itself.
      if (!(http instanceof TlsServer)) socket.resume();
    });
  });
}

/** Destroys the sockets of a listener whose header has not come yet. */
export function destroyUnread(http: HttpServer): void {
  for (const socket of waiting.get(http) ?? []) socket.destroy();
}

/** Calls `done` with the bytes behind the header, or with undefined when the socket was ended. */
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
    if (header.address !== undefined) noteProxiedAddress(socket, header.address);
    finish(bytes.subarray(header.length));
  };
  const timer = setTimeout(() => refuse("proxy-header-too-slow"), options.timeout);
  socket.on("error", ignoreError);
  socket.on("data", look).on("end", leave).on("close", leave);
}
