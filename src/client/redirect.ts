/**
 * Redirects, and the parts of a request that may follow them (RFC 6455 section 4.1, RFC 9110 section 15.4).
 *
 * Possible secrets, which are all header fields of the caller and its certificate, never go to another host nor from
 * wss to ws. They stay away when a later redirect returns to the first host (fault C12).
 */

import { HandshakeError } from "../protocol/handshake/handshake-error.ts";
import { fieldValues } from "../protocol/handshake/header-fields.ts";
import type { HandshakeResponse } from "../protocol/handshake/response.ts";
import type { TlsOptions } from "./dialing/secure.ts";
import { parseWebSocketUrl } from "./dialing/url.ts";

/** The URL of an opening handshake. */
export interface Destination {
  readonly url: URL;
  /**
   * Whether the caller's header fields and certificate may go there: no redirect has left the host that it addressed.
   */
  readonly trusted: boolean;
}

const redirects: readonly number[] = [301, 302, 303, 307, 308];
/** The options of TLS that prove the client's identity or name one server. */
const ownToOneServer = [
  "cert",
  "key",
  "passphrase",
  "pfx",
  "pskCallback",
  "secureContext",
  "servername",
  "session",
] as const satisfies readonly (keyof TlsOptions)[];

/** Whether a response is a redirect to another URL. */
export function isRedirect(response: HandshakeResponse): boolean {
  return redirects.includes(response.status) && fieldValues(response.rawHeaders, "location").length > 0;
}

/** The destination of a redirect. Throws a `HandshakeError` when it is no ws or wss URL. */
export function followRedirect(from: Destination, response: HandshakeResponse): Destination {
  const [location] = fieldValues(response.rawHeaders, "location");
  try {
    const url = parseWebSocketUrl(location!, from.url);
    const sameHost = url.host === from.url.host;
    const downgraded = from.url.protocol === "wss:" && url.protocol === "ws:";
    return { url, trusted: from.trusted && sameHost && !downgraded };
  } catch (cause) {
    const { status, rawHeaders: headers } = response;
    throw new HandshakeError("status-not-101", { detail: `${status} to an unusable URL`, status, headers, cause });
  }
}

/** The options of TLS for a server that the caller has not addressed. */
export function withoutIdentity(options: TlsOptions | undefined): TlsOptions {
  const left = { ...options };
  for (const name of ownToOneServer) delete left[name];
  return left;
}
