/**
 * The request of the opening handshake, RFC 6455 sections 4.1 and 4.2.1: created by a client, verified by a server.
 *
 * Requests are plain values, as `node:http` gives and takes them. A request from a peer never makes it throw: it is
 * verified or refused. A value from a program that could break the head throws a TypeError before a byte is written.
 */

import { encodeBase64 } from "../runtime/base64.ts";
import { fillRandom } from "../runtime/random.ts";
import { checkAddedField, checkFieldValue, type HeaderEntries, isOwnedByHandshake } from "./added-fields.ts";
import { type Refusal, type RefusalRule, refusalOf } from "./handshake-error.ts";
import {
  type ExtensionElement,
  fieldLimits,
  fieldValues,
  hasToken,
  isToken,
  parseAuthority,
  parseExtensionList,
  parseProductList,
  parseTokenList,
  totalLength,
} from "./header-fields.ts";

/** The contents of a client's request. */
export type CreateRequestOptions = {
  /** A ws or wss URL, as `parseWebSocketUrl` returns. */
  readonly url: URL;
  /** The subprotocols to offer, in order of preference; none when absent or empty. */
  readonly subprotocols?: readonly string[] | undefined;
  /** The value of `Sec-WebSocket-Extensions`; nothing is offered when absent. */
  readonly extensions?: string | undefined;
  /** The value of `Origin`; absent by default. */
  readonly origin?: string | undefined;
  /** Fields to add, such as cookies; a `Host` here takes the place of the URL's. */
  readonly headers?: HeaderEntries | undefined;
};

/** A client's request. */
export type CreatedRequest = {
  /** The key that the response must answer. */
  readonly secWebSocketKey: string;
  /** All header fields, as names and values. */
  readonly headers: [name: string, value: string][];
};

/**
 * Returns the header fields of a client's request (section 4.1), with a fresh key.
 *
 * Throws a TypeError when a subprotocol is repeated or not a token, and when `headers` has an invalid name or value or
 * a field that the handshake sets.
 */
export function createRequestHeaders(options: CreateRequestOptions): CreatedRequest {
  const { url, subprotocols = [], extensions, origin, headers = [] } = options;
  const nonce = new Uint8Array(16);
  fillRandom(nonce);
  const secWebSocketKey = encodeBase64(nonce);
  let host: string | undefined;
  const added: [name: string, value: string][] = [];
  for (const [name, value] of headers) {
    checkAddedField(name, value, origin === undefined ? isOwnedByHandshake : isOwnedWithOrigin);
    if (name.toLowerCase() !== "host") {
      added.push([name, value]);
    } else if (host === undefined && parseAuthority(value) !== undefined) {
      host = value;
    } else {
      throw new TypeError("Cannot create the request: Host is repeated, or is not a host with an optional port");
    }
  }
  const own: [name: string, value: string][] = [
    ["Host", host ?? url.host],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Key", secWebSocketKey],
    ["Sec-WebSocket-Version", "13"],
  ];
  if (subprotocols.length > 0) own.push(["Sec-WebSocket-Protocol", joinSubprotocols(subprotocols)]);
  if (extensions !== undefined)
    own.push(["Sec-WebSocket-Extensions", checkFieldValue("Sec-WebSocket-Extensions", extensions)]);
  if (origin !== undefined) own.push(["Origin", checkFieldValue("Origin", origin)]);
  return { secWebSocketKey, headers: [...own, ...added] };
}

/** Returns the offered subprotocols as a list. They must be tokens, and each may occur once (section 4.1, item 10). */
function joinSubprotocols(subprotocols: readonly string[]): string {
  for (const subprotocol of subprotocols) {
    if (!isToken(subprotocol)) throw new TypeError("Cannot create the request: a subprotocol is not a token");
  }
  if (new Set(subprotocols).size !== subprotocols.length) {
    throw new TypeError("Cannot create the request: a subprotocol is repeated");
  }
  return subprotocols.join(", ");
}

function isOwnedWithOrigin(name: string): boolean {
  return name === "origin" || isOwnedByHandshake(name);
}

/** A request as it came. */
export type HandshakeRequest = {
  /** The method, such as `GET`. */
  readonly method: string;
  /** The version of HTTP, such as `1.1`. */
  readonly httpVersion: string;
  /** The request target: a path with its query, or an absolute http, https, ws or wss URL of this host. */
  readonly target: string;
  /** The header fields, names and values in turn, in wire order, duplicates included. */
  readonly rawHeaders: readonly string[];
  /** Whether the request came over a Unix socket, where `Host` may have any value. Default false. */
  readonly overUnixSocket?: boolean;
};

/** Limits of a request. Beyond them it is refused with 431. */
export type RequestLimits = {
  /** The most header fields; repeated ones count each. Default 256. */
  readonly maxHeaderFields: number;
  /** The most characters of one `Sec-WebSocket-*` field, all of its lines together. Default 16 KiB. */
  readonly maxHeaderSize: number;
};

const defaultLimits: RequestLimits = { maxHeaderFields: 256, maxHeaderSize: 16 * 1024 };

/** A request that a server may accept. */
export type VerifiedRequest = {
  readonly ok: true;
  /** The key that the response must answer. */
  readonly secWebSocketKey: string;
  /** The path and query asked for (section 3). A path may begin with `//`, so do not resolve it against a base URL. */
  readonly resourceName: string;
  /** The subprotocols that the client offers, in its order of preference; empty when it offers none. */
  readonly subprotocols: readonly string[];
  /** The extensions that the client offers, in its order of preference; empty when it offers none. */
  readonly extensions: readonly ExtensionElement[];
  /** The `Host` field as sent: a host with an optional port. Empty over a Unix socket where it is neither. */
  readonly host: string;
  /** The `Origin` field as sent; undefined when there is none. */
  readonly origin: string | undefined;
};

/** A request that breaks a rule. */
export type RefusedRequest = {
  readonly ok: false;
  /** The broken rule. */
  readonly rule: RefusalRule;
  /** The answer to send before the transport is closed. */
  readonly refusal: Refusal;
};

/** Verifies a client's request against section 4.2.1. Never throws. */
export function verifyRequest(
  request: HandshakeRequest,
  limits: RequestLimits = defaultLimits,
): VerifiedRequest | RefusedRequest {
  const { rawHeaders, target } = request;
  if (rawHeaders.length > limits.maxHeaderFields * 2) return refuse("too-many-headers");
  const hosts = fieldValues(rawHeaders, "host");
  const keys = fieldValues(rawHeaders, "sec-websocket-key");
  const origins = fieldValues(rawHeaders, "origin");
  const hostIsValid = hosts.length === 1 && isHost(hosts[0] as string);
  const rule =
    brokenRequestRule(request) ??
    brokenHostRule(hosts, hostIsValid, request) ??
    brokenVersionRule(rawHeaders) ??
    brokenKeyRule(keys);
  if (rule !== undefined) return refuse(rule);
  const host = hostIsValid ? (hosts[0] as string) : "";
  const resourceName = readTarget(target, host);
  if (resourceName === undefined) return refuse("invalid-target");
  if (origins.length > 1) return refuse("duplicate-origin");
  const offered = fieldValues(rawHeaders, "sec-websocket-protocol");
  const wanted = fieldValues(rawHeaders, "sec-websocket-extensions");
  if (totalLength(offered) > limits.maxHeaderSize || totalLength(wanted) > limits.maxHeaderSize)
    return refuse("field-too-long");
  const subprotocols = readSubprotocols(offered);
  if (typeof subprotocols === "string") return refuse(subprotocols);
  // Some clients send the field with nothing in it where they offer nothing.
  const extensions = readExtensions(wanted.filter((line) => line !== ""));
  if (typeof extensions === "string") return refuse(extensions);
  return {
    ok: true,
    secWebSocketKey: keys[0] as string,
    resourceName,
    subprotocols,
    extensions,
    host,
    origin: origins[0],
  };
}

function refuse(rule: RefusalRule): RefusedRequest {
  return { ok: false, rule, refusal: refusalOf(rule) };
}

function brokenRequestRule({ method, httpVersion, rawHeaders }: HandshakeRequest): RefusalRule | undefined {
  if (method !== "GET") return "wrong-method";
  if (!isAtLeastHttp11(httpVersion)) return "old-http-version";
  if (!hasToken(parseProductList(fieldValues(rawHeaders, "upgrade")), "websocket")) return "missing-upgrade";
  if (!hasToken(parseTokenList(fieldValues(rawHeaders, "connection")), "upgrade")) return "missing-connection";
  // A request with a body could hide a second one behind it from a proxy that disagrees on its length.
  if (fieldValues(rawHeaders, "transfer-encoding").length > 0) return "unexpected-body";
  if (!fieldValues(rawHeaders, "content-length").every((length) => /^0+$/.test(length))) return "unexpected-body";
  return undefined;
}

function isAtLeastHttp11(version: string): boolean {
  return /^\d\.\d$/.test(version) && version >= "1.1";
}

function brokenHostRule(
  hosts: readonly string[],
  isValid: boolean,
  request: HandshakeRequest,
): RefusalRule | undefined {
  if (hosts.length === 0) return "missing-host";
  if (hosts.length > 1) return "duplicate-host";
  return isValid || request.overUnixSocket ? undefined : "invalid-host";
}

/** Whether the text is a host that a URL can have; `1.2.3.4.5` and `a%zz` would throw later, where a URL is built. */
function isHost(text: string): boolean {
  if (text === latestHost) return true;
  if (parseAuthority(text) === undefined || !URL.canParse(`http://${text}`)) return false;
  latestHost = text;
  return true;
}

/** The latest valid host: most requests name the same, and `URL.canParse` takes 2 % of a handshake (Node 20). */
let latestHost: string | undefined;

function brokenVersionRule(rawHeaders: readonly string[]): RefusalRule | undefined {
  const versions = fieldValues(rawHeaders, "sec-websocket-version");
  if (versions.length > 1) return "duplicate-version";
  return versions[0] === "13" ? undefined : "unsupported-version";
}

function brokenKeyRule(keys: readonly string[]): RefusalRule | undefined {
  if (keys.length === 0) return "missing-key";
  if (keys.length > 1) return "duplicate-key";
  return /^[+/0-9A-Za-z]{22}==$/.test(keys[0] as string) ? undefined : "invalid-key";
}

/**
 * A path with dot segments, encoded or not, or backslashes: a parser of URLs would change it, so that it names another
 * resource. Clients that parse the URL never send one.
 */
const reshaped = /^[^?]*(?:\\|\/(?:\.|%2e){1,2}(?:[/?]|$))/i;

const NUMBER_SIGN = 0x23;

/**
 * Returns the resource name of a target in origin form, or in absolute form with the same host; undefined for others.
 */
function readTarget(target: string, host: string): string | undefined {
  for (let index = 0; index < target.length; index++) {
    const code = target.charCodeAt(index);
    if (code < 0x21 || code > 0x7e || code === NUMBER_SIGN) return undefined;
  }
  if (reshaped.test(target)) return undefined;
  if (target.startsWith("/")) return target;
  const scheme = /^(?:http|ws)(s?):\/\//i.exec(target);
  if (scheme === null) return undefined;
  const start = scheme[0].length;
  const end = target.slice(start).search(/[/?]/);
  const authority = end === -1 ? target.slice(start) : target.slice(start, start + end);
  if (!isSameAuthority(authority, host, scheme[1] === "" ? "80" : "443")) return undefined;
  const rest = end === -1 ? "" : target.slice(start + end);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** Whether two authorities name one host and port; the default port may be spelled out. */
function isSameAuthority(one: string, other: string, defaultPort: string): boolean {
  const [first, second] = [parseAuthority(one), parseAuthority(other)];
  if (first === undefined || second === undefined || first.host !== second.host) return false;
  return (first.port || defaultPort) === (second.port || defaultPort);
}

function readSubprotocols(lines: readonly string[]): readonly string[] | RefusalRule {
  if (lines.length === 0) return [];
  const subprotocols = parseTokenList(lines, fieldLimits.maxSubprotocols);
  if (typeof subprotocols === "string") {
    return subprotocols === "malformed" ? "malformed-subprotocols" : "too-many-subprotocols";
  }
  return new Set(subprotocols).size === subprotocols.length ? subprotocols : "repeated-subprotocol";
}

function readExtensions(lines: readonly string[]): readonly ExtensionElement[] | RefusalRule {
  if (lines.length === 0) return [];
  const extensions = parseExtensionList(lines);
  if (typeof extensions !== "string") return extensions;
  return extensions === "malformed" ? "malformed-extensions" : "too-many-extensions";
}
