/**
 * The stream under a connection, before a byte of WebSocket: a Unix domain socket or what the caller makes, and TLS.
 *
 * Streams keep their writing side when the peer ends (`allowHalfOpen`), so that a server's Close is answered although its
 * end came with it.
 */

import { type LookupAddress, lookup } from "node:dns";
import { isIP, connect as netConnect, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket, connect as tlsConnect } from "node:tls";
import { HandshakeError, type HandshakeRule } from "../../protocol/handshake/handshake-error.ts";
import type { DialTarget, TlsOptions } from "../connect-options.ts";
import type { Attempt } from "./pending-handshake.ts";
import { isLocalhost, withoutRootDot } from "./url.ts";

/** The addresses of a host, in the order in which to try them; an IP address is its own. */
export function addressesOf(attempt: Attempt, host: string): Promise<LookupAddress[]> {
  const family = isIP(host);
  if (family !== 0) return Promise.resolve([{ address: host, family }]);
  attempt.step = `the address of ${host}`;
  // RFC 6761 section 6.3: these names never ask a server, and few resolvers know them with their dot.
  const name = isLocalhost(host) ? withoutRootDot(host) : host;
  return attempt.until(
    new Promise((resolve, reject) => {
      lookup(name, { all: true }, (error, addresses) => {
        if (error) reject(failed("connection-failed", error));
        else resolve(addresses);
      });
    }),
  );
}

/** Connects to a Unix domain socket or a Windows pipe. */
export async function dialPath(attempt: Attempt, path: string): Promise<Socket> {
  const socket = netConnect({ path, allowHalfOpen: true });
  attempt.own(socket);
  attempt.step = "the connection";
  await attempt.until(arrival(socket, "connect", "connection-failed"));
  return socket;
}

/** Takes the stream that the caller makes, once it is connected; one that comes too late is destroyed. */
export async function dialCustom(
  attempt: Attempt,
  createConnection: (target: DialTarget) => Duplex | Promise<Duplex>,
  target: Omit<DialTarget, "signal">,
): Promise<Duplex> {
  attempt.step = "the stream of createConnection";
  const made = (async () => {
    const stream = await createConnection({ ...target, signal: attempt.signal });
    attempt.own(stream);
    (stream as { allowHalfOpen: boolean }).allowHalfOpen = true;
    return stream;
  })();
  const stream = await attempt.until(made.catch((error) => Promise.reject(failed("connection-failed", error))));
  if (stream instanceof Socket) stream.setNoDelay(true);
  if (stream instanceof TLSSocket) {
    // Node's own name for "the TLS handshake is not over", which its types leave out.
    const { secureConnecting } = stream as { secureConnecting?: boolean };
    if (secureConnecting) await attempt.until(arrival(stream, "secureConnect", "tls-failed"));
  } else if (stream instanceof Socket && stream.connecting) {
    await attempt.until(arrival(stream, "connect", "connection-failed"));
  }
  return stream;
}

/** Begins TLS over a stream and checks that the certificate is the host's (R6455-4.1-7, R6455-4.1-8; fault C13). */
export async function secure(
  attempt: Attempt,
  stream: Duplex,
  host: string,
  options: TlsOptions = {},
): Promise<TLSSocket> {
  const socket = tlsConnect({
    ...options,
    socket: stream,
    host,
    // Server names are not for IP addresses and have no dot at their end (RFC 6066 section 3).
    servername: options.servername ?? (isIP(host) === 0 ? withoutRootDot(host) : ""),
    ALPNProtocols: ["http/1.1"],
  });
  attempt.own(socket);
  attempt.step = "the TLS handshake";
  await attempt.until(arrival(socket, "secureConnect", "tls-failed"));
  return socket;
}

/** A failure of the transport as the error of a rule; `status` where a response had one. */
export function failed(rule: HandshakeRule, cause: unknown, status?: number): HandshakeError {
  // Several addresses that fail give an AggregateError without a message.
  const errors: readonly unknown[] = (cause as Partial<AggregateError>).errors ?? [cause];
  const detail = [...new Set(errors.map(inWords))].filter((words) => words !== "").join("; ");
  return new HandshakeError(rule, { cause, ...(detail && { detail }), ...(status !== undefined && { status }) });
}

/** What the system or OpenSSL says, and what it means where its words do not say that. */
function inWords(error: unknown): string {
  const { message = "", code = "", reason, address, port, hostname } = error as SystemError;
  const place = port === undefined ? address : `${address?.includes(":") ? `[${address}]` : address}:${port}`;
  if (code === "ECONNREFUSED" && place !== undefined) return `nothing listens at ${place} (${code})`;
  if (code === "ENOENT" && place !== undefined) return `there is no socket at ${place} (${code})`;
  if (code === "ENOTFOUND") return `there is no address of the name ${hostname} (${code})`;
  if (notTls.has(code)) return `the answer is not TLS; perhaps the URL has to begin with ws: (${reason ?? code})`;
  if (untrusted.has(code)) return `${message}; tls: { ca } says whom to trust (${code})`;
  // OpenSSL's own message is full of addresses and files of its source.
  return (code.startsWith("ERR_SSL_") && reason) || message || code;
}

interface SystemError extends NodeJS.ErrnoException {
  readonly reason?: string;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

/** What OpenSSL makes of an answer in HTTP, by its version. */
const notTls: ReadonlySet<string> = new Set([
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_SSL_PACKET_LENGTH_TOO_LONG",
  "ERR_SSL_RECORD_LAYER_FAILURE",
]);

const untrusted: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** Resolves with the event; rejects when the stream breaks or is closed before. */
export function arrival(stream: Duplex, event: "connect" | "secureConnect", rule: HandshakeRule): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      stream.off(event, arrived).off("error", broke).off("close", closed);
      then();
    };
    const arrived = () => settle(resolve);
    const broke = (error: Error) => settle(() => reject(failed(rule, error)));
    const closed = () => settle(() => reject(new HandshakeError(rule, { detail: "the connection was closed" })));
    stream.on(event, arrived).on("error", broke).on("close", closed);
    if (stream.destroyed) closed();
  });
}
