/**
 * The arguments that a WebSocket would refuse, checked before there is one, so that a wrong one is no failed attempt.
 */

import { utf8Length } from "./message-queue.ts";

/** The URL, serialised; a SyntaxError for one that no WebSocket takes (WHATWG WebSockets section 3.1). */
export function parseUrl(url: string | URL): string {
  let href = "";
  try {
    ({ href } = new URL(url, (globalThis as { readonly location?: { readonly href: string } }).location?.href));
  } catch {
    // The error of `URL` would show the whole text, secrets included.
  }
  if (!/^(ws|http)s?:[^#]+$/.test(href)) throw syntaxError("connect: the URL is not ws: or wss:, or has a fragment");
  return href.replace(/^http/, "ws");
}

/** Throws a SyntaxError for subprotocols that are no tokens, or of which two are the same. */
export function checkProtocols(protocols: readonly string[]): void {
  if (new Set(protocols).size === protocols.length && protocols.every((name) => /^[\w!#$%&'*+.^`|~-]+$/.test(name)))
    return;
  throw syntaxError(`connect: "${protocols}" are no different tokens`);
}

/** Throws what `close` of a WebSocket throws. */
export function checkCloseArguments(code = 1000, reason = ""): void {
  if (code !== 1000 && !(code >= 3000 && code <= 4999)) {
    throw new DOMException(`Cannot close: ${code} is neither 1000 nor from 3000 to 4999`, "InvalidAccessError");
  }
  if (utf8Length(reason) > 123) throw syntaxError("close: the reason is longer than 123 bytes");
}

function syntaxError(what: string): DOMException {
  return new DOMException(`Cannot ${what}`, "SyntaxError");
}
