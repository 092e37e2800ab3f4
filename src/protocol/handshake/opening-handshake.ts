/**
 * The opening handshake, RFC 6455 sections 4.1, 4.2 and 9.1: each message of it created and verified, by either side.
 *
 * Messages are plain values, as `node:http` gives and takes them; nothing here reads a socket or a clock. What a peer sends
 * never throws on the server's side: it is verified or refused. What the user gives throws a TypeError before a byte is
 * written when it could break a head or contradict a field that the handshake itself sets.
 */
import { describe } from "../check-options.ts";
import { encodeBase64 } from "../runtime/base64.ts";
import { joinBytes } from "../runtime/memory.ts";
import { fillRandom } from "../runtime/random.ts";
import { sha1InBase64 } from "../runtime/sha1.ts";
import { encodeLatin1, encodeUtf8 } from "../runtime/text.ts";
import { HandshakeError, type HandshakeRule, type Refusal, type RefusalRule, refusalOf } from "./handshake-error.ts";
import {
  type ExtensionElement,
  fieldLimits,
  fieldValues,
  isFieldValue,
  isToken,
  type ListProblem,
  parseAuthority,
  parseExtensionList,
  parseProductList,
  parseTokenList,
} from "./header-fields.ts";

/** Header fields to add, as names and values; an array of pairs, a `Map` and a `Headers` object all do. */
export type HeaderEntries = Iterable<readonly [name: string, value: string]>;

/** The request as it came: `rawHeaders` alternates names and values in wire order, duplicates included. */
export type HandshakeRequest = {
  readonly method: string;
  /** Such as `1.1`. */
  readonly httpVersion: string;
  /** The request target: a path with its query, or an absolute http, https, ws or wss URL of this host. */
  readonly target: string;
  readonly rawHeaders: readonly string[];
  /**
   * Whether it came over a Unix socket, whose clients have no host to name, so that `Host` may say anything. Default
   * false.
   */
  readonly overUnixSocket?: boolean;
};

/** What a request may hold; beyond it 431. */
export type RequestLimits = {
  /** Header fields, repeated ones counted each. Default 256. */
  readonly maxHeaderFields: number;
  /** Characters of one `Sec-WebSocket-*` field, all of its lines together. Default 16 KiB. */
  readonly maxHeaderSize: number;
};

const defaultLimits: RequestLimits = { maxHeaderFields: 256, maxHeaderSize: 16 * 1024 };

/** A request that a server may accept. */
export type VerifiedRequest = {
  readonly ok: true;
  readonly secWebSocketKey: string;
  /**
   * The path and query that were asked for (section 3); a path may begin with `//`, so a URL is not built by resolving
   * it.
   */
  readonly resourceName: string;
  /** What the client offers, in its order of preference; empty when it offers none. */
  readonly subprotocols: readonly string[];
  /** What the client offers, in its order of preference; empty when it offers none. */
  readonly extensions: readonly ExtensionElement[];
  /**
   * The `Host` field as sent: a host with an optional port, from which a URL can be built. Empty where it is none, over a
   * Unix socket.
   */
  readonly host: string;
  /** The `Origin` field as sent; undefined when there is none. */
  readonly origin: string | undefined;
};

/** A request that breaks a rule, with the answer to send before the transport is closed. */
export type RefusedRequest = { readonly ok: false; readonly rule: RefusalRule; readonly refusal: Refusal };

/** Verifies a client's request against section 4.2.1; never throws. */
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
  if (lengthOf(offered) > limits.maxHeaderSize || lengthOf(wanted) > limits.maxHeaderSize)
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

/** The `Sec-WebSocket-Accept` value that answers `secWebSocketKey` (section 4.2.2, item 5.4). */
export function secWebSocketAccept(secWebSocketKey: string): string {
  return sha1InBase64(`${secWebSocketKey}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
}

/** What a server's 101 says. */
export type CreateResponseOptions = {
  /** The key of the request, as verified. */
  readonly secWebSocketKey: string;
  /** The chosen subprotocol; none when absent. */
  readonly subprotocol?: string | undefined;
  /** The value of `Sec-WebSocket-Extensions`, as negotiated; none when absent. */
  readonly extensions?: string | undefined;
  /** Fields to add, such as cookies. */
  readonly headers?: HeaderEntries | undefined;
};

/**
 * The head of the response that accepts a handshake (section 4.2.2), to be written as latin1.
 *
 * Throws a TypeError when `headers` has an invalid name or value or sets a field that the handshake owns, or when the
 * subprotocol is not a token.
 */
export function createResponse(options: CreateResponseOptions): string {
  const { secWebSocketKey, subprotocol, extensions, headers } = options;
  let head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${secWebSocketAccept(secWebSocketKey)}\r\n`;
  if (subprotocol !== undefined) {
    if (!isToken(subprotocol)) throw new TypeError("Cannot create the response: the subprotocol is not a token");
    head += `Sec-WebSocket-Protocol: ${subprotocol}\r\n`;
  }
  if (extensions !== undefined) head += createField("Sec-WebSocket-Extensions", extensions);
  if (headers !== undefined) {
    for (const [name, value] of headers) head += createUserField(name, value, isOwnedByHandshake);
  }
  return `${head}\r\n`;
}

/**
 * The whole response that refuses a handshake: head and body, with `Content-Length` and `Connection: close`.
 *
 * Throws a RangeError when the status is not an integer from 200 to 599, and a TypeError when `headers` has an invalid name
 * or value or sets a field that frames the response, or when a 204 or 304 has a body.
 */
export function createRefusal(refusal: Refusal): Uint8Array {
  const { status, headers } = refusal;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError("Cannot create the refusal: the status is not an integer from 200 to 599");
  }
  const body = typeof refusal.body === "string" ? encodeUtf8(refusal.body) : refusal.body;
  const bodiless = status === 204 || status === 304;
  if (bodiless && body.length > 0) throw new TypeError(`Cannot create the refusal: a ${status} has no body`);
  let upgrades = false;
  let fields = "";
  for (const [name, value] of headers) {
    upgrades ||= name.toLowerCase() === "upgrade";
    fields += createUserField(name, value, isFraming);
  }
  // RFC 9110 section 7.8: who sends Upgrade names it in Connection.
  fields += upgrades ? "Connection: close, Upgrade\r\n" : "Connection: close\r\n";
  if (!bodiless) fields += `Content-Length: ${body.length}\r\n`;
  const head = encodeLatin1(`HTTP/1.1 ${status} ${reasonPhrases[status] ?? ""}\r\n${fields}\r\n`);
  return joinBytes([head, body]);
}

/** What a client's request says. */
export type CreateRequestOptions = {
  /** A ws or wss URL, as `parseWebSocketUrl` returns. */
  readonly url: URL;
  /** Offered in order of preference; none when absent or empty. */
  readonly subprotocols?: readonly string[] | undefined;
  /** The value of `Sec-WebSocket-Extensions`; nothing is offered when absent. */
  readonly extensions?: string | undefined;
  /** The value of `Origin`; absent by default. */
  readonly origin?: string | undefined;
  /** Fields to add, such as cookies; a `Host` here takes the place of the URL's. */
  readonly headers?: HeaderEntries | undefined;
};

/** The header fields of a client's request, and the key that its response must answer. */
export type CreatedRequest = { readonly secWebSocketKey: string; readonly headers: [name: string, value: string][] };

/**
 * The header fields of a client's request (section 4.1), with a fresh key.
 *
 * Throws a TypeError when a subprotocol is repeated or not a token, or when `headers` has an invalid name or value or
 * sets a field that the handshake owns.
 */
export function createRequestHeaders(options: CreateRequestOptions): CreatedRequest {
  const { url, subprotocols = [], extensions, origin, headers = [] } = options;
  const nonce = new Uint8Array(16);
  fillRandom(nonce);
  const secWebSocketKey = encodeBase64(nonce);
  let host: string | undefined;
  const added: [name: string, value: string][] = [];
  for (const [name, value] of headers) {
    checkUserField(name, value, origin === undefined ? isOwnedByHandshake : isOwnedWithOrigin);
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
    own.push(["Sec-WebSocket-Extensions", checkValue("Sec-WebSocket-Extensions", extensions)]);
  if (origin !== undefined) own.push(["Origin", checkValue("Origin", origin)]);
  return { secWebSocketKey, headers: [...own, ...added] };
}

/**
 * The fields of a request for a tunnel (RFC 9110 section 9.3.6) besides those that name the server: the caller's, and the
 * credentials unless the caller's have some.
 *
 * Throws a TypeError for an invalid name or value and for a field that names the server, frames the request or upgrades.
 */
export function createProxyHeaders(
  headers: HeaderEntries,
  credentials: string | undefined,
): readonly (readonly [name: string, value: string])[] {
  const all: (readonly [name: string, value: string])[] = [];
  let authorized = credentials === undefined;
  for (const [name, value] of headers) {
    checkUserField(name, value, isOwnedByTunnel);
    authorized ||= name.toLowerCase() === "proxy-authorization";
    all.push([name, value]);
  }
  return authorized ? all : [["Proxy-Authorization", credentials as string], ...all];
}

/** The response as it came: `rawHeaders` alternates names and values in wire order, duplicates included. */
export type HandshakeResponse = {
  readonly status: number;
  /** Such as `1.1`. */
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
};

/** What the client's request said, for its response to answer. */
export type VerifyResponseOptions = {
  readonly secWebSocketKey: string;
  /** The offered subprotocols; empty when none were. */
  readonly subprotocols: readonly string[];
  /** Whether any extension was offered: with false, a response that names one fails. */
  readonly extensionsOffered: boolean;
};

/** What a server's response settled. */
export type VerifiedResponse = {
  /** One of the offered subprotocols; undefined when the server chose none. */
  readonly subprotocol: string | undefined;
  /** What the server accepted; whether each was offered, and so, is for its negotiation to judge. */
  readonly extensions: readonly ExtensionElement[];
};

/**
 * Verifies a server's response against section 4.1.
 *
 * The version is not asked for: sections 4.1 and 4.2.2 name none for the response, and servers that say HTTP/1.0 do speak
 * WebSocket. Throws a `HandshakeError` that names the first rule it breaks.
 */
export function verifyResponse(response: HandshakeResponse, options: VerifyResponseOptions): VerifiedResponse {
  const { status, rawHeaders } = response;
  const fail = (rule: HandshakeRule, detail?: string): never => {
    throw new HandshakeError(rule, { status, headers: rawHeaders, ...(detail !== undefined && { detail }) });
  };
  if (status !== 101) fail("status-not-101", String(status));
  const upgrades = fieldValues(rawHeaders, "upgrade");
  if (upgrades.length !== 1 || upgrades[0]!.toLowerCase() !== "websocket") fail("wrong-response-upgrade");
  if (!hasToken(parseTokenList(fieldValues(rawHeaders, "connection")), "upgrade")) fail("wrong-response-connection");
  const accepts = fieldValues(rawHeaders, "sec-websocket-accept");
  if (accepts.length === 0) fail("missing-accept");
  if (accepts.length > 1) fail("duplicate-accept");
  if (accepts[0] !== secWebSocketAccept(options.secWebSocketKey)) fail("wrong-accept");
  const chosen = fieldValues(rawHeaders, "sec-websocket-protocol");
  if (chosen.length > 1) fail("duplicate-response-subprotocol");
  const subprotocol = chosen[0];
  if (subprotocol !== undefined && !options.subprotocols.includes(subprotocol)) {
    fail("unexpected-subprotocol", describe(subprotocol));
  }
  const accepted = fieldValues(rawHeaders, "sec-websocket-extensions");
  if (lengthOf(accepted) > fieldLimits.maxResponseExtensions) return fail("malformed-response-extensions");
  const extensions = readExtensions(accepted);
  if (typeof extensions === "string") return fail("malformed-response-extensions");
  if (extensions.length > 0 && !options.extensionsOffered) fail("unexpected-extension", extensions[0]!.name);
  return { subprotocol, extensions };
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

function brokenHostRule(
  hosts: readonly string[],
  isValid: boolean,
  request: HandshakeRequest,
): RefusalRule | undefined {
  if (hosts.length === 0) return "missing-host";
  if (hosts.length > 1) return "duplicate-host";
  return isValid || request.overUnixSocket ? undefined : "invalid-host";
}

/** What a URL cannot hold (`1.2.3.4.5`, `a%zz`) would throw later, in whoever builds one from the host. */
function isHost(text: string): boolean {
  return parseAuthority(text) !== undefined && URL.canParse(`http://${text}`);
}

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
 * What a parser of URLs takes out of a path or turns into a slash, so that it names another resource: dot segments, encoded
 * or not, and backslashes. Clients that parse the URL never send them.
 */
const reshaped = /^[^?]*(?:\\|\/(?:\.|%2e){1,2}(?:[/?]|$))/i;

/** The resource name of a request target in origin form, or in absolute form when it names the same host. */
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

function lengthOf(lines: readonly string[]): number {
  let length = 0;
  for (const line of lines) length += line.length;
  return length;
}

function hasToken(tokens: readonly string[] | ListProblem, token: string): boolean {
  return typeof tokens !== "string" && tokens.some((candidate) => candidate.toLowerCase() === token);
}

function isAtLeastHttp11(version: string): boolean {
  return /^\d\.\d$/.test(version) && version >= "1.1";
}

/** Offered subprotocols are tokens, each once (section 4.1, item 10). */
function joinSubprotocols(subprotocols: readonly string[]): string {
  for (const subprotocol of subprotocols) {
    if (!isToken(subprotocol)) throw new TypeError("Cannot create the request: a subprotocol is not a token");
  }
  if (new Set(subprotocols).size !== subprotocols.length) {
    throw new TypeError("Cannot create the request: a subprotocol is repeated");
  }
  return subprotocols.join(", ");
}

function createUserField(name: string, value: string, isOwned: (name: string) => boolean): string {
  checkUserField(name, value, isOwned);
  return `${name}: ${value}\r\n`;
}

function createField(name: string, value: string): string {
  return `${name}: ${checkValue(name, value)}\r\n`;
}

function checkUserField(name: string, value: string, isOwned: (name: string) => boolean): void {
  if (typeof name !== "string" || !isToken(name)) {
    throw new TypeError(`Cannot add the header field ${JSON.stringify(name)}: its name is not a token`);
  }
  if (isOwned(name.toLowerCase())) {
    const option = optionsOfFields[name.toLowerCase()] ?? "";
    throw new TypeError(`Cannot add the header field ${name}: the handshake sets it itself${option}`);
  }
  checkValue(name, value);
}

/** The options for what programs want to set by a field of the handshake. */
const optionsOfFields: Readonly<Record<string, string>> = {
  "sec-websocket-protocol": "; the option is subprotocols",
  "sec-websocket-extensions": "; the option is compression",
};

function checkValue(name: string, value: string): string {
  if (typeof value !== "string") {
    throw new TypeError(`Cannot add the header field ${name}: its value must be a string, not ${describe(value)}`);
  }
  if (!isFieldValue(value)) {
    throw new TypeError(
      `Cannot add the header field ${name}: its value has a character that a field value may not have`,
    );
  }
  return value;
}

function isFraming(name: string): boolean {
  return name === "connection" || name === "content-length" || name === "transfer-encoding";
}

function isOwnedByHandshake(name: string): boolean {
  return name === "upgrade" || isFraming(name) || name.startsWith("sec-websocket-");
}

function isOwnedByTunnel(name: string): boolean {
  return name === "host" || name === "upgrade" || isFraming(name);
}

function isOwnedWithOrigin(name: string): boolean {
  return name === "origin" || isOwnedByHandshake(name);
}

const NUMBER_SIGN = 0x23;

/** RFC 9110 section 15, for the statuses that refuse a handshake; the phrase may be empty for the others. */
const reasonPhrases: Readonly<Record<number, string>> = {
  200: "OK",
  204: "No Content",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  413: "Content Too Large",
  414: "URI Too Long",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};
