/**
 * Where a redirect leads, and what may be said there (RFC 6455 section 4.1 allows to follow; RFC 9110 section 15.4).
 *
 * What may be a secret, every header field of the caller's included, never goes to another host nor from wss to ws, and
 * does not come back when a later redirect returns (fault C12).
 */

import { HandshakeError } from "../protocol/handshake/handshake-error.ts";
import { fieldValues } from "../protocol/handshake/header-fields.ts";
import type { HandshakeResponse } from "../protocol/handshake/opening-handshake.ts";
import type { TlsOptions } from "./connect-options.ts";
import { parseWebSocketUrl } from "./dialing/url.ts";

/** Where an opening handshake goes. */
export interface Destination {
  readonly url: URL;
  /** Whether this is still whom the caller addressed, so that its header fields and client certificate are for it. */
  readonly trusted: boolean;
}

const redirects: readonly number[] = [301, 302, 303, 307, 308];
/** Options of TLS that prove who the client is, or that name one server. */
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

/** Whether the response asks to go elsewhere. */
export function isRedirect(response: HandshakeResponse): boolean {
  return redirects.includes(response.status) && fieldValues(response.rawHeaders, "location").length > 0;
}

/** Where the response leads; throws a `HandshakeError` when that is no ws or wss URL. */
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

/** The options of TLS for a server that the caller did not address. */
export function withoutIdentity(options: TlsOptions | undefined): TlsOptions {
  const left = { ...options };
  for (const name of ownToOneServer) delete left[name];
  return left;
}
