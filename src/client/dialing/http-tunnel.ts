/**
 * A tunnel through an HTTP proxy to the server's host and port, with CONNECT (RFC 9110 section 9.3.6).
 *
 * The proxy resolves the server's name, and it alone gets its credentials.
 */

import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";
import { type HeaderPairs, readBodyPrefix, sendRequest } from "./http-request.ts";
import type { PendingHandshake } from "./pending-handshake.ts";
import type { Tunnel } from "./proxy.ts";
import { statusWords } from "./refusal-words.ts";

/** Opens a tunnel over a stream to an HTTP proxy; afterwards the stream leads to the server. */
export async function openHttpTunnel(
  handshake: PendingHandshake,
  stream: Duplex,
  { proxy, target: { host, port }, maxHeaderSize }: Tunnel,
): Promise<void> {
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const headers: HeaderPairs = [
    ["Host", authority],
    // Without it, proxies of HTTP/1.0 close the connection after their answer.
    ["Connection", "keep-alive"],
    ...proxy.headers,
  ];
  const head = await sendRequest(handshake, stream, { method: "CONNECT", path: authority, headers }, maxHeaderSize);
  const { response, rest, problem } = head;
  if (response.status < 200 || response.status > 299 || problem !== undefined) {
    const { status, rawHeaders } = response;
    const body = await readBodyPrefix(handshake, stream, head);
    const detail = `it answered ${statusWords(response, body)}${problem === undefined ? "" : `, and ${problem}`}`;
    throw new HandshakeError("proxy-failed", { detail, status, headers: rawHeaders, body });
  }
  if (rest.length > 0) stream.unshift(rest);
}
