/**
 * The URLs that a client connects to (RFC 6455 section 3, WHATWG WebSockets section 3.1).
 *
 * A parsed URL has the scheme ws or wss, a host and no fragment. Its userinfo is kept, for the caller to use or to
 * refuse.
 */

import { Buffer } from "node:buffer";
import { describe } from "../../protocol/check-options.ts";
import { HandshakeError } from "../../protocol/handshake/handshake-error.ts";

/**
 * Parses a ws or wss URL, absolute or relative to `base`; http and https stand for ws and wss.
 *
 * Throws a `HandshakeError` of the rule `invalid-url`, `unsupported-scheme` or, also for an empty fragment,
 * `url-fragment`.
 */
export function parseWebSocketUrl(url: string | URL, base?: string | URL): URL {
  const parsed = parse(url, base);
  if (parsed.protocol === "http:") parsed.protocol = "ws:";
  if (parsed.protocol === "https:") parsed.protocol = "wss:";
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:") {
    throw new HandshakeError("unsupported-scheme", {
      detail: `it is ${describe(parsed.protocol)}; before the host stands ws:// or wss://`,
    });
  }
  // `hash` is empty for an empty fragment, and a serialised URL has no other number sign.
  if (parsed.href.includes("#")) throw new HandshakeError("url-fragment");
  return parsed;
}

/** A URL as errors show it: without userinfo, and with a mark in place of a query, since both may hold secrets. */
export function shownUrl({ protocol, host, pathname, search }: URL): string {
  const path = pathname.length > maxShownPath ? `${pathname.slice(0, maxShownPath)}…` : pathname;
  return `${protocol}//${host}${path}${search === "" ? "" : "?…"}`;
}

/** The number of characters of a path that an error shows. */
const maxShownPath = 200;

/** The target of the request: the path, and the query when it is not empty (RFC 6455 section 3). */
export function resourceName(url: URL): string {
  return url.pathname + url.search;
}

/** The port to connect to: 80 for ws and 443 for wss when the URL names none. */
export function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "wss:" ? 443 : 80;
}

/** The host to connect to, an IPv6 address without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname;
}

/** A host name without the dot at its end, which stands for the root of all names. */
export function withoutRootDot(host: string): string {
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

/** Whether a name is one of this machine (RFC 6761 section 6.3), with a dot at its end or without. */
export function isLocalhost(host: string): boolean {
  return /(?:^|\.)localhost\.?$/.test(host);
}

/** The bytes of a URL's user name or password. */
export function decodeUserinfo(text: string): Buffer {
  // The text is ASCII alone. A percent sign that begins no escape stands for itself.
  const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(decoded, "latin1");
}

/** The user name and password of a URL as an `Authorization` value (RFC 7617); undefined when it has neither. */
export function basicCredentials(url: URL): string | undefined {
  if (url.username === "" && url.password === "") return undefined;
  const bytes = Buffer.concat([decodeUserinfo(url.username), Buffer.from(":"), decodeUserinfo(url.password)]);
  return `Basic ${bytes.toString("base64")}`;
}

/** A text that is no URL, without the parts that may be secrets: before an at sign, and behind a question mark. */
function withoutSecrets(url: unknown): unknown {
  if (typeof url !== "string") return url;
  const [, scheme = "", rest = ""] = /^(\w+:\/\/)?(.*)$/s.exec(url) ?? [];
  // Where a question mark stands before an at sign, either may be a part of the password.
  if (/[?#].*@/s.test(rest)) return `${scheme}…`;
  return scheme + rest.replace(/[?#].*/s, "").replace(/^.*@/s, "");
}

function parse(url: string | URL, base: string | URL | undefined): URL {
  try {
    return new URL(url, base);
  } catch {
    // The error of `URL` is no cause to show: its `input` is the whole text, secrets included (fault C21).
    const whole = "a whole one begins with ws:// or wss:// and a host";
    throw new HandshakeError("invalid-url", { detail: `${describe(withoutSecrets(url))}; ${whole}` });
  }
}
