/**
 * TLS over the stream to a server or a proxy.
 */

import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { type TLSSocket, type ConnectionOptions as TlsConnectionOptions, connect as tlsConnect } from "node:tls";
import { describe } from "../../protocol/check-options.ts";
import { arrival } from "./failure.ts";
import type { PendingHandshake } from "./pending-handshake.ts";
import { withoutRootDot } from "./url.ts";

/** The options of TLS that a client may set: those of `tls.connect` of Node that do not say where to connect. */
export type TlsOptions = Omit<
  TlsConnectionOptions,
  "allowHalfOpen" | "ALPNProtocols" | "host" | "lookup" | "path" | "port" | "socket" | "timeout"
>;

/** Begins TLS over a stream, and checks that the certificate is the host's (R6455-4.1-7, R6455-4.1-8; fault C13). */
export async function secure(
  handshake: PendingHandshake,
  stream: Duplex,
  host: string,
  options: TlsOptions = {},
): Promise<TLSSocket> {
  const { checkServerIdentity: check } = options;
  const socket = tlsConnect({
    ...options,
    ...(check && { checkServerIdentity: (...told) => orThrown(() => check(...told)) }),
    socket: stream,
    host,
    // Server names are not for IP addresses and have no dot at their end (RFC 6066 section 3).
    servername: options.servername ?? (isIP(host) === 0 ? withoutRootDot(host) : ""),
    ALPNProtocols: ["http/1.1"],
  });
  handshake.own(socket);
  handshake.step = "the TLS handshake";
  await handshake.until(arrival(socket, "secureConnect", "tls-failed"));
  return socket;
}

/** What is thrown within TLS would be nobody's, and end the process: it counts as an error that is returned. */
function orThrown(call: () => Error | undefined): Error | undefined {
  try {
    return call();
  } catch (thrown) {
    return thrown instanceof Error ? thrown : new Error(`checkServerIdentity threw ${describe(thrown)}`);
  }
}
