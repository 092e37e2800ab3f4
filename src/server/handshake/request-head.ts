/**
 * Reads the head of an opening handshake that came in one piece and can be read in one way only (RFC 9112).
 *
 * Every other head is left to `node:http`. The grammar here is a part of the one that `node:http` accepts, so nothing
 * gets in that `node:http` would refuse (faults C01, C02).
 */

import type { Buffer } from "node:buffer";

/** The head of an opening handshake. */
export interface RequestHead {
  /** The request target in origin form. */
  readonly target: string;
  /** Names and values of the fields, alternating, as in `node:http`. */
  readonly rawHeaders: readonly string[];
}

/**
 * The pattern of a regular head: a GET for a path, fields of ASCII without folding, CRLF behind every line, nothing
 * behind the empty line. No class of characters overlaps with the next one, so matching never goes back.
 */
const shape = /^GET (\/[!-~]*) HTTP\/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+\r\n$/;
/** The fields that give a request a body, or ask for something before the answer. */
const unusual = /\r\n(?:content-length|transfer-encoding|expect|trailer|te):/i;
/** The longest head that is read here, in bytes. */
const longestHead = 4096;
const firstLineRest = " HTTP/1.1\r\n".length;

/**
 * Reads the head in the first `length` bytes of `chunk`; undefined unless they are one whole, regular head of at most
 * `maxSize` bytes.
 */
export function readRequestHead(chunk: Buffer, length: number, maxSize: number): RequestHead | undefined {
  if (length > longestHead || length > maxSize) return undefined;
  const text = chunk.toString("latin1", 0, length);
  const target = shape.exec(text)?.[1];
  if (target === undefined || unusual.test(text)) return undefined;
  const rawHeaders: string[] = [];
  let at = "GET ".length + target.length + firstLineRest;
  while (at < text.length - 2) {
    const colon = text.indexOf(":", at);
    const end = text.indexOf("\r\n", colon);
    rawHeaders.push(text.slice(at, colon), text.slice(colon + 1, end).trim());
    at = end + 2;
  }
  return { target, rawHeaders };
}
