/**
 * The response of the opening handshake, RFC 6455 sections 4.1 and 4.2.2: created by a server, verified by a client.
 *
 * Responses are plain values, as `node:http` gives and takes them.
 */

import { describe } from "../check-options.ts";
import { sha1InBase64 } from "../runtime/sha1.ts";
import { formatAddedField, formatField, type HeaderEntries, isOwnedByHandshake } from "./added-fields.ts";
import { HandshakeError, type HandshakeRule } from "./handshake-error.ts";
import {
  type ExtensionElement,
  fieldLimits,
  fieldValues,
  hasToken,
  isToken,
  parseExtensionList,
  parseTokenList,
  totalLength,
} from "./header-fields.ts";

/** Returns the value of `Sec-WebSocket-Accept` that answers a key (section 4.2.2, item 5.4). */
export function secWebSocketAccept(secWebSocketKey: string): string {
  return sha1InBase64(`${secWebSocketKey}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
}

/** The contents of a server's 101. */
export type CreateResponseOptions = {
  /** The key of the verified request. */
  readonly secWebSocketKey: string;
  /** The chosen subprotocol; none when absent. */
  readonly subprotocol?: string | undefined;
  /** The value of `Sec-WebSocket-Extensions`, as negotiated; none when absent. */
  readonly extensions?: string | undefined;
  /** Fields to add, such as cookies. */
  readonly headers?: HeaderEntries | undefined;
};

/**
 * Returns the head of the response that accepts a handshake (section 4.2.2), to be written as latin1.
 *
 * Throws a TypeError when `headers` has an invalid name or value or a field that the handshake sets, and when the
 * subprotocol is not a token.
 */
export function createResponse(options: CreateResponseOptions): string {
  const { secWebSocketKey, subprotocol, extensions, headers } = options;
  let head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${secWebSocketAccept(secWebSocketKey)}\r\n`;
  if (subprotocol !== undefined) {
    if (!isToken(subprotocol)) throw new TypeError("Cannot create the response: the subprotocol is not a token");
    head += `Sec-WebSocket-Protocol: ${subprotocol}\r\n`;
  }
  if (extensions !== undefined) head += formatField("Sec-WebSocket-Extensions", extensions);
  if (headers !== undefined) {
    for (const [name, value] of headers) head += formatAddedField(name, value, isOwnedByHandshake);
  }
  return `${head}\r\n`;
}

/** A response as it came. */
export type HandshakeResponse = {
  /** The status, such as 101. */
  readonly status: number;
  /** The version of HTTP, such as `1.1`. */
  readonly httpVersion: string;
  /** The header fields, names and values in turn, in wire order, duplicates included. */
  readonly rawHeaders: readonly string[];
};

/** The contents of the client's request, which the response must answer. */
export type VerifyResponseOptions = {
  /** The key that was sent. */
  readonly secWebSocketKey: string;
  /** The offered subprotocols; empty when none were. */
  readonly subprotocols: readonly string[];
  /** Whether any extension was offered. If not, a response that names one fails. */
  readonly extensionsOffered: boolean;
};

/** The outcome of a verified response. */
export type VerifiedResponse = {
  /** One of the offered subprotocols; undefined when the server chose none. */
  readonly subprotocol: string | undefined;
  /** The extensions that the server accepted. Whether each was offered, and with these parameters, is not verified. */
  readonly extensions: readonly ExtensionElement[];
};

/**
 * Verifies a server's response against section 4.1.
 *
 * Its version of HTTP does not matter: sections 4.1 and 4.2.2 name none for the response, and there are servers that
 * say HTTP/1.0. Throws a `HandshakeError` that names the first rule that is broken.
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
  if (totalLength(accepted) > fieldLimits.maxResponseExtensions) return fail("malformed-response-extensions");
  const extensions = accepted.length === 0 ? [] : parseExtensionList(accepted);
  if (typeof extensions === "string") return fail("malformed-response-extensions");
  if (extensions.length > 0 && !options.extensionsOffered) fail("unexpected-extension", extensions[0]!.name);
  return { subprotocol, extensions };
}
