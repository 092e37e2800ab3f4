/**
 * The response that refuses an opening handshake, RFC 6455 section 4.2.2: an ordinary response of HTTP/1.1 with a body.
 */

import { joinBytes } from "../runtime/memory.ts";
import { encodeLatin1, encodeUtf8 } from "../runtime/text.ts";
import { formatAddedField, isFraming } from "./added-fields.ts";
import type { Refusal } from "./handshake-error.ts";

/**
 * Returns the whole response that refuses a handshake: head and body, with `Content-Length` and `Connection: close`.
 *
 * Throws a RangeError when the status is not an integer from 200 to 599. Throws a TypeError when `headers` has an
 * invalid name or value or a field that frames the response, and when a 204 or 304 has a body.
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
    fields += formatAddedField(name, value, isFraming);
  }
  // RFC 9110 section 7.8: a message with Upgrade names it in Connection.
  fields += upgrades ? "Connection: close, Upgrade\r\n" : "Connection: close\r\n";
  if (!bodiless) fields += `Content-Length: ${body.length}\r\n`;
  const head = encodeLatin1(`HTTP/1.1 ${status} ${reasonPhrases[status] ?? ""}\r\n${fields}\r\n`);
  return joinBytes([head, body]);
}

/** The reason phrases of RFC 9110 section 15 for the statuses that refuse a handshake; the others have none. */
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
