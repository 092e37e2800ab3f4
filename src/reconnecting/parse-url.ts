/** The URL, which a WebSocket would refuse, checked before there is one, so that a wrong one is no failed attempt. */

/** The URL, serialised; a SyntaxError for one that no WebSocket takes (WHATWG WebSockets section 3.1). */
export function parseUrl(url: string | URL): string {
  let href = "";
  try {
    ({ href } = new URL(url, (globalThis as { readonly location?: { readonly href: string } }).location?.href));
  } catch {
    // The error of `URL` would show the whole text, secrets included.
  }
  if (/^(ws|http)s?:[^#]+$/.test(href)) return href.replace(/^http/, "ws");
  throw new DOMException("Cannot connect: the URL must be ws: or wss:", "SyntaxError");
}
