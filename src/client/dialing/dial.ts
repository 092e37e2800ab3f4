/**
 * The stream under a connection to a server or a proxy: its addresses, a Unix domain socket, or what the caller makes.
 *
 * Streams keep their writing side when the peer ends (`allowHalfOpen`), so that a server's Close is answered although
 * its end came with it.
 */

import { type LookupAddress, lookup } from "node:dns";
import { isIP, connect as netConnect, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { describe } from "../../protocol/check-options.ts";
import { arrival, failed } from "./failure.ts";
import type { PendingHandshake } from "./pending-handshake.ts";
import { isLocalhost, withoutRootDot } from "./url.ts";

/** The place to which the stream of `createConnection` shall lead: the server, or the proxy. */
export interface DialTarget {
  /** A host name or an IP address, without brackets. */
  readonly host: string;
  /** The TCP port. */
  readonly port: number;
  /** Whether the stream shall be encrypted: a returned `TLSSocket` is taken as it is, over others TLS is begun. */
  readonly secure: boolean;
  /** Aborts when the handshake is given up; a stream that is returned later is destroyed. */
  readonly signal: AbortSignal;
}

/** The addresses of a host, in the order in which to try them; an IP address stands for itself. */
export function addressesOf(handshake: PendingHandshake, host: string): Promise<LookupAddress[]> {
  const family = isIP(host);
  if (family !== 0) return Promise.resolve([{ address: host, family }]);
  handshake.step = `the address of ${host}`;
  // RFC 6761 section 6.3: these names never ask a server, and few resolvers know them with their dot.
  const name = isLocalhost(host) ? withoutRootDot(host) : host;
  return handshake.until(
    new Promise((resolve, reject) => {
      lookup(name, { all: true }, (error, addresses) => {
        if (error) reject(failed("connection-failed", error));
        else resolve(addresses);
      });
    }),
  );
}

/** Connects to a Unix domain socket or a Windows pipe, and resolves with the connected socket. */
export async function dialPath(handshake: PendingHandshake, path: string): Promise<Socket> {
  const socket = netConnect({ path, allowHalfOpen: true });
  handshake.own(socket);
  handshake.step = "the connection";
  await handshake.until(arrival(socket, "connect", "connection-failed"));
  return socket;
}

/** Resolves with the stream that the caller makes, once it is connected; a stream that comes too late is destroyed. */
export async function dialCustom(
  handshake: PendingHandshake,
  createConnection: (target: DialTarget) => Duplex | Promise<Duplex>,
  target: Omit<DialTarget, "signal">,
): Promise<Duplex> {
  handshake.step = "the stream of createConnection";
  const made = (async () => {
    const stream = await createConnection({ ...target, signal: handshake.signal });
    requireStream(stream);
    handshake.own(stream);
    (stream as { allowHalfOpen: boolean }).allowHalfOpen = true;
    return stream;
  })();
  const stream = await handshake.until(made.catch((error) => Promise.reject(failed("connection-failed", error))));
  if (stream instanceof Socket) stream.setNoDelay(true);
  if (stream instanceof TLSSocket) {
    // Node's own name for "the TLS handshake is not over", which its types leave out.
    const { secureConnecting } = stream as { secureConnecting?: boolean };
    if (secureConnecting) await handshake.until(arrival(stream, "secureConnect", "tls-failed"));
  } else if (stream instanceof Socket && stream.connecting) {
    await handshake.until(arrival(stream, "connect", "connection-failed"));
  }
  return stream;
}

/** Throws a TypeError for what is no stream. */
function requireStream(stream: Partial<Duplex> | undefined): void {
  if (typeof stream?.on === "function" && typeof stream.read === "function" && typeof stream.write === "function")
    return;
  throw new TypeError(`createConnection has to return a Duplex stream, or a promise of one, not ${describe(stream)}`);
}
