/**
 * Whose connections trusted proxies pass on, as the headers of the PROXY protocol said: kept by the transport, beside the
 * sockets of Node, whose own `remoteAddress` stays that of the proxy.
 */

import type { Socket } from "node:net";

/** Why a connection through such a proxy is ended before it is one. */
export type ProxyProblem = "untrusted-proxy" | "malformed-proxy-header" | "proxy-header-too-slow";

const addresses = new WeakMap<object, string>();

/** Keeps the address that a header gave. */
export function noteAddress(socket: Socket, address: string): void {
  addresses.set(socket, address);
}

/** The address that was given for a socket, or for the transport under its TLS; undefined where none was. */
export function proxiedAddress(socket: object): string | undefined {
  return addresses.get(socket) ?? addresses.get((socket as { readonly _parent?: object | null })._parent ?? socket);
}
